"""Faces by MediaPipe: its face mesh, and its long-range detector for those the mesh misses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np

from camfilter.faces.base import Box, Face
from camfilter.faces.far import FarFaces, whole_and_tiles
from camfilter.faces.placement import apart
from camfilter.faces.placing import face_of_mesh, mesh_points
from camfilter.faces.quiet import quiet_native_log
from camfilter.faces.solutions import Solutions, load_solutions
from camfilter.frames import Pixels, Size

__all__ = ["MediaPipeFaces"]

_LONGEST_SIDE_PX: Final = 1280
_SHORTEST_SIDE_PX: Final = 16
_BILINEAR_FROM: Final = 0.6
_SAME_FACE: Final = 0.4
"""Of two meshes' boxes in common; two people cheek to cheek share less."""
_MOST_LOOKS: Final = 4
_SETTLED: Final = 0.02
"""Of the face's width."""


class MediaPipeFaces:
    """Finds faces with the models inside MediaPipe's wheel; nothing is downloaded or sent.

    The mesh follows up to `max_faces` near faces. A detector for far faces looks at
    every `detect_every`-th frame, and what it finds is followed from frame to frame.

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
        detect_every: int = 4,
    ) -> None:
        with quiet_native_log():
            solutions = load_solutions()
            self._build(solutions, stills, max_faces, confidence)
            blank = np.zeros((64, 96, 3), np.uint8)  # loads the models now, not at the first frame
            self._mesh.process(blank)
            self._far.load(blank)
            _chatter(solutions, blank)
        self._stills = stills
        self._detect_every = 1 if stills else detect_every
        self._turn = -1
        self._frames_to_look = 0
        self._followed = 0

    def _build(self, solutions: Solutions, stills: bool, max_faces: int, confidence: float) -> None:
        self._mesh: Any = solutions.face_mesh.FaceMesh(
            static_image_mode=stills,
            max_num_faces=max_faces,
            refine_landmarks=False,
            min_detection_confidence=confidence,
            min_tracking_confidence=confidence,
        )
        self._far = FarFaces(solutions, confidence)

    def find(self, pixels: Pixels) -> list[Face]:
        """All faces in a picture of shape (height, width, 3) uint8, BGR; largest first."""
        height, width = pixels.shape[:2]
        if min(height, width) < _SHORTEST_SIDE_PX:
            return []
        rgb = _seen(pixels)
        faces = self._by_mesh(rgb)
        if not self._stills:
            faces += self._far.follow(rgb, faces)
        if self._frames_to_look <= 0:
            faces += self._far.find(rgb, self._regions(Size.of(rgb)), faces)
            self._frames_to_look = self._detect_every
        self._frames_to_look -= 1
        faces = [_resized(face, Size(width, height), Size.of(rgb)) for face in faces]
        return sorted(faces, key=lambda face: -face.box.area)

    def look(self, pixels: Pixels, known: Sequence[Face], *, part: Box | None = None) -> list[Face]:
        """Look for far faces only, in the part of the picture whose turn it is.

        Whoever calls this now and then between two calls of `find` spares that the same work.

        Args:
            pixels: (height, width, 3) uint8, BGR; a picture of the same scene.
            known: faces that need not be found again.
            part: look here now, whoever's turn it is.

        Returns:
            Faces that were not known.
        """
        height, width = pixels.shape[:2]
        if min(height, width) < _SHORTEST_SIDE_PX or self._stills:
            return []
        rgb = _seen(pixels)
        size = Size.of(rgb)
        same = [_resized(face, size, Size(width, height)) for face in known]
        self._frames_to_look = self._detect_every
        regions = self._regions(size) if part is None else [_scaled(part, width, size)]
        found = self._far.find(rgb, regions, same)
        return [_resized(face, Size(width, height), size) for face in found]

    def _regions(self, size: Size) -> list[Box]:
        """Where to look now: everywhere at first and in stills, else whole and parts in turn."""
        whole, *tiles = whole_and_tiles(size)
        if self._stills or self._turn < 0:
            self._turn = 0
            return [whole, *tiles]
        turns = [region for tile in tiles for region in (whole, tile)] or [whole]
        self._turn = (self._turn + 1) % len(turns)
        return [turns[self._turn]]

    def catch_up(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Release models; closing twice does nothing."""
        if self._mesh is not None:
            self._mesh.close()
        self._mesh = None
        self._far.close()

    def _by_mesh(self, rgb: Pixels) -> list[Face]:
        faces = self._meshes(rgb)
        if len(faces) > self._followed and not self._stills:
            faces = self._settled(rgb, faces)
        self._followed = len(faces)
        return faces

    def _settled(self, rgb: Pixels, faces: list[Face]) -> list[Face]:
        """New faces are placed roughly, by half a width at worst; each look starts from the last.

        Looking ends when the faces stay where they were, or when one is lost on the way.
        """
        for _ in range(_MOST_LOOKS):
            again = self._meshes(rgb)
            if len(again) < len(faces):
                break
            moved = max(min(apart(face, other) for other in again) for face in faces)
            faces = again
            if moved < _SETTLED:
                break
        return faces

    def _meshes(self, rgb: Pixels) -> list[Face]:
        height, width = rgb.shape[:2]
        found = self._mesh.process(rgb).multi_face_landmarks or []
        faces = [face_of_mesh(mesh_points(mesh, width, height)) for mesh in found]
        return _each_once([face for face in faces if face is not None])


def _each_once(faces: Sequence[Face]) -> list[Face]:
    """The faces, each one once.

    Now and then the mesh takes a face that it follows for a new one, too, roughly placed. Those
    it follows come last.
    """
    distinct: list[Face] = []
    for face in reversed(faces):
        if all(face.box.overlap(other.box) < _SAME_FACE for other in distinct):
            distinct.append(face)
    return distinct[::-1]


def _seen(pixels: Pixels) -> Pixels:
    """The picture as the finders see it, RGB: a very large one smaller.

    Averaging areas is slow where the sides do not divide, and not needed for a third.
    """
    height, width = pixels.shape[:2]
    shrink = _LONGEST_SIDE_PX / max(height, width)
    if shrink < 1:
        small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        how = cv2.INTER_AREA if shrink < _BILINEAR_FROM else cv2.INTER_LINEAR
        pixels = np.asarray(cv2.resize(pixels, small, interpolation=how), np.uint8)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def _resized(face: Face, to: Size, seen: Size) -> Face:
    """A face found in a copy of another size, in the pixels of a frame of size `to`."""
    if to == seen:
        return face
    across, down = to.width / seen.width, to.height / seen.height
    outline = face.outline * np.array([across, down], np.float32)
    to_unit = face.to_unit @ np.diag([1 / across, 1 / down, 1.0])
    return Face(outline=outline, to_unit=to_unit, box=Box.around(outline))


def _scaled(box: Box, width: int, to: Size) -> Box:
    """A part of a frame of this width in a copy of another size."""
    scale = to.width / width
    edges = (round(edge * scale) for edge in (box.left, box.top, box.right, box.bottom))
    return Box(*edges).within(to)


def _chatter(solutions: Solutions, blank: Pixels) -> None:
    """Make MediaPipe say now what it says once, at the first face of a process.

    At zero confidence it takes anything for a face.
    """
    with solutions.face_mesh.FaceMesh(
        static_image_mode=True, min_detection_confidence=0, min_tracking_confidence=0
    ) as credulous:
        credulous.process(blank)
