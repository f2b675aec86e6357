"""Where the eye does not see a change of luma: in texture and in light, less so in smooth skin."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from camfilter.geometry import Crop

__all__ = ["masking"]

_FLOOR_CONTRAST: Final = 0.0212
"""Root of half of C2, in units of white."""
_FULL_CONTRAST: Final = 0.04
_DARK: Final = 0.15


def masking(picture: Crop, size_px: int) -> Crop:
    """How much of the budget each cell may take, by contrast and brightness masking.

    SSIM loses what a change adds to a neighbourhood's variance over twice that variance and
    its constant C2 = (0.03 white)^2. So a cell may take in proportion to that: skin without
    texture a fifth, cells whose neighbourhood varies by 4 % of white or more all. The
    darkest cells take half of it, as the eye tells dark greys apart best.

    Args:
        picture: (s, s) float32 luma of the clean face in [0, 1].
        size_px: width and height of the result.

    Returns:
        (size_px, size_px) float32 in [0.1, 1].
    """
    size = (size_px, size_px)
    cells = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    mean = cv2.GaussianBlur(cells, (0, 0), 1.5)
    square = cv2.GaussianBlur(cells * cells, (0, 0), 1.5)
    contrast = np.sqrt(np.maximum(square - mean * mean, 0))
    hidden = contrast * contrast + np.float32(_FLOOR_CONTRAST**2)
    textured = np.minimum(hidden / np.float32(_FULL_CONTRAST**2 + _FLOOR_CONTRAST**2), 1)
    lit = np.clip(mean / np.float32(_DARK), 0.5, 1)
    return np.asarray(textured * lit, np.float32)
