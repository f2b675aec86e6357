"""Bring a picture to another size: that of a run, of a codec, of a virtual camera."""

from __future__ import annotations

import cv2
import numpy as np

from camfilter.frames import Pixels, Size

__all__ = ["even", "fitted", "padded_to_even"]


def even(size: Size) -> Size:
    """The size rounded up to even numbers."""
    return Size(size.width + size.width % 2, size.height + size.height % 2)


def padded_to_even(pixels: Pixels) -> Pixels:
    """Repeat the last column and row where width or height is odd."""
    height, width = pixels.shape[:2]
    if width % 2 == 0 and height % 2 == 0:
        return pixels
    return cv2.copyMakeBorder(
        pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE
    ).view(np.uint8)  # fmt: skip


def fitted(pixels: Pixels, size: Size) -> Pixels:
    """A picture of another size, shrunk or enlarged to fit, centred on black; else itself.

    Args:
        pixels: (height, width, 3) uint8, BGR.
        size: of the result.
    """
    if Size.of(pixels) == size:
        return pixels
    height, width = pixels.shape[:2]
    scale = min(size.width / width, size.height / height)
    w = max(1, min(size.width, round(width * scale)))
    h = max(1, min(size.height, round(height * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    left, top = (size.width - w) // 2, (size.height - h) // 2
    card = np.zeros((size.height, size.width, 3), np.uint8)
    card[top : top + h, left : left + w] = cv2.resize(pixels, (w, h), interpolation=way)
    return card
