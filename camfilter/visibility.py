"""Where the eye does not see a change of luma: in texture and in light, less so in smooth skin."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from camfilter.geometry import Crop

__all__ = ["masking"]

_LEAST: Final = 0.6
_FULL_CONTRAST: Final = 0.05
_DARK: Final = 0.15


def masking(picture: Crop, size_px: int) -> Crop:
    """How much of the budget each cell may take, by contrast and brightness masking.

    Skin without texture takes 60 %, cells whose neighbourhood varies by 5 % of
    white or more take all. The darkest cells take less, as the eye tells dark greys apart best.

    Args:
        picture: (s, s) float32 luma of the clean face in [0, 1].
        size_px: width and height of the result.

    Returns:
        (size_px, size_px) float32 in [0.3, 1].
    """
    size = (size_px, size_px)
    cells = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    mean = cv2.GaussianBlur(cells, (0, 0), 1.5)
    square = cv2.GaussianBlur(cells * cells, (0, 0), 1.5)
    contrast = np.sqrt(np.maximum(square - mean * mean, 0))
    textured = np.minimum(contrast / np.float32(_FULL_CONTRAST), 1)
    lit = np.clip(mean / np.float32(_DARK), 0.5, 1)
    least = np.float32(_LEAST)
    return np.asarray((least + (1 - least) * textured) * lit, np.float32)
