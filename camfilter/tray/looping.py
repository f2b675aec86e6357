"""A file or the demo as if it were a camera: in real time, over and over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from camfilter.app.pacing import PacedSource
from camfilter.frames import RawFrame
from camfilter.sources.base import Source, SourceInfo
from camfilter.sources.closing import ClosedOnExit

__all__ = ["LoopingSource", "as_live"]


class LoopingSource(ClosedOnExit):
    """Plays a source in real time, and again from its start after its end.

    Args:
        open_source: opens what is to be played.
        clock: reads a monotonic time in seconds.
        pause: waits some seconds.

    Raises:
        SourceError: it cannot be opened.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._open_source = open_source
        self._clock = clock
        self._pause = pause
        self._source = self._opened()
        self._info = replace(self._source.info, frame_count=None, live=True)
        self._index = 0

    @property
    def info(self) -> SourceInfo:
        """What the source says, except that it is live and has no end."""
        return self._info

    def read(self) -> RawFrame | None:
        """The next frame, when it is due; None when there is not even one.

        Raises:
            SourceError: the source cannot go on, or cannot be opened again.
        """
        frame = self._source.read()
        if frame is None:
            self._source.close()
            self._source = self._opened()
            frame = self._source.read()
            if frame is None:
                return None
        frame = RawFrame(frame.pixels, self._index, self._clock())
        self._index += 1
        return frame

    def close(self) -> None:
        """Release the source; closing twice does nothing."""
        self._source.close()

    def _opened(self) -> PacedSource:
        return PacedSource(self._open_source(), self._clock, self._pause)


def as_live(open_source: Callable[[], Source]) -> Source:
    """A source that a call can be fed from: a camera as it is, anything else played.

    Raises:
        SourceError: it cannot be opened.
    """
    source = open_source()
    if source.info.live:
        return source
    opened = [source]
    return LoopingSource(lambda: opened.pop() if opened else open_source())
