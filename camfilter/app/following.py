"""A source and a sink that follow the settings, and come back by themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from camfilter.app.settings import AppSettings
from camfilter.errors import CameraLost, SinkError, SourceError
from camfilter.frames import RawFrame
from camfilter.guard import ProtectedFrame
from camfilter.sinks.base import Sink
from camfilter.sinks.closing import ClosedOnExit as SinkClosedOnExit
from camfilter.sources.base import Source, SourceInfo
from camfilter.sources.closing import ClosedOnExit as SourceClosedOnExit

__all__ = ["FollowingSource", "PersistentSink"]

_IDLE_S: Final = 0.25
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 5.0


class FollowingSource(SourceClosedOnExit):
    """The camera that the settings name, open only while somebody watches.

    Args:
        settings: reads the settings that apply now.
        open_source: opens the camera that they name.
        watched: True while somebody watches, or while nobody can know.
        pause: waits some seconds.

    Raises:
        SourceError: the first camera cannot be opened.
    """

    def __init__(
        self,
        settings: Callable[[], AppSettings],
        open_source: Callable[[AppSettings], Source],
        watched: Callable[[], bool] = lambda: True,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._open_source = open_source
        self._watched = watched
        self._pause = pause
        self._pause_s = _FIRST_PAUSE_S
        self._opened_as = _camera_of(settings())
        self._source: Source | None = open_source(settings())
        self._info = self._source.info
        self._index = 0

    @property
    def info(self) -> SourceInfo:
        """What the first camera said; later ones are fitted to its size."""
        return self._info

    @property
    def is_open(self) -> bool:
        """True while the webcam is in use."""
        return self._source is not None

    def read(self) -> RawFrame | None:
        """The next frame of the camera that the settings name now.

        Raises:
            CameraLost: there is none now; the reason is for the person to read.
        """
        settings = self._settings()
        if settings.on_demand and not self._watched():
            self.close()
            self._pause(_IDLE_S)
            raise CameraLost("Nobody is watching, so the camera is off.")
        if self._opened_as != _camera_of(settings):
            self.close()
        if self._source is None:
            self._source = self._reopened(settings)
        frame = self._source.read()
        if frame is None:
            return None
        frame = RawFrame(frame.pixels, self._index, frame.time_s)
        self._index += 1
        return frame

    def close(self) -> None:
        """Release the camera; reading opens it again."""
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _reopened(self, settings: AppSettings) -> Source:
        self._opened_as = _camera_of(settings)
        try:
            source = self._open_source(settings)
        except SourceError as error:
            self._pause(self._pause_s)
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            raise CameraLost(error.what, error.hint) from error
        self._pause_s = _FIRST_PAUSE_S
        return source


class PersistentSink(SinkClosedOnExit):
    """A sink that is opened again after it failed, so that a driver's hiccup is no end.

    Args:
        open_sink: opens it.
        clock: reads a monotonic time in seconds.

    Raises:
        SinkError: it cannot be opened the first time.
    """

    def __init__(
        self, open_sink: Callable[[], Sink], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._open_sink = open_sink
        self._clock = clock
        self._sink: Sink | None = open_sink()
        self._name = self._sink.name
        self._pause_s = _FIRST_PAUSE_S
        self._again_at_s = 0.0
        self.fault = ""

    @property
    def name(self) -> str:
        """What a person would call it."""
        return self._name

    def write(self, frame: ProtectedFrame) -> None:
        """Write a frame, or drop it while the sink is away; `fault` says why."""
        if self._sink is None and not self._opened_again():
            return
        assert self._sink is not None
        try:
            self._sink.write(frame)
        except SinkError as error:
            self._lose(error)
            return
        self._pause_s, self.fault = _FIRST_PAUSE_S, ""

    def close(self) -> None:
        """Finish and release; closing twice does nothing."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()

    def abort(self) -> None:
        """Release and leave nothing half-written behind."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.abort()

    def _opened_again(self) -> bool:
        if self._clock() < self._again_at_s:
            return False
        try:
            self._sink = self._open_sink()
        except SinkError as error:
            self._lose(error)
            return False
        return True

    def _lose(self, error: SinkError) -> None:
        self.fault = error.what
        self.abort()
        self._again_at_s = self._clock() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)


def _camera_of(settings: AppSettings) -> tuple[object, ...]:
    return settings.source, settings.width_px, settings.height_px, settings.rate_hz
