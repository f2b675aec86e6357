"""Put the real parts together."""

from __future__ import annotations

from camfilter.assembly import open_held_out, open_surrogate
from camfilter.embedding import open_embedders
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.photo.faces import PhotoFaces
from camfilter.photo.masking import PhotoMasker
from camfilter.surrogate.provider import Provider

__all__ = ["open_masker"]


def open_masker(surrogate: str | None = None, provider: Provider = Provider.AUTO) -> PhotoMasker:
    """A masker with MediaPipe's faces and the shipped recognisers.

    Args:
        surrogate: names joined by +; None takes all.
        provider: hardware for the recognisers of expressions.

    Raises:
        UnknownSurrogate: there is none of that name.
        GraphRefused: a graph is missing, damaged or not the manifest's.
        ProviderUnavailable: a named provider does not run here.
    """
    attacked = open_surrogate(surrogate, provider)
    return PhotoMasker(
        PhotoFaces(MediaPipeFaces(stills=True)),
        attacked,
        held_out=open_held_out(),
        open_embedders=lambda: open_embedders(provider, held_out=False),
        open_judges=lambda: open_embedders(provider, held_out=True),
    )
