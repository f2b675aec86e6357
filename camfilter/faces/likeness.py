"""What was seen at a place, kept small, to tell whether it is still there."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.faces.base import Box
from camfilter.frames import Pixels, Size
from camfilter.geometry import shrunk

__all__ = ["Likeness"]

_PATCH_PX: Final = 24
_REACH: Final = 0.25
_LEAST_IN_VIEW: Final = 0.5
_SMALLEST_PX: Final = 8


class Likeness:
    """Remembers the part of a picture that a face's box holds.

    A copy of the part is taken at once; the 24 by 24 gray cells that are compared are made when
    something is sought, which hardly ever happens.

    Args:
        pixels: (height, width, 3) uint8, BGR.
        box: where the face is; half of it or more must lie in the picture to be of use.
    """

    def __init__(self, pixels: Pixels, box: Box) -> None:
        size = Size.of(pixels)
        seen = box.within(size)
        enough = seen.area >= _LEAST_IN_VIEW * box.area and _is_usable(seen)
        self._seen = seen
        self._part = pixels[seen.slices()].copy() if enough else None

    def sought(self, pixels: Pixels, box: Box) -> tuple[float, NDArray[np.float64]]:
        """Look for it around a place, up to a quarter of its size away.

        Args:
            pixels: (height, width, 3) uint8, BGR; a later picture of the same scene.
            box: where it should be by now.

        Returns:
            How alike the best place is (correlation, -1 to 1; -1 where there is nothing to
            compare), and where it lies from the middle of `box`: x and y in pixels.
        """
        nowhere = -1.0, np.zeros(2)
        if self._part is None:
            return nowhere
        width, height = self._seen.right - self._seen.left, self._seen.bottom - self._seen.top
        middle = np.array([box.left + box.right, box.top + box.bottom]) / 2
        wanted = Box(
            round(middle[0] - width * (0.5 + _REACH)),
            round(middle[1] - height * (0.5 + _REACH)),
            round(middle[0] + width * (0.5 + _REACH)),
            round(middle[1] + height * (0.5 + _REACH)),
        )
        around = wanted.within(Size.of(pixels))
        across = round(_PATCH_PX * (around.right - around.left) / width)
        down = round(_PATCH_PX * (around.bottom - around.top) / height)
        if min(across, down) < _PATCH_PX or not _is_usable(around):
            return nowhere
        place = _small(pixels[around.slices()], across, down)
        patch = _small(self._part, _PATCH_PX, _PATCH_PX)
        alike = cv2.matchTemplate(place, patch, cv2.TM_CCOEFF_NORMED)
        alike[~np.isfinite(alike)] = -1.0  # a plain wall is like nothing
        _, best, _, (x, y) = cv2.minMaxLoc(alike)
        scale = np.array([width, height]) / _PATCH_PX
        found = np.array([around.left, around.top]) + (np.array([x, y]) + _PATCH_PX / 2) * scale
        return float(best), found - middle


def _is_usable(box: Box) -> bool:
    return min(box.right - box.left, box.bottom - box.top) >= _SMALLEST_PX


def _small(part: Pixels, across: int, down: int) -> NDArray[np.float32]:
    step = 8 if min(part.shape[:2]) >= 64 else 1  # what can be halved is averaged fast
    part = part[: part.shape[0] // step * step, : part.shape[1] // step * step]
    luma = np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), np.float32)
    return shrunk(luma, (across, down))
