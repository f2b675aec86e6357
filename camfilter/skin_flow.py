"""What a face wears stays on its skin when the head turns, and when it speaks.

A similarity transform holds a face's crop in place, but inside it the nose of a head that turns
moves over the cheeks, and lips move. Dense optical flow between two pictures of the crop says where
the skin went (DIS: Kroeger et al., ECCV 2016), and the texture goes with it, as stages found each
of its cells for what lay below.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.geometry import Crop

__all__ = ["Places", "SkinFlow", "carried"]

Places: TypeAlias = NDArray[np.float32]
"""(s, s, 2) float32: x and y where each cell's skin was before, in cells."""

_SMOOTH_CELLS: Final = 2.0
"""Skin moves smoothly; a sensor's noise does not."""
_LEAST_CELLS: Final = 0.2
"""Root mean square: resampling blurs a little, so less is left until it has added up."""
_STILL_CELLS: Final = 0.15
_PAUSE_FRAMES: Final = 2
_MOST_CELLS: Final = 4.0
"""In one look. No skin moves as far: something else is seen now, a hand before the face."""
_RIM: Final = 1 / 6
"""Of the crop's width, on each side: what moves there is not measured, but hair and wall."""


class SkinFlow:
    """Follows the skin of one face inside its crop.

    Args:
        crop: (n, n) float32 luma in [0, 1] of the face, when its texture was begun.
        cells: width and height of the texture's grid.
    """

    def __init__(self, crop: Crop, cells: int) -> None:
        # At full resolution: the lips of a crop are a few pixels high.
        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._flow.setFinestScale(0)
        self._before = _bytes(crop)
        self._cells = cells
        self._pause = 0
        rows, columns = np.mgrid[0:cells, 0:cells].astype(np.float32)
        self._grid: Places = np.stack([columns, rows], axis=-1)
        inside = slice(round(_RIM * cells), cells - round(_RIM * cells))
        self._inside = (inside, inside)

    def moved(self, crop: Crop) -> Places | None:
        """Where the skin was when it was last said to have moved.

        A face at rest is looked at in every third frame only.

        Args:
            crop: (n, n) float32 luma of the face in this frame.

        Returns:
            For `carried`; None while it has moved by less than a fifth of a cell, or by so much
            that it cannot be skin.
        """
        if self._pause:
            self._pause -= 1
            return None
        now = _bytes(crop)
        flow = cv2.resize(
            self._flow.calc(now, self._before, None),
            (self._cells, self._cells),
            interpolation=cv2.INTER_AREA,
        ) * np.float32(self._cells / len(now))
        smooth = np.asarray(cv2.GaussianBlur(flow, (0, 0), _SMOOTH_CELLS), np.float32)
        inside = smooth[self._inside].ravel()
        distance = float(np.sqrt(2 * np.dot(inside, inside) / inside.size))
        if distance < _LEAST_CELLS:
            self._pause = _PAUSE_FRAMES if distance < _STILL_CELLS else 0
            return None
        self._before = now
        return self._grid + smooth if distance <= _MOST_CELLS else None


def carried(texture: Crop, places: Places) -> Crop:
    """A texture, laid where its skin is now.

    Args:
        texture: (s, s) float32.
        places: from `SkinFlow.moved`.

    Returns:
        (s, s) float32, as sharp as before: what is resampled again and again by straight lines
        fades within a second.
    """
    across, down = (np.ascontiguousarray(places[..., axis]) for axis in (0, 1))
    laid = cv2.remap(texture, across, down, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(laid, np.float32)


def _bytes(crop: Crop) -> NDArray[np.uint8]:
    return np.asarray(cv2.convertScaleAbs(crop, alpha=255), np.uint8)
