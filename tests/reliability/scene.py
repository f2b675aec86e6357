"""A scene whose faces are known: what the camera sees, and where the faces truly are."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from camfilter.faces.base import Face
from camfilter.frames import Pixels, RawFrame, Size
from fakes import face_at, noise

SIZE = Size(96, 72)
_SENSOR_NOISE = 2
_RATE_HZ = 30.0


@dataclass(frozen=True)
class Taken:
    """A raw frame as the camera took it.

    Attributes:
        pixels: a copy that nobody writes to.
        faces: where the faces truly are, whatever a finder says.
        read_s: when it was handed out last.
    """

    pixels: Pixels
    faces: tuple[Face, ...]
    read_s: float


class Scene:
    """A textured wall and one to three faces that sway, seen by a sensor with a little noise.

    The noise is less than a budget, so that two raw frames lie as close together as a raw
    frame and a protected one: what tells them apart is the proof, not the distance. Every
    frame has a corner pixel of its own.
    """

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        coarse = noise(SIZE.width // 8, SIZE.height // 8, seed=seed)
        self._wall = cv2.resize(coarse, (SIZE.width, SIZE.height), interpolation=cv2.INTER_CUBIC)
        places = [(26, 36, 26), (66, 30, 24), (50, 54, 22)]
        self._places = [places[i] for i in rng.permutation(3)[: rng.integers(1, 4)]]
        self._sways = rng.uniform(0, 2 * np.pi, 3)
        self._count = 0
        self.taken: dict[int, Taken] = {}

    def take(self, now_s: float) -> RawFrame:
        """The next frame."""
        index = self._count
        self._count += 1
        rng = np.random.default_rng(index)
        grain = rng.integers(-_SENSOR_NOISE, _SENSOR_NOISE + 1, self._wall.shape)
        pixels = np.clip(self._wall + grain, 0, 255).astype(np.uint8)
        pixels[0, 0] = (index % 251, index // 251, 199)
        self.taken[index] = Taken(pixels.copy(), tuple(self.faces(index)), now_s)
        return RawFrame(pixels, index, index / _RATE_HZ)

    def faces(self, index: int) -> list[Face]:
        """Where the faces are in a frame."""
        return [
            face_at(x + 2 * np.sin(index / 9 + sway), y + np.sin(index / 7 + sway), side)
            for (x, y, side), sway in zip(self._places, self._sways, strict=False)
        ]

    def again(self, index: int, now_s: float) -> None:
        """Note that a frame was handed out once more."""
        before = self.taken[index]
        self.taken[index] = Taken(before.pixels, before.faces, now_s)


def mark_of(pixels: Pixels) -> int:
    """Index of the raw frame that a picture was made from; -1 when it is none."""
    low, high, sign = (int(level) for level in pixels[0, 0])
    return low + 251 * high if sign == 199 else -1
