"""Blue, green, red to I420 and back, rounded to the nearest level.

ITU-R BT.601, luma 16 to 235, chroma in the middle of its four pixels: what a webcam
sends. Done in floating point, as the usual converters lose up to some levels.
An I420 picture is one array of (3 height / 2, width) uint8: luma, then both chromas.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.frames import Pixels

__all__ = ["I420", "NEUTRAL_CHROMA", "chroma_of", "luma_of", "to_bgr", "to_i420"]

I420: TypeAlias = NDArray[np.uint8]
NEUTRAL_CHROMA: Final = 128

_FROM_BGR: Final = (
    (24.966 / 255, 128.553 / 255, 65.481 / 255, 16.0),
    (112.0 / 255, -74.203 / 255, -37.797 / 255, 128.0),
    (-18.214 / 255, -93.786 / 255, 112.0 / 255, 128.0),
)


def to_i420(pixels: Pixels) -> I420:
    """An I420 picture of (height, width, 3) uint8 BGR; height and width are even."""
    height, width = pixels.shape[:2]
    planes = cv2.transform(pixels.astype(np.float32), np.array(_FROM_BGR, np.float32))
    small = cv2.resize(planes[:, :, 1:], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    picture = np.empty((height * 3 // 2, width), np.uint8)
    picture[:height] = np.rint(planes[:, :, 0])
    picture[height:] = np.rint(small).transpose(2, 0, 1).reshape(height // 2, width)
    return picture


def to_bgr(picture: I420) -> Pixels:
    """(height, width, 3) uint8 BGR of an I420 picture."""
    luma = luma_of(picture)
    height, width = luma.shape
    small = np.ascontiguousarray(chroma_of(picture).transpose(1, 2, 0), np.float32)
    chroma = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    planes = cv2.merge([luma.astype(np.float32), *cv2.split(chroma)])
    forward = np.array(_FROM_BGR)
    linear = np.linalg.inv(forward[:, :3])
    back = np.column_stack([linear, -linear @ forward[:, 3]]).astype(np.float32)
    pixels = cv2.transform(planes, back)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def luma_of(picture: I420) -> NDArray[np.uint8]:
    """(height, width) luma, a view."""
    return picture[: picture.shape[0] * 2 // 3]


def chroma_of(picture: I420) -> NDArray[np.uint8]:
    """(2, height / 2, width / 2) blue and red difference, a view."""
    height, width = picture.shape[0] * 2 // 3, picture.shape[1]
    return picture[height:].reshape(2, height // 2, width // 2)
