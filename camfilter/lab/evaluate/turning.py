"""A head that turns and nods, from one picture: it is laid over the depth of its landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator  # type: ignore[import-untyped]

from camfilter.faces.quiet import quiet_native_log
from camfilter.faces.solutions import load_solutions
from camfilter.frames import Pixels, Size

__all__ = ["Relief", "mesh_of", "relief_of", "turned"]

_GRID: Final = 48
"""Cells of the still's longer side in which depth is interpolated; it is smooth."""
_SMOOTHING: Final = 8.0
_AXIS_DEPTH: Final = 0.45
"""Of the face's width: how far behind its landmarks' mean a head turns."""
_WHOLE_TO: Final = 1.25
_STILL_FROM: Final = 2.4
"""In half face widths from its middle: up to the first all moves, from the second nothing."""
_SEARCHES: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Relief:
    """How far each pixel of a picture stands before the axis that its head turns about.

    Attributes:
        height_px: (height, width) float32, towards the camera, in pixels of the picture.
        weight: (height, width) float32, 1 on the head and 0 where nothing turns.
        centre: x and y of the axis in the picture, px.
    """

    height_px: NDArray[np.float32]
    weight: NDArray[np.float32]
    centre: tuple[float, float]

    def resized(self, size: Size) -> Relief:
        """The relief of the picture made smaller or larger.

        Args:
            size: of that picture; its sides stand to each other as before, but for rounding.
        """
        share = size.width / self.weight.shape[1]
        height, weight = (
            np.asarray(cv2.resize(field, (size.width, size.height)), np.float32)
            for field in (self.height_px * np.float32(share), self.weight)
        )
        return Relief(height, weight, (self.centre[0] * share, self.centre[1] * share))


def mesh_of(still: Pixels) -> NDArray[np.float64] | None:
    """MediaPipe's landmarks of the largest face in a picture; None where it finds none.

    Args:
        still: (height, width, 3) uint8, BGR.

    Returns:
        (468, 3) x, y and depth away from the camera, in pixels of the picture.
    """
    height, width = still.shape[:2]
    with quiet_native_log():
        solutions = load_solutions()
        with solutions.face_mesh.FaceMesh(
            static_image_mode=True, max_num_faces=8, min_detection_confidence=0.4
        ) as finder:
            found = finder.process(cv2.cvtColor(still, cv2.COLOR_BGR2RGB)).multi_face_landmarks
    meshes = [
        np.array([(point.x * width, point.y * height, point.z * width) for point in mesh.landmark])
        for mesh in found or []
    ]
    return max(meshes, key=lambda mesh: float(np.ptp(mesh[:, :2], axis=0).prod()), default=None)


def relief_of(still: Pixels) -> Relief | None:
    """The relief of the largest face in a picture; None where the mesh finds no face.

    Args:
        still: (height, width, 3) uint8, BGR.
    """
    height, width = still.shape[:2]
    mesh = mesh_of(still)
    if mesh is None:
        return None
    points, depths = mesh[:, :2], mesh[:, 2]
    low, high = points.min(axis=0), points.max(axis=0)
    face_px = float(high[0] - low[0])
    middle = (low + high) / 2
    surface = RBFInterpolator(
        (points - middle) / face_px, -depths / face_px, smoothing=_SMOOTHING, degree=1
    )
    step = max(height, width) / _GRID
    rows, columns = np.mgrid[0:height:step, 0:width:step].astype(np.float32)
    cells = (np.stack([columns.ravel(), rows.ravel()], axis=1) - middle) / face_px
    radius = np.hypot(cells[:, 0], cells[:, 1] * face_px / float(high[1] - low[1])) * 2
    nearest = cells * np.minimum(1, 1 / np.maximum(radius, 1e-6))[:, None]
    beyond = np.clip(radius - 1, 0, None)
    heights = surface(nearest) + _AXIS_DEPTH - 0.35 * beyond
    weights = np.clip((_STILL_FROM - radius) / (_STILL_FROM - _WHOLE_TO), 0, 1)
    smooth = weights * weights * (3 - 2 * weights)
    fields = [
        cv2.resize(
            field.reshape(rows.shape).astype(np.float32), (width, height),
            interpolation=cv2.INTER_CUBIC,
        )
        for field in (np.maximum(heights, 0) * face_px, smooth)
    ]  # fmt: skip
    return Relief(fields[0], np.clip(fields[1], 0, 1), (float(middle[0]), float(middle[1])))


def turned(still: Pixels, relief: Relief, yaw_deg: float, pitch_deg: float) -> Pixels:
    """The picture with its head turned to a side and up or down.

    What a turn hides or shows anew is stretched, so angles above 30 degrees look wrong.

    Args:
        still: (height, width, 3) uint8, BGR.
        relief: of its face.
        yaw_deg: above 0 to the picture's right.
        pitch_deg: above 0 downwards.
    """
    height, width = still.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = columns - relief.centre[0], rows - relief.centre[1]
    yaw, pitch = radians(yaw_deg), radians(pitch_deg)
    right = relief.weight * (across * (cos(yaw) - 1) + relief.height_px * sin(yaw))
    below = relief.weight * (down * (cos(pitch) - 1) + relief.height_px * sin(pitch))
    x, y = columns, rows
    for _ in range(_SEARCHES):  # where from: the place whose shift ends here
        x, y = (
            columns - cv2.remap(right.astype(np.float32), x, y, cv2.INTER_LINEAR),
            rows - cv2.remap(below.astype(np.float32), x, y, cv2.INTER_LINEAR),
        )
    return np.asarray(
        cv2.remap(still, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
