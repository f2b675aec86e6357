"""Where a face lies in the crop that a surrogate sees.

Three systems of coordinates meet here. *Frame*: pixels, (0, 0) is the corner of
the top left pixel, so its centre is (0.5, 0.5). *Unit*: (0, 0) to (1, 1) is the
crop. *Grid*: the crop's own pixels, whose centres are whole numbers, as OpenCV
counts them.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.faces.base import Box, Face, Points
from camfilter.frames import Pixels, Size

__all__ = [
    "BILINEAR_SHRINK",
    "Crop",
    "FollowedMask",
    "Similarity",
    "centred",
    "cut_crop",
    "fit_similarity",
    "frame_to_grid",
    "outline_mask",
    "shrunk",
]

Similarity: TypeAlias = NDArray[np.float64]
"""(2, 3) float64 matrix of a rotation, a uniform scale and a shift."""

Crop: TypeAlias = NDArray[np.float32]
"""(size, size) float32 luma in [0, 1], or a change of luma on the same grid."""

BILINEAR_SHRINK: Final = 1.5
"""Bilinear sampling skips pixels when it shrinks by more; the rest is averaged away first."""

_MASK_OVERSAMPLING = 4
_SAME_CELLS: Final = 0.1


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
    source_mean, goal_mean = source.sum(axis=0) / len(source), goal.sum(axis=0) / len(goal)
    p, q = source - source_mean, goal - goal_mean
    spread = float(np.vdot(p, p))
    if not np.isfinite(spread) or spread <= 0:
        raise ValueError("A face needs at least two different finite points.")
    a = float(np.vdot(p, q)) / spread
    b = float(np.vdot(p[:, 0], q[:, 1]) - np.vdot(p[:, 1], q[:, 0])) / spread
    (x, y), (goal_x, goal_y) = source_mean.tolist(), goal_mean.tolist()
    return np.array([[a, -b, goal_x - a * x + b * y], [b, a, goal_y - b * x - a * y]])


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
    matrix = frame_to_grid(face.to_unit, size_px, part.left, part.top)
    shrink = float(np.hypot(matrix[0, 0], matrix[1, 0])) * BILINEAR_SHRINK
    luma = cv2.cvtColor(pixels[_even(part, shrink).slices()], cv2.COLOR_BGR2GRAY)
    if shrink < 1:
        height, width = luma.shape
        small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        luma = shrunk(np.asarray(luma, np.float32), small)
        scale_x, scale_y = width / small[0], height / small[1]
        shift = matrix[:, :2] @ np.array([(scale_x - 1) / 2, (scale_y - 1) / 2])
        matrix = np.column_stack(
            [matrix[:, 0] * scale_x, matrix[:, 1] * scale_y, matrix[:, 2] + shift]
        )
    crop = cv2.warpAffine(
        luma, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(np.multiply(crop, np.float32(1 / 255)), np.float32)


def centred(crop: Crop) -> Crop:
    """All cells of a crop in one row, without their mean."""
    return np.asarray((crop - np.float32(cv2.mean(crop)[0])).ravel(), np.float32)


def shrunk(luma: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """A smaller picture, areas averaged: by exact halves first, which takes a third of the time.

    Args:
        luma: (height, width) float32; even sides can be halved.
        size: width and height of the result, no greater than those of the picture.
    """
    height, width = luma.shape
    while width >= 2 * size[0] and height >= 2 * size[1] and not (width % 2 or height % 2):
        width, height = width // 2, height // 2
        luma = np.asarray(
            cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA), np.float32
        )
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.float32)


def _even(part: Box, shrink: float) -> Box:
    """A part that can be halved as often as it is to be shrunk, a few pixels smaller."""
    width, height = part.right - part.left, part.bottom - part.top
    step = 1
    while step * shrink <= 0.5 and min(width, height) >= 8 * step:
        step *= 2
    return Box(
        part.left, part.top, part.left + width // step * step, part.top + height // step * step
    )


class FollowedMask:
    """`outline_mask` of one face, frame after frame: drawn again when the outline has changed.

    Most frames only carry the face on, and then its outline stays where it was in its crop.

    Args:
        size_px: width and height of the grid.
    """

    def __init__(self, size_px: int) -> None:
        self._size_px = size_px
        self._outline: NDArray[np.float64] | None = None
        self._mask = np.zeros((size_px, size_px), np.float32)

    def of(self, face: Face) -> Crop:
        """The mask of the face in this frame; not to be written to."""
        outline, before = _outline_in_crop(face), self._outline
        if (
            before is None
            or before.shape != outline.shape
            or not float(np.abs(outline - before).max()) * self._size_px <= _SAME_CELLS
        ):
            self._outline, self._mask = outline, outline_mask(face, self._size_px)
        return self._mask


def outline_mask(face: Face, size_px: int) -> Crop:
    """How much each grid cell may change: 1 well inside the outline, softly 0 towards its edge."""
    fine = size_px * _MASK_OVERSAMPLING
    polygon = _outline_in_crop(face) * fine
    canvas = np.zeros((fine, fine), np.uint8)
    fixed_point = np.rint(polygon * 16).astype(np.int32)
    cv2.fillConvexPoly(canvas, fixed_point, (255,), cv2.LINE_AA, shift=4)
    mask = cv2.resize(canvas, (size_px, size_px), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), size_px / 48)
    soft = np.clip(blurred * np.float32(2 / 255) - 1, 0, 1)
    soft[[0, -1], :] = 0
    soft[:, [0, -1]] = 0
    return np.asarray(soft, np.float32)


def _outline_in_crop(face: Face) -> NDArray[np.float64]:
    """The outline in units of the crop, (n, 2)."""
    return np.asarray(face.outline @ face.to_unit[:, :2].T + face.to_unit[:, 2], np.float64)


def _unit_square_in_frame(to_unit: Similarity) -> Points:
    inverse = cv2.invertAffineTransform(to_unit)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    return np.asarray(corners @ inverse[:, :2].T + inverse[:, 2], np.float32)
