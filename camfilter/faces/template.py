"""Where the parts of a face lie in the crop that a surrogate was trained on.

Medians over FER+ training pictures, made symmetric; `scripts/calibrate_crop.py`
prints them again. Units: of the crop, (0, 0) top left, (1, 1) bottom right.
Only points that keep their place while a face speaks or smiles are used.
"""

from __future__ import annotations

from typing import Final

__all__ = ["KEYPOINTS", "MESH_POINTS", "OVAL"]

MESH_POINTS: Final[dict[int, tuple[float, float]]] = {
    33: (0.238, 0.385),  # corners of the eyes
    133: (0.398, 0.399),
    362: (0.602, 0.399),
    263: (0.762, 0.385),
    168: (0.500, 0.373),  # bridge of the nose, downwards
    6: (0.500, 0.420),
    197: (0.500, 0.462),
    195: (0.500, 0.500),
    4: (0.500, 0.590),  # tip of the nose
    1: (0.500, 0.627),
    2: (0.500, 0.656),  # under the nose
    98: (0.397, 0.638),  # nostrils
    327: (0.603, 0.638),
}
"""Landmarks of MediaPipe's face mesh by their number."""

KEYPOINTS: Final[tuple[tuple[float, float], ...]] = (
    (0.321, 0.384),
    (0.679, 0.384),
    (0.500, 0.594),
    (0.500, 0.758),
)
"""The first four keypoints of MediaPipe's face detection: right eye, left eye, nose tip, mouth."""

OVAL: Final[tuple[tuple[float, float], ...]] = (
    (0.50, 0.10),
    (0.61, 0.10),
    (0.71, 0.12),
    (0.79, 0.15),
    (0.84, 0.19),
    (0.87, 0.25),
    (0.89, 0.38),
    (0.88, 0.54),
    (0.85, 0.70),
    (0.77, 0.84),
    (0.68, 0.92),
    (0.58, 0.98),
    (0.50, 0.99),
    (0.42, 0.98),
    (0.32, 0.92),
    (0.23, 0.84),
    (0.15, 0.70),
    (0.12, 0.54),
    (0.11, 0.38),
    (0.13, 0.25),
    (0.16, 0.19),
    (0.21, 0.15),
    (0.29, 0.12),
    (0.39, 0.10),
)
"""The outline of a face, for faces that were found without a mesh."""
