"""The recognisers that look at the calls: the surrogates as one, and those held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from camfilter.faces.base import Box, Face
from camfilter.frames import Pixels
from camfilter.geometry import cut_crop
from camfilter.surrogate.base import Recogniser
from camfilter.surrogate.reading import Reading

__all__ = ["Readers", "Sight", "nearest"]

_SAME_FACE = 0.2


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of one face in one frame.

    Attributes:
        box: where the face is, in shares of the frame's width and height times 10,000.
        readings: by the recogniser's name.
    """

    box: Box
    readings: dict[str, Reading]


class Readers:
    """All recognisers at once.

    Args:
        recognisers: the first one is the one that was attacked.
    """

    def __init__(self, recognisers: Sequence[Recogniser]) -> None:
        self._recognisers = tuple(recognisers)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, the attacked one first."""
        return tuple(recogniser.name for recogniser in self._recognisers)

    def look(self, pixels: Pixels, face: Face) -> Sight:
        """Read one face of a picture, (height, width, 3) uint8 BGR."""
        readings = {}
        for recogniser in self._recognisers:
            crop = cut_crop(pixels, face, recogniser.size_px)
            readings[recogniser.name] = Reading.of(recogniser.read(np.asarray(crop)[None])[0])
        return Sight(_share(face.box, pixels), readings)


def nearest(faces: Sequence[Face], pixels: Pixels, wanted: Box) -> Face | None:
    """The face that lies where a face was sent, or None."""
    best = max(faces, key=lambda face: _share(face.box, pixels).overlap(wanted), default=None)
    if best is None or _share(best.box, pixels).overlap(wanted) < _SAME_FACE:
        return None
    return best


def _share(box: Box, pixels: Pixels) -> Box:
    height, width = pixels.shape[:2]
    return Box(
        round(1e4 * box.left / width),
        round(1e4 * box.top / height),
        round(1e4 * box.right / width),
        round(1e4 * box.bottom / height),
    )
