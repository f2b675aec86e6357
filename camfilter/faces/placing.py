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
_WIRE: Final = np.dtype(
    [
        ("tag", "u1"), ("length", "u1"), ("x_tag", "u1"), ("x", "<f4"),
        ("y_tag", "u1"), ("y", "<f4"), ("z_tag", "u1"), ("z", "<f4"),
    ]
)  # fmt: skip
_WIRE_TAGS: Final = {"tag": 0x0A, "length": 15, "x_tag": 0x0D, "y_tag": 0x15, "z_tag": 0x1D}
"""Field 1 with a length; then 4-byte fields 1, 2 and 3 (Protocol Buffers' wire format)."""


def mesh_points(mesh: Any, width: int, height: int) -> Points:
    """Positions of MediaPipe's landmarks in a picture of this size, (468, 2)."""
    shares = _from_the_wire(mesh.SerializeToString(), len(mesh.landmark))
    if shares is None:
        shares = np.array([(p.x, p.y) for p in mesh.landmark], np.float32)
    return shares * np.array([width, height], np.float32)


def _from_the_wire(message: bytes, count: int) -> Points | None:
    """Landmarks from the bytes of their message; None where they are not laid out as expected.

    Asking a message for 936 numbers one by one takes 0.4 ms, reading its bytes a twentieth.
    Each landmark is its tag, its length, and x, y and z with a tag of one byte before each.
    """
    if count == 0 or len(message) != count * _WIRE.itemsize:
        return None
    landmarks = np.frombuffer(message, _WIRE)
    for field, expected in _WIRE_TAGS.items():
        if (landmarks[field] != expected).any():
            return None
    return np.asarray(np.stack([landmarks["x"], landmarks["y"]], axis=1), np.float32)


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
    return to_unit if float(np.hypot(to_unit[0, 0], to_unit[1, 0])) > 0 else None


def _face(hull: Points, to_unit: Similarity) -> Face:
    centre = hull.mean(axis=0)
    outline = centre + (hull - centre) * np.float32(_OUTLINE_GROWTH)
    return Face(outline=outline, to_unit=to_unit, box=Box.around(outline))
