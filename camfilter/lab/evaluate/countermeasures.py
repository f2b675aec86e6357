"""What a spy tries against the filter before a recogniser reads: on 8-bit crops of one clip."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import cv2
import numpy as np

from camfilter.frames import Pixels

__all__ = ["COUNTERMEASURES", "Countermeasure", "Sequence8"]

Sequence8: TypeAlias = Sequence[Pixels | None]
"""Crops of one face in the order of time, (size, size, 3) uint8, BGR; None where no face was."""

Countermeasure: TypeAlias = Callable[[Sequence8, int, np.random.Generator], list[Pixels | None]]
"""From crops, and how many of them make a second, to the crops that are read."""

_BLUR_SHARE: Final = 1 / 80
"""Standard deviation of the blur as a share of the crop: 0.6 px of a 48 px crop."""

_JPEG_QUALITY: Final = 50


def _each(change: Callable[[Pixels], Pixels]) -> Countermeasure:
    def changed(
        crops: Sequence8, _per_second: int, _random: np.random.Generator
    ) -> list[Pixels | None]:
        return [None if crop is None else change(crop) for crop in crops]

    return changed


def _blurred(crop: Pixels) -> Pixels:
    return cv2.GaussianBlur(crop, (0, 0), crop.shape[0] * _BLUR_SHARE).view(np.uint8)


def _through_jpeg(crop: Pixels) -> Pixels:
    _, content = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)


def _median(crop: Pixels) -> Pixels:
    return cv2.medianBlur(crop, 5).view(np.uint8)


def _resized_and_padded(
    crops: Sequence8, _per_second: int, random: np.random.Generator
) -> list[Pixels | None]:
    """Randomisation (Xie 2018): a random smaller size at a random place, zeros around it."""
    out: list[Pixels | None] = []
    for crop in crops:
        size_px = 0 if crop is None else crop.shape[0]
        small_px = round(size_px * random.uniform(0.86, 0.98))
        left, top = (int(place) for place in random.integers(0, size_px - small_px + 1, 2))
        if crop is None:
            out.append(None)
            continue
        padded = np.zeros_like(crop)
        small = cv2.resize(crop, (small_px, small_px), interpolation=cv2.INTER_AREA)
        padded[top : top + small_px, left : left + small_px] = small
        out.append(padded)
    return out


def _averaged(
    crops: Sequence8, per_second: int, _random: np.random.Generator
) -> list[Pixels | None]:
    """The mean of the crops of the last second, which are aligned on the face."""
    last: deque[Pixels] = deque(maxlen=max(1, per_second))
    out: list[Pixels | None] = []
    for crop in crops:
        if crop is None:
            out.append(None)
            continue
        last.append(crop)
        mean = np.mean(np.stack(last), axis=0, dtype=np.float32)
        out.append(np.rint(mean).astype(np.uint8))
    return out


def _plain(crops: Sequence8, _per_second: int, _random: np.random.Generator) -> list[Pixels | None]:
    return list(crops)


COUNTERMEASURES: Final[Mapping[str, Countermeasure]] = {
    "plain": _plain,
    "blur": _each(_blurred),
    "jpeg": _each(_through_jpeg),
    "median": _each(_median),
    "resize-and-pad": _resized_and_padded,
    "average": _averaged,
}
"""By name; "plain" changes nothing."""
