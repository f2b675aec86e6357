"""A sink that comes back by itself, and lets no raw frame through once protection is on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from camfilter.atomic import one_line
from camfilter.errors import SinkError, UnguardedFrame
from camfilter.guard import GuardState, ProtectedFrame
from camfilter.sinks.base import Sink
from camfilter.sinks.closing import ClosedOnExit
from camfilter.sinks.preview import PreviewClosed

__all__ = ["PersistentSink"]

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 1.5
"""Short enough that a picture is back within two seconds of whatever was in its way."""
_SETTLE_S: Final = 1.0


class PersistentSink(ClosedOnExit):
    """A sink that is opened again after it failed, so that a driver's hiccup is no end.

    Args:
        open_sink: opens it.
        clock: reads a monotonic time in seconds.
        reopens: False for files, where opening again would write over what is there.
        protected: True while protection is on; then frames that are raw are dropped.

    Attributes:
        fault: why the sink is away; empty when it works.

    Raises:
        SinkError: it cannot be opened the first time.
    """

    def __init__(
        self,
        open_sink: Callable[[], Sink],
        clock: Callable[[], float] = time.monotonic,
        *,
        reopens: bool = True,
        protected: Callable[[], bool] = lambda: True,
    ) -> None:
        self._open_sink = open_sink
        self._clock = clock
        self._reopens = reopens
        self._protected = protected
        self._writing = threading.RLock()
        self._sink: Sink | None = open_sink()
        self._name = self._sink.name
        self._device = str(getattr(self._sink, "device", ""))
        self._pause_s = _FIRST_PAUSE_S
        self._again_at_s = 0.0
        self.fault = ""

    @property
    def name(self) -> str:
        """What a person would call it."""
        return self._name

    @property
    def device(self) -> str:
        """The virtual camera's device; empty for other sinks."""
        return self._device

    def write(self, frame: ProtectedFrame) -> None:
        """Write a frame, or drop it while the sink is away; `fault` says why.

        Raises:
            SinkError: it failed and is none that is opened again.
        """
        with self._writing:
            if frame.state is GuardState.OFF and self._protected():
                return  # made before protection was switched on
            self._write(frame)

    def settle(self) -> None:
        """Wait until no frame that was made before this call is being written; a second at most."""
        if self._writing.acquire(timeout=_SETTLE_S):
            self._writing.release()

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

    def _write(self, frame: ProtectedFrame) -> None:
        sink = self._sink or self._opened_again()
        if sink is None:
            return
        try:
            sink.write(frame)
        except (PreviewClosed, UnguardedFrame):
            raise
        except Exception as error:
            if not self._reopens:
                raise
            self._lose(error)
            return
        self._pause_s, self.fault = _FIRST_PAUSE_S, ""

    def _opened_again(self) -> Sink | None:
        if self._clock() < self._again_at_s:
            return None
        try:
            self._sink = self._open_sink()
        except Exception as error:  # noqa: BLE001 - a driver may fail in any way; try again
            self._lose(error)
            return None
        self._name = self._sink.name
        self._device = str(getattr(self._sink, "device", ""))
        return self._sink

    def _lose(self, error: Exception) -> None:
        self.fault = error.what if isinstance(error, SinkError) else _told(error)
        self._again_at_s = self._clock() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        with suppress(Exception):  # it is away already, and that is what `fault` says
            self.abort()


def _told(error: Exception) -> str:
    return f"The sink failed: {one_line(error)}."
