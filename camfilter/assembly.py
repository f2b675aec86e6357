"""Put the real parts together."""

from __future__ import annotations

from camfilter.chain import Chain
from camfilter.faces.hold import HeldFaces
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.filter import FaceFilter
from camfilter.settings import ChainSettings
from camfilter.surrogate.base import Surrogate

__all__ = ["build_filter"]


def build_filter(settings: ChainSettings, surrogate: Surrogate, *, stills: bool) -> FaceFilter:
    """The filter with MediaPipe's faces.

    Args:
        settings: of the chain.
        surrogate: the recogniser to attack.
        stills: True for unrelated pictures, False for a moving scene.
    """
    finder = MediaPipeFaces(stills=stills)
    return FaceFilter(finder if stills else HeldFaces(finder), Chain(surrogate, settings))
