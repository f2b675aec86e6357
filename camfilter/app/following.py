"""A source that follows the settings, and comes back by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from camfilter.app.settings import AppSettings
from camfilter.errors import CameraLost, SourceError
from camfilter.frames import RawFrame
from camfilter.sources.base import Source, SourceInfo
from camfilter.sources.closing import ClosedOnExit

__all__ = ["FollowingSource"]

_IDLE_S: Final = 0.25
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 1.5
"""Short enough that a picture is back within two seconds of whatever was in its way."""


class FollowingSource(ClosedOnExit):
    """The camera that the settings name, open only while somebody watches.

    Args:
        settings: reads the settings that apply now.
        open_source: opens the camera that they name.
        watched: True while somebody watches, or while nobody can know.
        pause: waits some seconds, or until the settings change.

    Raises:
        SourceError: the first camera cannot be opened.
    """

    def __init__(
        self,
        settings: Callable[[], AppSettings],
        open_source: Callable[[AppSettings], Source],
        watched: Callable[[], bool] = lambda: True,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._settings = settings
        self._open_source = open_source
        self._watched = watched
        self._pause = pause
        self._pause_s = _FIRST_PAUSE_S
        self._lock = threading.Lock()
        self._closed = False
        first = settings()
        self._first = self._opened_as = _camera_of(first)
        self._source: Source | None = open_source(first)
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
        """The next frame of the camera that the settings name now; None after the first one's end.

        Raises:
            CameraLost: there is none now; the reason is for the person to read.
        """
        settings = self._settings()
        if settings.on_demand and not settings.preview and not self._watched():
            self._release()
            self._pause(_IDLE_S)
            raise CameraLost("Nobody is watching, so the camera is off.")
        if self._opened_as != _camera_of(settings):
            self._release()
        source = self._source or self._reopened(settings)
        try:
            frame = source.read()
        except CameraLost:
            raise
        except SourceError as error:
            raise CameraLost(error.what, error.hint) from error
        except Exception:
            self._release()  # whatever it is, it may not be of use any more
            raise
        if frame is None:
            self._refuse_to_end()
            return None
        frame = RawFrame(frame.pixels, self._index, frame.time_s)
        self._index += 1
        return frame

    def close(self) -> None:
        """Release the camera for good, even one that is being opened at this moment."""
        with self._lock:
            self._closed = True
        self._release()

    def _release(self) -> None:
        with self._lock:
            source, self._source = self._source, None
        if source is not None:
            with suppress(Exception):  # one that cannot even be closed is dropped
                source.close()

    def _refuse_to_end(self) -> None:
        """A file that was there from the start ends the run; one chosen later leaves a card."""
        if self._closed or self._opened_as == self._first:
            return
        self._pause(_IDLE_S)
        raise CameraLost(f"{self._opened_as[0]} is over.", "Choose another source.")

    def _reopened(self, settings: AppSettings) -> Source:
        camera = _camera_of(settings)
        if camera != self._opened_as:
            self._opened_as, self._pause_s = camera, _FIRST_PAUSE_S
        try:
            source = self._open_source(settings)
        except SourceError as error:
            self._pause(self._pause_s)
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            raise CameraLost(error.what, error.hint) from error
        self._pause_s = _FIRST_PAUSE_S
        with self._lock:
            if not self._closed:
                self._source = source
                return source
        source.close()
        raise CameraLost("The run has ended.")


def _camera_of(settings: AppSettings) -> tuple[object, ...]:
    return settings.source, settings.width_px, settings.height_px, settings.rate_hz
