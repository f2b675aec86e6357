"""A frame's number, written into a corner of its picture in blocks that a codec leaves alone.

Two rows of eight blocks of 16 px: twelve bits of the number in Gray code, so that
one block changes from frame to frame, and four bits that prove it was read right.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from call.colour import I420, NEUTRAL_CHROMA, chroma_of, luma_of
from camfilter.faces.base import Box
from camfilter.frames import Size

__all__ = ["MOST_FRAMES", "Corner", "free_corner", "read_number", "stamp"]

MOST_FRAMES: Final = 4096
_BLOCK_PX: Final = 16
_COLUMNS: Final = 8
_ROWS: Final = 2
_DARK: Final = 57
_BRIGHT: Final = 195
_MIDDLE: Final = (_DARK + _BRIGHT) / 2
_LEAST_MARGIN: Final = 20
"""Levels of luma that a block's mean must keep from the middle to be believed."""


@dataclass(frozen=True, slots=True)
class Corner:
    """Where the code stands, in shares of the frame's width and height."""

    left: float
    top: float
    width: float
    height: float

    def box_in(self, size: Size) -> Box:
        """The code's pixels in a frame of this size, widened to even numbers."""
        left, top = self.left * size.width, self.top * size.height
        right, bottom = left + self.width * size.width, top + self.height * size.height
        return Box(_even_below(left), _even_below(top), _even_above(right), _even_above(bottom))


def free_corner(size: Size, faces: Iterable[Box]) -> Corner | None:
    """A corner that no face of the clip comes near, or None."""
    width, height = _COLUMNS * _BLOCK_PX, _ROWS * _BLOCK_PX
    taken = list(faces)
    for left, top in (
        (0, 0),
        (size.width - width, 0),
        (0, size.height - height),
        (size.width - width, size.height - height),
    ):
        near = Box(left - _BLOCK_PX, top - _BLOCK_PX, left + width + 16, top + height + 16)
        if min(left, top) >= 0 and not any(near.common(face).area for face in taken):
            return Corner(
                left / size.width, top / size.height, width / size.width, height / size.height
            )
    return None


def stamp(picture: I420, corner: Corner, number: int) -> None:
    """Write a number from 0 to 4095 into a picture of the size that the corner was chosen for."""
    luma = luma_of(picture)
    box = corner.box_in(Size(luma.shape[1], luma.shape[0]))
    levels = np.where(_bits(number), _BRIGHT, _DARK).astype(np.uint8)
    luma[box.slices()] = np.kron(levels, np.ones((_BLOCK_PX, _BLOCK_PX), np.uint8))
    chroma_of(picture)[:, box.top // 2 : box.bottom // 2, box.left // 2 : box.right // 2] = (
        NEUTRAL_CHROMA
    )


def read_number(strip: NDArray[np.uint8]) -> int | None:
    """The number in the code's pixels (luma, of any scale), or None when it cannot be believed."""
    height, width = strip.shape
    means = np.empty((_ROWS, _COLUMNS))
    for row, column in np.ndindex(_ROWS, _COLUMNS):
        means[row, column] = strip[
            _inner(row, height / _ROWS), _inner(column, width / _COLUMNS)
        ].mean()
    if np.abs(means - _MIDDLE).min() < _LEAST_MARGIN:
        return None
    bits = (means > _MIDDLE).ravel()
    gray = int("".join("01"[bit] for bit in bits[:12]), 2)
    number = gray
    for shift in (1, 2, 4, 8):
        number ^= number >> shift
    return number if (_bits(number).ravel() == bits).all() else None


def _even_below(place_px: float) -> int:
    return 2 * math.floor(place_px / 2 + 1e-6)


def _even_above(place_px: float) -> int:
    return 2 * math.ceil(place_px / 2 - 1e-6)


def _bits(number: int) -> NDArray[np.bool_]:
    gray, proof = number ^ number >> 1, number % 13 + 1
    text = f"{gray:012b}{proof:04b}"
    return np.array([bit == "1" for bit in text]).reshape(_ROWS, _COLUMNS)


def _inner(place: int, length_px: float) -> slice:
    """The middle half of a block."""
    start, stop = round((place + 0.25) * length_px), round((place + 0.75) * length_px)
    return slice(start, max(start + 1, stop))
