"""The way of the frames, from source to sink: each one once, or the newest in time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from camfilter.errors import CameraLost
from camfilter.frames import RawFrame
from camfilter.guard import Guard, GuardState, ProtectedFrame
from camfilter.protector import Protector
from camfilter.report import RunReport
from camfilter.shape import fitted
from camfilter.sinks.base import Sink
from camfilter.sources.base import Source, frames_of

_LOST_PAUSE_S: Final = 0.02
_FAILED_PAUSE_S: Final = 1.0
_CARD_PAUSE_S: Final = 0.2
_LOOK_PAUSE_S: Final = 0.1
_TAKE_S: Final = 0.2
_JOIN_S: Final = 2.0
_USUAL_RATE_HZ: Final = 30.0
_HIGHEST_RATE_HZ: Final = 240.0

__all__ = ["LiveRun", "run_every_frame", "run_live"]


def run_every_frame(
    source: Source,
    protector: Protector,
    guard: Guard,
    sink: Sink,
    report: RunReport,
    *,
    on_frame: Callable[[RawFrame, ProtectedFrame], None] = lambda _raw, _frame: None,
    max_frames: int | None = None,
) -> None:
    """Bring each frame of a source to a sink exactly once, in order, with its timestamp.

    Time is the frames' own: a fault holds the last protected frame for half a
    second of video, however long filtering takes.

    Args:
        source: files, pictures or the demo.
        protector: filters and hands over to the guard.
        guard: says what may be shown.
        sink: where it goes.
        report: counts.
        on_frame: called with each frame, before and after.
        max_frames: stop after so many frames; None goes on to the end.
    """
    stills = source.info.stills
    for raw in frames_of(source):
        if stills:
            guard.reset("This picture could not be protected.")
        protector.take(raw)
        frame = guard.frame(raw.time_s, raw.index, raw.size)
        sink.write(frame)
        report.emitted(frame)
        on_frame(raw, frame)
        protector.catch_up()
        if raw.index + 1 == max_frames:
            return


def run_live(
    source: Source,
    protector: Protector,
    guard: Guard,
    sink: Sink,
    report: RunReport,
    stop: threading.Event,
    *,
    on_frame: Callable[[ProtectedFrame], None] = lambda _frame: None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Keep a sink fed in real time until `stop` is set or the source ends.

    Args:
        source: a webcam, or another live source.
        protector: filters and hands over to the guard.
        guard: says what may be shown.
        sink: where it goes.
        report: counts.
        stop: ends the run when set.
        on_frame: called with each frame that was written.
        clock: reads a monotonic time in seconds.
    """
    LiveRun(
        source, protector, guard, sink, report, stop, on_frame=on_frame, clock=clock
    ).run()  # fmt: skip


