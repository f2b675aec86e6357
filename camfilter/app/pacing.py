"""A file that is shown as if it were a camera: each frame when its time has come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from camfilter.frames import RawFrame
from camfilter.sources.base import Source, SourceInfo
from camfilter.sources.closing import ClosedOnExit

__all__ = ["PacedSource"]

_LATE_S: Final = 1.0


class PacedSource(ClosedOnExit):
    """Hands out the frames of a source in real time.

    A reader that comes more than a second late shifts the rest, so that
    nothing is rushed through afterwards.

    Args:
        source: file, pictures or demo; closed with this one.
        clock: reads a monotonic time in seconds.
        pause: waits some seconds.
    """

    def __init__(
        self,
        source: Source,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._clock = clock
        self._pause = pause
        self._start_s: float | None = None

    @property
    def info(self) -> SourceInfo:
        """What the source says about itself, but live."""
        return replace(self._source.info, live=True)

    def read(self) -> RawFrame | None:
        """The next frame, when its time has come; None a frame's length after the last one.

        Raises:
            SourceError: the source cannot go on.
        """
        frame = self._source.read()
        if frame is None:
            self._pause(1 / self._source.info.rate_hz)
            return None
        now_s = self._clock()
        if self._start_s is None:
            self._start_s = now_s - frame.time_s
        wait_s = self._start_s + frame.time_s - now_s
        if wait_s > 0:
            self._pause(wait_s)
        elif wait_s < -_LATE_S:
            self._start_s -= wait_s
        return frame

    def close(self) -> None:
        """Release the source; closing twice does nothing."""
        self._source.close()
