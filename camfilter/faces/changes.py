"""Where a scene changed at once: something came, went or was cut in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.faces.base import Box
from camfilter.frames import Pixels, Size

__all__ = ["Changes"]

_CELLS_ACROSS: Final = 64
_SAMPLES_ACROSS_CELL: Final = 4
_BLOCK_CELLS: Final = 5
_MOVES_CELLS: Final = 2
_SLACK: Final = 0.3
_SUDDEN_LEVELS: Final = 3.0
_REACH: Final = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class _Means:
    """The size of a picture, and the mean colours of its parts, (cells, 64, 3)."""

    size: Size
    colours: NDArray[np.float32]


class Changes:
    """Compares the mean colours of the parts of each picture with those of the last known one.

    A part is a twelfth of the picture wide. What only moves on is no news: its colours stood
    within reach before, and where they differ much they may differ a little more.
    """

    def __init__(self) -> None:
        self._known: _Means | None = None
        self._newest: _Means | None = None

    def sudden(self, pixels: Pixels) -> Box | None:
        """Where the next picture changed at once, or None.

        Args:
            pixels: (height, width, 3) uint8, BGR.
        """
        size = Size.of(pixels)
        self._newest = now = _Means(size, _means(pixels))
        before = self._known
        if before is None or before.size != size:
            return Box(0, 0, size.width, size.height)
        news = _news(before.colours, now.colours)
        if float(news.max()) <= _SUDDEN_LEVELS:
            return None
        return _around(np.argwhere((news > _SUDDEN_LEVELS).any(axis=2)), size)

    def know(self) -> None:
        """What was sudden in the newest picture was looked at: the next is compared with it."""
        self._known = self._newest


def _means(pixels: Pixels) -> NDArray[np.float32]:
    """Mean colour around each of 64 by so many cells, (cells, 64, 3), of 400 samples each."""
    height, width = pixels.shape[:2]
    down = max(1, round(height * _CELLS_ACROSS / width))
    fine = (_CELLS_ACROSS * _SAMPLES_ACROSS_CELL, down * _SAMPLES_ACROSS_CELL)
    if width > fine[0] and height > fine[1]:  # a third of the time of averaging all pixels
        pixels = np.asarray(cv2.resize(pixels, fine, interpolation=cv2.INTER_NEAREST), np.uint8)
    cells = cv2.resize(pixels, (_CELLS_ACROSS, down), interpolation=cv2.INTER_AREA)
    blocks = cv2.blur(cells.astype(np.float32), (_BLOCK_CELLS, _BLOCK_CELLS))
    return np.asarray(blocks, np.float32)


def _news(before: NDArray[np.float32], now: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far each colour lies from all that stood within its reach; 0 where things only moved.

    What a change of the light of the whole picture explains is no news either.
    """
    reach = np.ones((2 * _MOVES_CELLS + 1, 2 * _MOVES_CELLS + 1), np.uint8)
    darkest, brightest = cv2.erode(before, reach), cv2.dilate(before, reach)
    slack = np.float32(_SLACK) * (brightest - darkest)
    lowest, highest = darkest - slack, brightest + slack
    news = np.maximum(now - highest, lowest - now)
    if float(news.max()) <= _SUDDEN_LEVELS:
        return news
    gain = np.maximum(cv2.mean(before), 1.0) / np.maximum(cv2.mean(now), 1.0)
    lit = now * gain[:3].astype(np.float32)
    return np.minimum(news, np.maximum(lit - highest, lowest - lit))


def _around(cells: NDArray[np.intp], size: Size) -> Box:
    """A part of the picture that holds these cells (row, column) and what lies around them."""
    corners = (cells[:, ::-1] + 0.5) * (size.width / _CELLS_ACROSS)
    box = Box.around(np.asarray(corners, np.float32))
    reach = round(_REACH * size.width)
    return Box(box.left - reach, box.top - reach, box.right + reach, box.bottom + reach).within(
        size
    )
