"""A frame as it comes from a source: raw, and never to be shown as it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pixels", "RawFrame", "Size"]

Pixels: TypeAlias = NDArray[np.uint8]
"""A picture of shape (height, width, 3), BGR order (OpenCV's), uint8 levels 0 to 255."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    @classmethod
    def of(cls, pixels: Pixels) -> Size:
        """The size of a picture."""
        return cls(width=pixels.shape[1], height=pixels.shape[0])

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True, eq=False)
class RawFrame:
    """One unprotected picture on its way to the guard. No sink takes it.

    Attributes:
        pixels: (height, width, 3) uint8, BGR. Whoever holds the frame must not write to it.
        index: 0 for the source's first frame, then one more each.
        time_s: in seconds; of files since their first frame, live on a monotonic clock.
    """

    pixels: Pixels = field(repr=False)  # no picture ever stands in a log
    index: int
    time_s: float

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return Size.of(self.pixels)
