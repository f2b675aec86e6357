"""Faces by MediaPipe: its face mesh, and its long-range detector for those the mesh misses."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np

from camfilter.faces.base import Box, Face, Points
from camfilter.faces.quiet import quiet_native_log
from camfilter.faces.template import KEYPOINTS, MESH_POINTS, OVAL
from camfilter.frames import Pixels
from camfilter.geometry import Similarity, fit_similarity

__all__ = ["MediaPipeFaces"]

_LONGEST_SIDE_PX: Final = 1280
_SHORTEST_SIDE_PX: Final = 16
_OUTLINE_GROWTH: Final = 1.06
_SAME_FACE: Final = 0.15
_LONG_RANGE: Final = 1


class MediaPipeFaces:
    """Finds faces with the models inside MediaPipe's wheel; nothing is downloaded or sent.

    The mesh follows up to `max_faces` near faces. A detector for faces up to five
    metres away looks at every `detect_every`-th frame, and at each frame while it
    sees a face that the mesh does not.

    Args:
        stills: True for unrelated pictures, False for a moving scene.
        max_faces: most faces that the mesh follows.
        confidence: least confidence of a face, 0 to 1; low, as a face missed is a face bare.
        detect_every: frames from one look of the detector to the next.
    """

    def __init__(
        self,
        *,
        stills: bool = False,
        max_faces: int = 8,
        confidence: float = 0.4,
        detect_every: int = 6,
    ) -> None:
        # Imported here: it takes a second, and neither --help nor bad input needs it.
        with quiet_native_log():
            import mediapipe as mp  # noqa: PLC0415

            self._build(mp.solutions, stills, max_faces, confidence)
            blank = np.zeros((64, 96, 3), np.uint8)  # loads the models now, not at the first frame
            self._mesh.process(blank)
            self._detector.process(blank)
            _chatter(mp.solutions, blank)
        self._detect_every = 1 if stills else detect_every
        self._frames_to_look = 0

    def _build(self, solutions: Any, stills: bool, max_faces: int, confidence: float) -> None:
        self._mesh: Any = solutions.face_mesh.FaceMesh(
            static_image_mode=stills,
            max_num_faces=max_faces,
            refine_landmarks=False,
            min_detection_confidence=confidence,
            min_tracking_confidence=confidence,
        )
        self._detector: Any = solutions.face_detection.FaceDetection(
            model_selection=_LONG_RANGE, min_detection_confidence=confidence
        )

    def find(self, pixels: Pixels) -> list[Face]:
        """All faces in a picture of shape (height, width, 3) uint8, BGR; largest first."""
        height, width = pixels.shape[:2]
        if min(height, width) < _SHORTEST_SIDE_PX:
            return []
        shrink = min(1.0, _LONGEST_SIDE_PX / max(height, width))
        if shrink < 1:
            small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
            pixels = np.asarray(cv2.resize(pixels, small, interpolation=cv2.INTER_AREA), np.uint8)
        rgb = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
        faces = self._by_mesh(rgb, width, height)
        if self._frames_to_look <= 0:
            far = self._by_detector(rgb, width, height)
            missed = [face for face in far if not _known(face, faces)]
            self._frames_to_look = 0 if missed else self._detect_every - 1
            faces += missed
        else:
            self._frames_to_look -= 1
        return sorted(faces, key=lambda face: -face.box.area)

    def close(self) -> None:
        """Release models; closing twice does nothing."""
        for model in (self._mesh, self._detector):
            if model is not None:
                model.close()
        self._mesh = self._detector = None

    def _by_mesh(self, rgb: Pixels, width: int, height: int) -> list[Face]:
        found = self._mesh.process(rgb).multi_face_landmarks or []
        faces = []
        for mesh in found:
            points = np.array([(p.x * width, p.y * height) for p in mesh.landmark], np.float32)
            to_unit = _similarity(points[list(MESH_POINTS)], list(MESH_POINTS.values()))
            if to_unit is not None:
                faces.append(_face(np.asarray(cv2.convexHull(points)[:, 0], np.float32), to_unit))
        return faces

    def _by_detector(self, rgb: Pixels, width: int, height: int) -> list[Face]:
        found = self._detector.process(rgb).detections or []
        faces = []
        for detection in found:
            keypoints = detection.location_data.relative_keypoints[: len(KEYPOINTS)]
            points = np.array([(p.x * width, p.y * height) for p in keypoints], np.float32)
            to_unit = _similarity(points, KEYPOINTS)
            if to_unit is not None:
                inverse = cv2.invertAffineTransform(to_unit)
                outline = np.array(OVAL) @ inverse[:, :2].T + inverse[:, 2]
                faces.append(_face(outline.astype(np.float32), to_unit))
        return faces


def _chatter(solutions: Any, blank: Pixels) -> None:
    """Make MediaPipe say now what it says once, at the first face of a process.

    At zero confidence it takes anything for a face.
    """
    with solutions.face_mesh.FaceMesh(
        static_image_mode=True, min_detection_confidence=0, min_tracking_confidence=0
    ) as credulous:
        credulous.process(blank)


def _similarity(points: Points, template: Any) -> Similarity | None:
    try:
        to_unit = fit_similarity(points, np.array(template, np.float32))
    except ValueError:
        return None
    return to_unit if abs(np.linalg.det(to_unit[:, :2])) > 0 else None


def _face(hull: Points, to_unit: Similarity) -> Face:
    centre = hull.mean(axis=0)
    outline = centre + (hull - centre) * np.float32(_OUTLINE_GROWTH)
    return Face(outline=outline, to_unit=to_unit, box=Box.around(outline))


def _known(face: Face, others: list[Face]) -> bool:
    return any(face.box.overlap(other.box) > _SAME_FACE for other in others)
