"""The spy's own eyes: it finds the face in what it received, and knows nothing of the filter's.

MediaPipe's face detection, short range first and then full range, gives a square box and a few
keypoints, from which each recogniser has its crop cut: aligned to the template that the
project's networks were trained on, or the upright box with a margin, as most others want it.
Where no face is found, the spy looks for up to a second where it was last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.faces.placing import face_of_keypoints
from camfilter.faces.quiet import quiet_native_log
from camfilter.faces.solutions import load_solutions
from camfilter.frames import Pixels
from camfilter.geometry import frame_to_grid

__all__ = ["CropRule", "Sighting", "SpyDetector", "cut"]

_KEYPOINTS: Final = 4
_BILINEAR_SHRINK: Final = 1.5
_MARGIN_PX: Final = 4
_LOOK_PX: Final = 640


@dataclass(frozen=True, slots=True)
class CropRule:
    """How a recogniser wants its crops.

    Attributes:
        size_px: width and height of the crop.
        margin: of the box's side, added on each side; None aligns to the own networks' template.
    """

    size_px: int
    margin: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A face that the spy found.

    Attributes:
        centre: (2,) middle of its box, in frame pixels.
        side: greater side of its box, in pixels.
        keypoints: (4, 2) right eye, left eye, tip of the nose, mouth, in frame pixels.
    """

    centre: NDArray[np.float64]
    side: float
    keypoints: NDArray[np.float32]


class SpyDetector:
    """Finds the largest face in decoded frames.

    Args:
        confidence: least confidence of a face, 0 to 1.
    """

    def __init__(self, confidence: float = 0.4) -> None:
        with quiet_native_log():
            face_detection = load_solutions().face_detection
            self._detectors: list[Any] = [
                face_detection.FaceDetection(
                    model_selection=full_range, min_detection_confidence=confidence
                )
                for full_range in (0, 1)
            ]
            for detector in self._detectors:  # they say now what they say once
                detector.process(np.zeros((64, 96, 3), np.uint8))

    def follow(self, frames: Sequence[Pixels], patience: int) -> list[Sighting | None]:
        """The face in each frame of a clip.

        Args:
            frames: (height, width, 3) uint8, BGR, in the order of time.
            patience: for how many frames a lost face is taken to be where it was.
        """
        sightings: list[Sighting | None] = []
        last, age = None, 0
        for frame in frames:
            seen = self.find(frame)
            last, age = (last, age + 1) if seen is None else (seen, 0)
            sightings.append(last if age <= patience else None)
        return sightings

    def find(self, pixels: Pixels) -> Sighting | None:
        """The largest face in a picture (height, width, 3) uint8, BGR; None where there is none."""
        height, width = pixels.shape[:2]
        if width > _LOOK_PX:  # its models look at 192 px at most
            small = (_LOOK_PX, max(1, round(height * _LOOK_PX / width)))
            pixels = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA).view(np.uint8)
        rgb = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
        for detector in self._detectors:
            found = detector.process(rgb).detections or []
            if found:
                sightings = [_sighting(detection, width, height) for detection in found]
                return max(sightings, key=lambda sighting: sighting.side)
        return None

    def close(self) -> None:
        """Release the model; closing twice does nothing."""
        for detector in self._detectors:
            detector.close()
        self._detectors = []


def cut(pixels: Pixels, sighting: Sighting, rule: CropRule) -> Pixels | None:
    """The crop of a face as a recogniser wants it.

    Returns:
        (size_px, size_px, 3) uint8, BGR, parts outside the frame repeat its edge; None where
        the keypoints lie in one place.
    """
    if rule.margin is None:
        face = face_of_keypoints(sighting.keypoints)
        if face is None:
            return None
        to_unit = face.to_unit
    else:
        side = sighting.side * (1 + 2 * rule.margin)
        corner = sighting.centre - side / 2
        to_unit = np.array([[1, 0, -corner[0]], [0, 1, -corner[1]]]) / max(side, 1.0)
    pixels, to_unit = _around(pixels, to_unit)
    matrix = frame_to_grid(to_unit, rule.size_px)
    shrink = float(np.hypot(matrix[0, 0], matrix[1, 0])) * _BILINEAR_SHRINK
    if shrink < 1:
        height, width = pixels.shape[:2]
        small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        pixels = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA).view(np.uint8)
        scale = np.diag([width / small[0], height / small[1], 1.0])
        matrix = frame_to_grid(to_unit @ scale, rule.size_px)
    return cv2.warpAffine(
        pixels,
        matrix,
        (rule.size_px, rule.size_px),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    ).view(np.uint8)


def _around(pixels: Pixels, to_unit: NDArray[np.float64]) -> tuple[Pixels, NDArray[np.float64]]:
    """The part of a frame that a crop is cut from, and the crop's matrix there."""
    height, width = pixels.shape[:2]
    to_frame = cv2.invertAffineTransform(np.asarray(to_unit, np.float64))
    corners = to_frame @ np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]])
    first = np.floor(corners.min(axis=1)).astype(int) - _MARGIN_PX
    last = np.ceil(corners.max(axis=1)).astype(int) + _MARGIN_PX
    left, top = np.clip(first, 0, (width - 1, height - 1))
    right, bottom = np.clip(last, (left + 1, top + 1), (width, height))
    shift = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64)
    return pixels[top:bottom, left:right], np.asarray(to_unit @ shift)


def _sighting(detection: Any, width: int, height: int) -> Sighting:
    data = detection.location_data
    box = data.relative_bounding_box
    points = [(p.x * width, p.y * height) for p in data.relative_keypoints[:_KEYPOINTS]]
    wide, high = box.width * width, box.height * height
    centre = np.array([box.xmin * width + wide / 2, box.ymin * height + high / 2])
    return Sighting(centre, float(max(wide, high)), np.array(points, np.float32))
