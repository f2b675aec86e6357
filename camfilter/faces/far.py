"""Far faces: found by MediaPipe's long-range detector, then looked at closely.

The detector sees a picture shrunk to 192 px, so a face that is small in the frame
is found in a part of the frame. Its keypoints are coarse; the mesh of an enlarged
cut around it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np

from camfilter.faces.base import Box, Face, Points
from camfilter.faces.placing import face_of_keypoints, face_of_mesh, mesh_points
from camfilter.faces.solutions import Solutions
from camfilter.faces.template import KEYPOINTS
from camfilter.frames import Pixels, Size

__all__ = ["FarFaces", "whole_and_tiles"]

_LONG_RANGE: Final = 1
_SAME_FACE: Final = 0.15
_TILE_SHARE: Final = 0.6
_SMALLEST_TILED_PX: Final = 480
_CUT_PER_FACE: Final = 2.0
_CUT_PX: Final = 256
_LEAST_AGREEMENT: Final = 0.3


class FarFaces:
    """Finds faces that the mesh alone does not.

    Args:
        solutions: of MediaPipe.
        confidence: least confidence of a face, 0 to 1.
    """

    def __init__(self, solutions: Solutions, confidence: float) -> None:
        self._detector: Any = solutions.face_detection.FaceDetection(
            model_selection=_LONG_RANGE, min_detection_confidence=confidence
        )
        self._close_mesh: Any = solutions.face_mesh.FaceMesh(
            static_image_mode=True, max_num_faces=1, min_detection_confidence=confidence
        )
        self._followed: list[Face] = []

    def load(self, blank: Pixels) -> None:
        """Load the models now, not at the first face."""
        self._detector.process(blank)
        self._close_mesh.process(blank)

    def find(self, rgb: Pixels, regions: Sequence[Box], known: Sequence[Face] = ()) -> list[Face]:
        """Faces in parts of a picture.

        Args:
            rgb: (height, width, 3) uint8, RGB.
            regions: where to look.
            known: faces that need not be found again.
        """
        found: list[Face] = []
        for region in regions:
            for keypoints in self._keypoints(rgb, region):
                face = face_of_keypoints(keypoints)
                if face is None or _is_among(face, [*known, *found]):
                    continue
                closer = self._looked_at(rgb, face) or face
                if not _is_among(closer, [*known, *found]):
                    found.append(closer)
        self._followed = [*self._followed, *found]
        return found

    def follow(self, rgb: Pixels, known: Sequence[Face]) -> list[Face]:
        """The faces of the picture before, where they are now.

        Args:
            rgb: (height, width, 3) uint8, RGB; the next picture of a moving scene.
            known: faces that need not be followed any more.
        """
        before, self._followed = self._followed, []
        for face in before:
            if _is_among(face, [*known, *self._followed]):
                continue
            closer = self._looked_at(rgb, face)
            if closer is None:  # turned away: the detector finds what the mesh does not
                self.find(rgb, [_around(face.box).within(Size.of(rgb))], [*known, *self._followed])
            elif not _is_among(closer, [*known, *self._followed]):
                self._followed.append(closer)
        return list(self._followed)

    def close(self) -> None:
        """Release models; closing twice does nothing."""
        for model in (self._detector, self._close_mesh):
            if model is not None:
                model.close()
        self._detector = self._close_mesh = None

    def _keypoints(self, rgb: Pixels, region: Box) -> list[Points]:
        part = np.ascontiguousarray(rgb[region.slices()])
        if part.size == 0:
            return []
        height, width = part.shape[:2]
        detections = self._detector.process(part).detections or []
        corner = np.array([region.left, region.top], np.float32)
        return [
            corner
            + np.array(
                [
                    (point.x * width, point.y * height)
                    for point in detection.location_data.relative_keypoints[: len(KEYPOINTS)]
                ],
                np.float32,
            )
            for detection in detections
        ]

    def _looked_at(self, rgb: Pixels, face: Face) -> Face | None:
        """The same face by the mesh of an enlarged cut; None when the mesh does not see it."""
        cut = _around(face.box).within(Size.of(rgb))
        part = rgb[cut.slices()]
        if part.size == 0:
            return None
        scale = _CUT_PX / max(part.shape[:2])
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        enlarged = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        meshes = self._close_mesh.process(enlarged).multi_face_landmarks
        if not meshes:
            return None
        corner = np.array([cut.left, cut.top], np.float32)
        closer = face_of_mesh(corner + mesh_points(meshes[0], part.shape[1], part.shape[0]))
        if closer is None or closer.box.overlap(face.box) < _LEAST_AGREEMENT:
            return None
        return closer


def whole_and_tiles(size: Size) -> list[Box]:
    """The whole picture and, of a large one, four parts that overlap."""
    whole = Box(0, 0, size.width, size.height)
    if max(size.width, size.height) < _SMALLEST_TILED_PX:
        return [whole]
    width, height = round(size.width * _TILE_SHARE), round(size.height * _TILE_SHARE)
    return [whole] + [
        Box(left, top, left + width, top + height)
        for top in (0, size.height - height)
        for left in (0, size.width - width)
    ]


def _around(box: Box) -> Box:
    reach = round(_CUT_PER_FACE * max(box.right - box.left, box.bottom - box.top) / 2)
    x, y = (box.left + box.right) // 2, (box.top + box.bottom) // 2
    return Box(x - reach, y - reach, x + reach, y + reach)


def _is_among(face: Face, others: Sequence[Face]) -> bool:
    return any(face.box.overlap(other.box) > _SAME_FACE for other in others)
