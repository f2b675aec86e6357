"""A face in a frame, and what every face finder promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from camfilter.frames import Pixels, Size

__all__ = ["Box", "Face", "FaceFinder", "Points"]

Points: TypeAlias = NDArray[np.float32]
"""(n, 2) float32 positions x, y in frame pixels; (0, 0) is the top left corner of the frame."""


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in whole pixels: left and top belong to it, right and bottom do not."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, points: Points) -> Box:
        """The smallest box that holds all points."""
        low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
        return cls(int(low[0]), int(low[1]), int(high[0]) + 1, int(high[1]) + 1)

    @property
    def area(self) -> int:
        """Pixels in the box; 0 when it is empty."""
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)

    def within(self, size: Size) -> Box:
        """The part of the box that lies in a frame of this size; may be empty."""
        return self.common(Box(0, 0, size.width, size.height))

    def common(self, other: Box) -> Box:
        """The part that two boxes share; may be empty."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        right, bottom = min(self.right, other.right), min(self.bottom, other.bottom)
        return Box(left, top, max(left, right), max(top, bottom))

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        shared = self.common(other).area
        union = self.area + other.area - shared
        return shared / union if union else 0.0

    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index a picture with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face in one frame.

    Attributes:
        outline: (n, 2) convex polygon in frame pixels; what may be changed.
        to_unit: (2, 3) float64 similarity transform from frame pixels to the unit square
            that a surrogate sees ((0, 0) top left of its crop, (1, 1) bottom right).
        box: upright box around the outline; may reach out of the frame.
        track: stays the same while the same face is followed from frame to frame.
        missed_frames: 0 when seen in this frame, else for how many frames it has been
            carried on without being seen.

    Raises:
        ValueError: it has no place; a face that could not be changed must not pass for none.
    """

    outline: Points
    to_unit: NDArray[np.float64]
    box: Box
    track: int = -1
    missed_frames: int = 0

    def __post_init__(self) -> None:
        placed = np.isfinite(self.outline).all() and np.isfinite(self.to_unit).all()
        if not (placed and self.outline.size and self.box.area > 0):
            raise ValueError("A face needs an outline, a transform and a box.")


class FaceFinder(Protocol):
    """Finds the faces in a frame."""

    def find(self, pixels: Pixels) -> list[Face]:
        """All faces in a picture of shape (height, width, 3) uint8, BGR; largest first."""

    def catch_up(self) -> None:
        """Do what may wait until the newest frame is out; `find` does it else, before the next."""

    def close(self) -> None:
        """Release models; closing twice does nothing."""
