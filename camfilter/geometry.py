"""Where a face lies in the crop that a surrogate sees.

Three systems of coordinates meet here. *Frame*: pixels, (0, 0) is the corner of
the top left pixel, so its centre is (0.5, 0.5). *Unit*: (0, 0) to (1, 1) is the
crop. *Grid*: the crop's own pixels, whose centres are whole numbers, as OpenCV
counts them.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.faces.base import Box, Face, Points
from camfilter.frames import Pixels, Size

__all__ = ["Crop", "Similarity", "cut_crop", "fit_similarity", "frame_to_grid", "outline_mask"]

Similarity: TypeAlias = NDArray[np.float64]
"""(2, 3) float64 matrix of a rotation, a uniform scale and a shift."""

Crop: TypeAlias = NDArray[np.float32]
"""(size, size) float32 luma in [0, 1], or a change of luma on the same grid."""

# Bilinear sampling skips pixels when it shrinks by more; the rest is averaged away first.
_BILINEAR_SHRINK = 1.5
_MASK_OVERSAMPLING = 4


def fit_similarity(points: Points, template: Points) -> Similarity:
    """The similarity transform that brings points closest to a template (least squares).

    Args:
        points: (n, 2) positions, n >= 2, not all equal.
        template: (n, 2) where they should come to lie.

    Raises:
        ValueError: all points are equal or one is not finite.
    """
    source = np.asarray(points, np.float64)
    goal = np.asarray(template, np.float64)
    source_mean, goal_mean = source.mean(axis=0), goal.mean(axis=0)
    p, q = source - source_mean, goal - goal_mean
    spread = float((p * p).sum())
    if not np.isfinite(spread) or spread <= 0:
        raise ValueError("A face needs at least two different finite points.")
    a = float((p * q).sum()) / spread
    b = float((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()) / spread
    linear = np.array([[a, -b], [b, a]])
    return np.column_stack([linear, goal_mean - linear @ source_mean])


def frame_to_grid(to_unit: Similarity, size_px: int, left: int = 0, top: int = 0) -> Similarity:
    """Matrix from whole pixel positions (of a part of the frame at left, top) to grid positions."""
    linear = to_unit[:, :2] * size_px
    shift = linear @ (0.5 + np.array([left, top])) + to_unit[:, 2] * size_px - 0.5
    return np.column_stack([linear, shift])


def cut_crop(pixels: Pixels, face: Face, size_px: int) -> Crop:
    """The luma of a face as a surrogate sees it.

    Args:
        pixels: (height, width, 3) uint8, BGR.
        face: whose `to_unit` says where to look; parts outside the frame repeat its edge.
        size_px: width and height of the crop.

    Returns:
        (size_px, size_px) float32 in [0, 1].
    """
    corners = _unit_square_in_frame(face.to_unit)
    part = Box.around(corners).within(Size.of(pixels))
    if part.area == 0:
        part = Box(0, 0, pixels.shape[1], pixels.shape[0])
    luma = cv2.cvtColor(pixels[part.slices()], cv2.COLOR_BGR2GRAY)
    matrix = frame_to_grid(face.to_unit, size_px, part.left, part.top)
    grid_per_px = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    shrink = grid_per_px * _BILINEAR_SHRINK
    if shrink < 1:
        height, width = luma.shape
        small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        luma = cv2.resize(luma, small, interpolation=cv2.INTER_AREA)
        scale_x, scale_y = width / small[0], height / small[1]
        shift = matrix[:, :2] @ np.array([(scale_x - 1) / 2, (scale_y - 1) / 2])
        matrix = np.column_stack(
            [matrix[:, 0] * scale_x, matrix[:, 1] * scale_y, matrix[:, 2] + shift]
        )
    crop = cv2.warpAffine(
        luma, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(np.multiply(crop, np.float32(1 / 255)), np.float32)


def outline_mask(face: Face, size_px: int) -> Crop:
    """How much each grid cell may change: 1 well inside the outline, softly 0 towards its edge."""
    fine = size_px * _MASK_OVERSAMPLING
    polygon = (face.outline @ face.to_unit[:, :2].T + face.to_unit[:, 2]) * fine
    canvas = np.zeros((fine, fine), np.uint8)
    fixed_point = np.rint(polygon * 16).astype(np.int32)
    cv2.fillConvexPoly(canvas, fixed_point, (255,), cv2.LINE_AA, shift=4)
    mask = cv2.resize(canvas, (size_px, size_px), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), size_px / 48)
    soft = np.clip(blurred * np.float32(2 / 255) - 1, 0, 1)
    soft[[0, -1], :] = 0
    soft[:, [0, -1]] = 0
    return np.asarray(soft, np.float32)


def _unit_square_in_frame(to_unit: Similarity) -> Points:
    inverse = cv2.invertAffineTransform(to_unit)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    return np.asarray(corners @ inverse[:, :2].T + inverse[:, 2], np.float32)
