"""Pictures for the bench: one real face, in as many places as are asked for, and moving."""

from __future__ import annotations

from itertools import islice
from typing import Final

import cv2
import numpy as np

from camfilter.errors import SettingError
from camfilter.frames import Pixels, Size
from camfilter.sources.base import frames_of
from camfilter.sources.demo import DemoSource

__all__ = ["FACES", "Scene"]

_PLACES: Final = {1: (1, 1), 2: (2, 1), 4: (2, 2)}
FACES: Final = tuple(_PLACES)
"""Numbers of faces that there are scenes for."""

_RATE_HZ: Final = 30.0
_APART_FRAMES: Final = 20


class Scene:
    """Frames of a moving face, or of several copies that move each in their own time.

    They are played forth and back, so that nothing ever jumps.

    Args:
        size: width and height of the frames.
        faces: 1, 2 or 4.
        frame_count: different frames; each is kept in memory.

    Raises:
        SettingError: another number of faces.
        SourceNotFound: the portrait is not installed.
    """

    def __init__(self, size: Size, faces: int, frame_count: int = 24) -> None:
        if faces not in _PLACES:
            raise SettingError(f"There is no scene with {faces} faces.", "Take 1, 2 or 4.")
        self.size, self.faces = size, faces
        across, down = _PLACES[faces]
        part = Size(size.width // across, size.height // down)
        self._frames = [
            np.zeros((size.height, size.width, 3), np.uint8) for _ in range(frame_count)
        ]
        for place in range(faces):
            left, top = place % across * part.width, place // across * part.height
            start = place * _APART_FRAMES
            with DemoSource(part, _RATE_HZ, start + frame_count) as demo:
                moving = islice(frames_of(demo), start, None)
                for frame, raw in zip(self._frames, moving, strict=True):
                    frame[top : top + part.height, left : left + part.width] = raw.pixels
        # What a webcam sends over the wire, two bytes a pixel.
        self._yuyv = [
            cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_YUYV).view(np.uint8) for frame in self._frames
        ]

    def bgr(self, index: int) -> Pixels:
        """The frame at an index, (height, width, 3) uint8."""
        return self._frames[self._turn(index)]

    def yuyv(self, index: int) -> Pixels:
        """The same frame as a webcam sends it, (height, width, 2) uint8."""
        return self._yuyv[self._turn(index)]

    def _turn(self, index: int) -> int:
        last = len(self._frames) - 1
        place = index % (2 * last) if last else 0
        return min(place, 2 * last - place)
