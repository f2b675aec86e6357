"""The way of the frames, from source to sink: each one once, or the newest in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from camfilter.errors import CameraLost
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.guard import Guard, GuardState, ProtectedFrame
from camfilter.protector import Protector
from camfilter.report import RunReport
from camfilter.sinks.base import Sink
from camfilter.sources.base import Source, frames_of

_LOST_PAUSE_S: Final = 0.02
_CARD_PAUSE_S: Final = 0.2

__all__ = ["fit", "run_every_frame", "run_live"]


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

    Three threads: one reads the source, one filters, and this one writes. The
    newest frame wins and an old one is dropped. However long reading or
    filtering takes, this thread goes on writing what the guard lets out.

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
    size, period_s = source.info.size, 1 / source.info.rate_hz
    guard.expect_rate(source.info.rate_hz)
    newest, ready = _Newest(), threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                raw = source.read()
            except CameraLost as error:
                guard.fault(error.what)
                stop.wait(_LOST_PAUSE_S)
                continue
            except Exception as error:  # noqa: BLE001 - said on the card, and asked again
                guard.fault(f"{type(error).__name__} while reading the camera.")
                stop.wait(1.0)
                continue
            if raw is None:
                stop.set()
                return
            newest.put(replace(raw, pixels=fit(raw.pixels, size), time_s=clock()))

    def protect() -> None:
        while not stop.is_set():
            raw = newest.take(timeout_s=0.2)
            if raw is not None:
                protector.take(raw)
                ready.set()

    threads = [
        threading.Thread(target=target, name=f"camfilter-{target.__name__}", daemon=True)
        for target in (read, protect)
    ]
    for thread in threads:
        thread.start()
    index, pause_s = 0, 1.5 * period_s
    try:
        while not stop.is_set():
            ready.wait(pause_s)
            ready.clear()
            frame = guard.frame(clock(), index, size)
            sink.write(frame)
            report.emitted(frame)
            report.frames_dropped = newest.dropped
            index += 1
            # A card need not be repeated fast; a new picture ends the wait at once.
            idle = frame.state is GuardState.PLACEHOLDER
            pause_s = max(_CARD_PAUSE_S, period_s) if idle else 1.5 * period_s
            on_frame(frame)
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=2.0)


def fit(pixels: Pixels, size: Size) -> Pixels:
    """A picture of another size, shrunk or enlarged to fit, with black bars; else itself."""
    if Size.of(pixels) == size:
        return pixels
    scale = min(size.width / pixels.shape[1], size.height / pixels.shape[0])
    width, height = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    fitted = np.zeros((size.height, size.width, 3), np.uint8)
    left, top = (size.width - width) // 2, (size.height - height) // 2
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(pixels, (width, height), interpolation=interpolation)
    fitted[top : top + height, left : left + width] = resized
    return fitted


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
