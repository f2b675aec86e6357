"""The control: a random change of the same size, shape and energy as the filter's."""

from __future__ import annotations

import cv2
import numpy as np

from camfilter.chain import Perturbation
from camfilter.compose import compose
from camfilter.filtered import Filtered
from camfilter.frames import Pixels
from camfilter.geometry import Crop, outline_mask
from camfilter.settings import LEVELS

__all__ = ["RandomControl"]

_TRIALS = 4
_MOST_GAIN = 4.0


class RandomControl:
    """Random signs on the surrogate's grid, one pattern a face, which stays fixed to it.

    Mask, budget and rounding are the filter's own, and the sum of the squared
    change is brought to the filter's in each frame. A pattern that stays is what a
    codec keeps best, so it is the stronger control.

    Args:
        grid_px: width and height of the surrogate's crop.
    """

    def __init__(self, grid_px: int) -> None:
        self._grid_px = grid_px
        self._amplitude = 0.0

    def apply(self, raw: Pixels, filtered: Filtered) -> Pixels:
        """The raw picture, (height, width, 3) uint8 BGR, with a random change of its faces."""
        faces, budget = filtered.faces, filtered.budget_levels
        if not faces:
            return raw.copy()
        patterns = np.stack(
            [self._signs(face.track) * outline_mask(face, self._grid_px) for face in faces]
        )
        wanted = _energy(raw, filtered.pixels)
        most = _MOST_GAIN * budget / LEVELS
        amplitude = self._amplitude or budget / LEVELS
        pixels = raw.copy()
        for _ in range(_TRIALS):
            delta = patterns * np.float32(amplitude)
            pixels = compose(raw, faces, Perturbation(delta), budget)
            energy = _energy(raw, pixels)
            if not energy or abs(energy / wanted - 1) < 0.01 or amplitude >= most:
                break
            self._amplitude = amplitude = min(most, amplitude * (wanted / energy) ** 0.5)
        return pixels

    def _signs(self, track: int) -> Crop:
        shape = (self._grid_px, self._grid_px)
        signs = np.random.default_rng(track + 1).integers(0, 2, shape) * 2 - 1
        return signs.astype(np.float32)


def _energy(before: Pixels, after: Pixels) -> float:
    return float(cv2.norm(before, after, cv2.NORM_L2SQR))
