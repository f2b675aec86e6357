"""From landmarks to a face: its outline, and where it lies in the crop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np

from camfilter.faces.base import Box, Face, Points
from camfilter.faces.template import KEYPOINTS, MESH_POINTS, OVAL
from camfilter.geometry import Similarity, fit_similarity

__all__ = ["face_of_keypoints", "face_of_mesh", "mesh_points"]

_OUTLINE_GROWTH: Final = 1.06


def mesh_points(mesh: Any, width: int, height: int) -> Points:
    """Positions of MediaPipe's landmarks in a picture of this size, (468, 2)."""
    return np.array([(p.x * width, p.y * height) for p in mesh.landmark], np.float32)


def face_of_mesh(points: Points) -> Face | None:
    """The face of 468 mesh landmarks; None when they lie in one place."""
    to_unit = _similarity(points[list(MESH_POINTS)], list(MESH_POINTS.values()))
    if to_unit is None:
        return None
    return _face(np.asarray(cv2.convexHull(points)[:, 0], np.float32), to_unit)


def face_of_keypoints(points: Points) -> Face | None:
    """The face of the detector's first four keypoints; its outline is that of a mean face."""
    to_unit = _similarity(points, KEYPOINTS)
    if to_unit is None:
        return None
    inverse = cv2.invertAffineTransform(to_unit)
    return _face(np.asarray(np.array(OVAL) @ inverse[:, :2].T + inverse[:, 2], np.float32), to_unit)


def _similarity(points: Points, template: Sequence[tuple[float, float]]) -> Similarity | None:
    try:
        to_unit = fit_similarity(points, np.array(template, np.float32))
    except ValueError:
        return None
    return to_unit if abs(np.linalg.det(to_unit[:, :2])) > 0 else None


def _face(hull: Points, to_unit: Similarity) -> Face:
    centre = hull.mean(axis=0)
    outline = centre + (hull - centre) * np.float32(_OUTLINE_GROWTH)
    return Face(outline=outline, to_unit=to_unit, box=Box.around(outline))
