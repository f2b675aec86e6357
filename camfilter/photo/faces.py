"""Faces in a picture of any size: those that are small in it are looked for part by part."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np

from camfilter.faces.base import Box, Face, FaceFinder
from camfilter.frames import Pixels, Size

__all__ = ["PhotoFaces", "parts_of"]

_PART_PX: Final = 1280
"""What MediaPipe's finder looks at without shrinking it."""
_OVERLAP: Final = 0.25
"""Of its side; a face of that size lies wholly in one part at least."""
_SAME_FACE: Final = 0.5


class PhotoFaces:
    """Looks at the whole picture, and at its parts in full resolution where it is large.

    Args:
        finder: for unrelated pictures.
    """

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder

    def find(self, pixels: Pixels) -> list[Face]:
        """All faces in a picture of shape (height, width, 3) uint8, BGR; largest first."""
        found = self._finder.find(pixels)
        small: list[Face] = []
        for part in parts_of(Size.of(pixels)):
            cut = np.ascontiguousarray(pixels[part.slices()])
            small += [_moved(face, part.left, part.top) for face in self._finder.find(cut)]
        for face in sorted(small, key=lambda face: -face.box.area):
            if not _is_among(face, found):
                found.append(face)
        return sorted(found, key=lambda face: -face.box.area)

    def catch_up(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Release models; closing twice does nothing."""
        self._finder.close()


def parts_of(size: Size) -> list[Box]:
    """Parts of a large picture that overlap and cover it, in all resolutions; none of a small one.

    A face across the edge of a part lies wholly in a neighbour, or in a part of twice the size.
    """
    parts: list[Box] = []
    side_px = _PART_PX
    while side_px < max(size.width, size.height):
        parts += [
            Box(left, top, min(left + side_px, size.width), min(top + side_px, size.height))
            for top in _starts(size.height, side_px)
            for left in _starts(size.width, side_px)
        ]
        side_px *= 2
    return parts


def _starts(length_px: int, side_px: int) -> list[int]:
    """Where parts begin, evenly, with at least the overlap."""
    last = length_px - side_px
    if last <= 0:
        return [0]
    steps = -(-last // round(side_px * (1 - _OVERLAP)))
    return [round(step * last / steps) for step in range(steps + 1)]


def _moved(face: Face, right: int, down: int) -> Face:
    """A face that was found in a part, in the pixels of the whole."""
    to_unit = face.to_unit.copy()
    to_unit[:, 2] -= to_unit[:, :2] @ np.array([right, down], np.float64)
    outline = face.outline + np.array([right, down], np.float32)
    return dataclasses.replace(face, outline=outline, to_unit=to_unit, box=Box.around(outline))


def _is_among(face: Face, others: Sequence[Face]) -> bool:
    """Whether it is one of them, or a piece of one that lies across the edge of its part."""
    return any(
        face.box.common(other.box).area > _SAME_FACE * min(face.box.area, other.box.area)
        for other in others
    )
