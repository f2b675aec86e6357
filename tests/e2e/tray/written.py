"""What the sink was given, told apart by comparison with the demo's own raw frames."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.frames import Pixels
from camfilter.sources import DemoSource, VideoSource, frames_of

CARD = -1
"""Stands for a frame that is no frame of the demo: a card."""

_MOST = 40
_THUMB = (32, 24)


class Written:
    """Greatest change of each frame of a lossless video against its raw frame, in levels."""

    def __init__(self, video: Path) -> None:
        raw = [frame.pixels for frame in frames_of(DemoSource())]
        thumbs = np.stack([_thumb(pixels) for pixels in raw])
        with VideoSource(video) as source:
            self.levels = [_levels(frame.pixels, raw, thumbs) for frame in frames_of(source)]

    def phases(self, shortest: int = 3) -> list[tuple[int, int]]:
        """Runs of like frames as (levels, count), without those of less than `shortest` frames."""
        runs = [(level, len(list(same))) for level, same in groupby(self.levels)]
        merged: list[tuple[int, int]] = []
        for level, count in runs:
            if count < shortest:
                continue
            if merged and merged[-1][0] == level:
                merged[-1] = (level, merged[-1][1] + count)
            else:
                merged.append((level, count))
        return merged


def _thumb(pixels: Pixels) -> NDArray[np.float32]:
    return cv2.resize(pixels, _THUMB, interpolation=cv2.INTER_AREA).astype(np.float32)


def _levels(pixels: Pixels, raw: list[Pixels], thumbs: NDArray[np.float32]) -> int:
    distances = np.abs(thumbs - _thumb(pixels)).mean(axis=(1, 2, 3))
    nearest = np.argsort(distances)[:4]
    levels = min(int(cv2.norm(raw[index], pixels, cv2.NORM_INF)) for index in nearest)
    return levels if levels <= _MOST else CARD
