"""From a mask to a picture: amplify, resize, put back; and the control that knows no network.

Face-Off, section III-B. The mask delta is resized to the place that the crop came from and added
once: what lies between the two resamplings of a picture is never lost.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.geometry import Similarity, frame_to_grid

__all__ = ["control_of", "jpeg", "on_crop", "put_back", "rounded"]


def on_crop(
    crop: NDArray[np.float32], delta: NDArray[np.float32], alpha: float
) -> NDArray[np.float32]:
    """Add alpha * delta to a crop, in [0, 1]: what the paper calls the cropped picture."""
    return np.clip(crop + np.float32(alpha) * delta, 0, 1)


def put_back(
    frame: NDArray[np.uint8], to_unit: Similarity, delta: NDArray[np.float32], alpha: float
) -> NDArray[np.float32]:
    """A frame with the amplified mask where its crop came from: the uncropped picture.

    Args:
        frame: (H, W) luma.
        to_unit: place of the crop.
        delta: (S, S) mask on the crop's grid, of pixels in [0, 1].
        alpha: amplification.

    Returns:
        (H, W) float32 in levels, 0 to 255.
    """
    height, width = frame.shape
    matrix = frame_to_grid(to_unit, len(delta))
    resized = cv2.warpAffine(
        delta, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )  # fmt: skip
    return np.clip(frame + np.float32(255 * alpha) * resized, 0, 255).astype(np.float32)


def rounded(levels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Levels as 8 bits have them."""
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def jpeg(frame: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """A frame after JPEG at a quality of 1 to 100."""
    _, content = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE), np.uint8)


def control_of(delta: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """A mask of equal energy and spectrum that says nothing: its phases are drawn at random."""
    noise = np.fft.rfft2(random.normal(size=delta.shape))
    phases = noise / np.maximum(np.abs(noise), 1e-12)
    mixed = np.fft.irfft2(np.fft.rfft2(delta) * phases, s=delta.shape)
    energy = np.sqrt((mixed**2).sum())
    if energy == 0:
        return np.zeros_like(delta)
    return np.asarray(mixed * (np.sqrt((delta**2).sum()) / energy), np.float32)
