"""A picture's whole way: find the faces, mask them, prove it, encode it, and read it again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from camfilter.embedding.base import Embedder
from camfilter.errors import FilterFault, GraphRefused, NothingProtected
from camfilter.faces.base import FaceFinder
from camfilter.filter import FaceFilter
from camfilter.filtered import Filtered
from camfilter.frames import RawFrame
from camfilter.guard import Guard, GuardState, ProtectedFrame
from camfilter.meter import AtOnce
from camfilter.photo.chain import PhotoChain
from camfilter.photo.decoding import Kind, Photo, decode
from camfilter.photo.encoding import encode
from camfilter.photo.errors import NoFace
from camfilter.photo.figures import face_figures, standing_of
from camfilter.photo.proof import least_kept, refuse_spill
from camfilter.photo.recognition import identity_figures
from camfilter.photo.settings import Hide, PhotoSettings
from camfilter.surrogate.base import Recogniser, Surrogate

__all__ = ["Masked", "PhotoMasker"]

_LEAST_KEPT = 0.5
"""Of the mask, that must be left in the file; a quality of 75 leaves nine tenths."""


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    """A masked picture.

    Attributes:
        data: the whole file.
        kind: its format.
        figures: what was done and what is read now, as plain values.
    """

    data: bytes = field(repr=False)
    kind: Kind
    figures: dict[str, Any]


class PhotoMasker:
    """Masks pictures, one at a time, each by itself.

    Args:
        finder: finds faces in unrelated pictures.
        surrogate: the expression recognisers to mislead.
        held_out: one that is never attacked, to be asked, too.
        open_embedders: gives the networks that tell people apart, when they are needed.
        open_judges: gives those that are never attacked, to be asked, too.
        clock: reads a monotonic time in seconds.
    """

    def __init__(
        self,
        finder: FaceFinder,
        surrogate: Surrogate,
        *,
        held_out: Recogniser | None = None,
        open_embedders: Callable[[], Sequence[Embedder]] = tuple,
        open_judges: Callable[[], Sequence[Embedder]] = tuple,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._finder = finder
        self._surrogate = surrogate
        self._held_out = held_out
        self._open_embedders, self._open_judges = open_embedders, open_judges
        self._embedders: tuple[Sequence[Embedder], Sequence[Embedder]] | None = None
        self._clock = clock

    def mask(self, photo: Photo, settings: PhotoSettings, kind: Kind | None = None) -> Masked:
        """Mask every face of a picture that is found.

        What is measured is the picture as the file shows it, decoded again.

        Args:
            photo: the picture.
            settings: what to hide, and how strongly.
            kind: format to write; None keeps the picture's.

        Raises:
            NoFace: there is none to be found.
            FilterFault: a promise could not be proved; nothing is returned then.
            SettingError: the format cannot hold the picture.
            GraphRefused: identity shall be hidden, and no network is there that tells it.
            SinkError: the format cannot hold a picture of this size.
        """
        started_s = self._clock()
        embedders, judges = ((), ()) if settings.hide is Hide.EMOTION else self._opened()
        chain = PhotoChain(self._surrogate, settings, embedders)
        face_filter = FaceFilter(self._finder, chain, meter=AtOnce(self._held_out))
        raw = RawFrame(photo.pixels, 0, 0.0)
        filtered = face_filter.apply(raw)
        if not filtered.faces:
            raise NoFace("No face was found.")
        frame, linf_levels = _proved(raw, filtered, settings.allowed.budget_levels)
        kind = kind or photo.kind
        data = encode(frame, photo, kind, settings.quality)
        shown = decode(data).pixels
        kept = least_kept(raw.pixels, frame.pixels, shown, filtered.faces)
        if not kept >= _LEAST_KEPT:
            raise FilterFault(
                f"At quality {settings.quality} only {kept:.0%} of the mask is left in the file.",
                "Use a higher quality, or .png.",
            )
        measures = face_filter.measure(raw, replace(filtered, pixels=shown))
        people = identity_figures(raw.pixels, shown, filtered.faces, embedders, judges)
        faces = face_figures(filtered.faces, measures, people, settings.chain)
        figures = {
            "size": str(photo.size),
            "format": kind.value,
            "bytes": len(data),
            **settings.as_json(),
            "surrogate": self._surrogate.name,
            "provider": self._surrogate.provider,
            "standing": None if settings.hide is Hide.IDENTITY else standing_of(faces),
            "identity_standing": (
                None
                if settings.hide is Hide.EMOTION
                else standing_of([face["identity"] for face in faces])
            ),
            "faces": faces,
            "budget_levels": settings.allowed.budget_levels,
            "linf_levels": linf_levels,
            "mask_kept_share": round(kept, 4),
            "kept": _kept(photo, kind),
            "dropped": list(photo.dropped),
            "elapsed_s": round(self._clock() - started_s, 3),
        }
        return Masked(data, kind, figures)

    def close(self) -> None:
        """Release models; closing twice does nothing."""
        self._finder.close()

    def _opened(self) -> tuple[Sequence[Embedder], Sequence[Embedder]]:
        if self._embedders is None:
            opened = tuple(self._open_embedders())
            if not opened:
                raise GraphRefused("There is no network to hide an identity from.")
            self._embedders = opened, tuple(self._open_judges())
        return self._embedders


def _proved(raw: RawFrame, filtered: Filtered, budget_levels: int) -> tuple[ProtectedFrame, int]:
    """What the guard lets out, and its greatest change in levels."""
    guard = Guard()
    guard.expect(raw)
    linf_levels = guard.admit(raw, filtered.pixels, filtered.faces, budget_levels)
    refuse_spill(raw.pixels, filtered.pixels, filtered.faces)
    frame = guard.frame(raw.time_s, raw.index, raw.size)
    if frame.state is not GuardState.PROTECTED:
        raise NothingProtected(frame.reason)
    return frame, linf_levels


def _kept(photo: Photo, kind: Kind) -> list[str]:
    kept = ["colour profile"] if photo.profile else []
    return [*kept, "resolution"] if photo.dpi and kind is not Kind.WEBP else kept
