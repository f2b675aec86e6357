"""What is sent: the demo, or a clip brought to the size of a small webcam."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from camfilter.frames import Pixels, RawFrame, Size
from camfilter.sources import Source, SourceInfo, open_source
from camfilter.sources.closing import ClosedOnExit

__all__ = ["SIZE", "open_clip"]

SIZE: Final = Size(640, 360)
_RATE_HZ: Final = 30.0


def open_clip(spec: str, length_s: float) -> Source:
    """The demo at 640x360 and 30 frames a second, or a file that fits into that size.

    Args:
        spec: "demo" or a file.
        length_s: how long the demo shall be, in seconds.

    Raises:
        CamfilterError: there is no such file, or it is no video.
    """
    count = round(length_s * _RATE_HZ)
    return _Small(open_source(spec, size=SIZE, rate_hz=_RATE_HZ, frame_count=count))


class _Small(ClosedOnExit):
    """A source whose frames are shrunk to fit 640x360, with even sides."""

    def __init__(self, inner: Source) -> None:
        self._inner = inner
        info = inner.info
        shrink = min(1.0, SIZE.width / info.size.width, SIZE.height / info.size.height)
        self._size = Size(
            *(round(side * shrink) // 2 * 2 for side in (info.size.width, info.size.height))
        )
        self._info = replace(info, size=self._size)

    @property
    def info(self) -> SourceInfo:
        return self._info

    def read(self) -> RawFrame | None:
        raw = self._inner.read()
        return None if raw is None else replace(raw, pixels=self._fit(raw.pixels))

    def close(self) -> None:
        self._inner.close()

    def _fit(self, pixels: Pixels) -> Pixels:
        if Size.of(pixels) == self._size:
            return pixels
        area = (self._size.width, self._size.height)
        return np.asarray(cv2.resize(pixels, area, interpolation=cv2.INTER_AREA), np.uint8)