class LiveRun:
    """A live run in three steps, each repeated by a thread of its own until `stop` is set.

    One reads the source, one filters, and the thread that calls `run` writes. The
    newest frame wins and an old one is dropped. However long reading or filtering
    takes, and whatever comes of it, the writer goes on with what the guard lets
    out; a thread that was killed is started again.

    Args: those of `run_live`.
    """

    def __init__(
        self,
        source: Source,
        protector: Protector,
        guard: Guard,
        sink: Sink,
        report: RunReport,
        stop: threading.Event,
        *,
        on_frame: Callable[[ProtectedFrame], None] = lambda _frame: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._protector = protector
        self._guard = guard
        self._sink = sink
        self._report = report
        self._stop = stop
        self._on_frame = on_frame
        self._clock = clock
        self._size = source.info.size
        rate_hz = _sane(source.info.rate_hz)
        self._period_s = 1 / rate_hz
        guard.expect_rate(rate_hz)
        self._newest, self._ready = _Newest(), threading.Event()
        self._read_so_far = self._written_so_far = 0
        self._shown_as = guard.enabled

    def run(self) -> None:
        """Repeat the steps; returns when `stop` was set and all threads but hung ones are done."""
        threads = [self._started(step) for step in (self.read, self.protect)]
        pause_s = 1.5 * self._period_s
        try:
            while not self._stop.is_set():
                self.wait(pause_s)
                self._ready.clear()
                pause_s = self.write()
                threads = [self._alive(thread) for thread in threads]
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(timeout=_JOIN_S)

    def read(self) -> float:
        """Read one frame; how long to wait until the next attempt, in seconds."""
        try:
            raw = self._source.read()
            if raw is None:
                self._stop.set()
                return 0.0
            self._newest.put(self._in_order(raw))
        except CameraLost as error:
            self._unread(error.what)
            return _LOST_PAUSE_S
        except BaseException as error:  # noqa: BLE001 - said on the card, and asked again
            self._unread(f"{type(error).__name__} while reading the camera.")
            return _FAILED_PAUSE_S
        return 0.0

    def protect(self, timeout_s: float = _TAKE_S) -> float:
        """Bring the newest frame to the guard, if one comes in time, then do what could wait."""
        try:
            raw = self._newest.take(timeout_s)
            if raw is not None:
                self._protector.take(raw)
                self._ready.set()
                self._protector.catch_up()
        except BaseException as error:  # noqa: BLE001 - even one that would end the thread
            self._guard.fault(f"{type(error).__name__} in the filter.")
        return 0.0

    def write(self) -> float:
        """Write what may be shown; how long to wait until the next, unless a frame comes sooner."""
        self._shown_as = self._guard.enabled
        frame = self._guard.frame(self._clock(), self._written_so_far, self._size)
        self._sink.write(frame)
        self._report.emitted(frame)
        self._report.frames_dropped = self._newest.dropped
        self._written_so_far += 1
        self._on_frame(frame)
        # A card need not be repeated fast; a new picture ends the wait at once.
        idle = frame.state is GuardState.PLACEHOLDER
        return max(_CARD_PAUSE_S, self._period_s) if idle else 1.5 * self._period_s

    def wait(self, pause_s: float) -> None:
        """Wait until a frame is ready, for so many seconds at most.

        No longer than a moment once protection was switched or the run stopped: a slow source
        leaves a raw picture standing for many seconds.
        """
        while pause_s > 0 and not self._stop.is_set() and self._guard.enabled == self._shown_as:
            if self._ready.wait(min(pause_s, _LOOK_PAUSE_S)):
                return
            pause_s -= _LOOK_PAUSE_S

    def _in_order(self, raw: RawFrame) -> RawFrame:
        """The frame in the size of the run, numbered and timed here, whatever the source says."""
        pixels = raw.pixels
        if (
            not isinstance(pixels, np.ndarray)
            or pixels.dtype != np.uint8
            or pixels.ndim != 3
            or pixels.shape[2] != 3
            or not pixels.size
        ):
            raise CameraLost("The camera sent something that is no picture.")
        index = self._read_so_far
        self._read_so_far += 1
        in_size = fitted(pixels, self._size).view()
        in_size.flags.writeable = False  # the guard compares with it what the filter makes of it
        return RawFrame(in_size, index, self._clock())

    def _unread(self, reason: str) -> None:
        self._guard.fault(reason, after=self._read_so_far - 1)

    def _started(self, step: Callable[[], float]) -> _StepThread:
        thread = _StepThread(step, self._stop)
        thread.start()
        return thread

    def _alive(self, thread: _StepThread) -> _StepThread:
        """The thread, or one in its place should it have been killed."""
        if thread.is_alive() or self._stop.is_set():
            return thread
        try:
            return self._started(thread.step)
        except RuntimeError:  # no thread can be started now
            return thread


class _StepThread(threading.Thread):
    """Repeats a step until `stop` is set."""

    def __init__(self, step: Callable[[], float], stop: threading.Event) -> None:
        super().__init__(name=f"camfilter-{step.__name__}", daemon=True)
        self.step = step
        self._stopped = stop

    def run(self) -> None:
        """Repeat it, waiting as long as it says."""
        while not self._stopped.is_set():
            pause_s = self.step()
            if pause_s:
                self._stopped.wait(pause_s)


def _sane(rate_hz: float) -> float:
    """A rate that can be kept; a file may name any number."""
    if not math.isfinite(rate_hz) or rate_hz <= 0:
        return _USUAL_RATE_HZ
    return min(rate_hz, _HIGHEST_RATE_HZ)


class _Newest:
    """A place for one frame: putting another one in drops the one that nobody took."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: RawFrame | None = None
        self.dropped = 0

    def put(self, frame: RawFrame) -> None:
        with self._changed:
            self.dropped += self._frame is not None
            self._frame = frame
            self._changed.notify()

    def take(self, timeout_s: float) -> RawFrame | None:
        with self._changed:
            if self._frame is None:
                self._changed.wait(timeout_s)
            frame, self._frame = self._frame, None
            return frame
