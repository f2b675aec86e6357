"""The steps of a live run taken by hand: what each does, and how long it waits."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from camfilter.errors import CameraLost
from camfilter.filtered import Filtered
from camfilter.frames import RawFrame, Size
from camfilter.guard import Guard, GuardState, ProtectedFrame
from camfilter.pipeline import LiveRun, _Newest, _StepThread
from camfilter.protector import Protector
from camfilter.report import RunReport
from camfilter.shape import fitted as in_size
from fakes import FakeFilter, FakeSink, FakeSource, filtered, raw_frame


class Steps:
    """A live run whose steps a test takes, on a clock that it moves."""

    def __init__(
        self, frames: Iterable[Any], filter_: FakeFilter | None = None, rate_hz: float = 20.0
    ) -> None:
        self.now_s = 50.0
        self.guard, self.report, self.stop = Guard(), RunReport(), threading.Event()
        self.sink, self.filter = FakeSink(), filter_ or FakeFilter()
        self.written: list[ProtectedFrame] = []
        protector = Protector(lambda: self.filter, self.guard, self.report, measure_every=0)
        self.run = LiveRun(
            FakeSource(frames, live=True, rate_hz=rate_hz), protector, self.guard, self.sink,
            self.report, self.stop, on_frame=self.written.append, clock=lambda: self.now_s,
        )  # fmt: skip

    def shown(self) -> ProtectedFrame:
        self.run.write()
        return self.sink.frames[-1]


def test_a_frame_is_read_filtered_and_written_with_the_time_of_the_run() -> None:
    steps = Steps([replace(raw_frame(7), time_s=1e9), raw_frame(3)])
    assert steps.run.read() == 0.0
    steps.now_s = 50.125
    assert steps.run.protect(0) == 0.0
    frame = steps.shown()
    assert (frame.state, frame.index, frame.time_s) == (GuardState.PROTECTED, 0, 50.125)
    assert np.array_equal(frame.pixels, filtered(raw_frame(7)).pixels)
    steps.run.read()
    steps.run.protect(0)
    assert steps.shown().index == 1
    assert steps.filter.seen == [0, 1]
    assert steps.written == steps.sink.frames
    assert steps.report.frames_out == 2


def test_a_frame_that_nobody_took_is_dropped_and_counted() -> None:
    steps = Steps([raw_frame(index) for index in range(3)])
    for _ in range(3):
        steps.run.read()
    steps.run.protect(0)
    steps.shown()
    assert steps.filter.seen == [2]
    assert steps.report.frames_dropped == 2
    steps.run.protect(0)  # there is none
    assert steps.report.frames_in == 1


def test_how_long_it_waits_after_each_step() -> None:
    steps = Steps([CameraLost("Gone."), ZeroDivisionError(), raw_frame(0), None])
    assert steps.run.write() == 0.2  # a card
    assert steps.run.read() == pytest.approx(0.02)
    assert steps.run.read() == 1.0
    assert steps.run.read() == 0.0
    steps.run.protect(0)
    assert steps.run.write() == pytest.approx(1.5 / 20)
    assert not steps.stop.is_set()
    assert steps.run.read() == 0.0
    assert steps.stop.is_set()


def test_a_card_of_a_slow_camera_comes_as_slowly() -> None:
    assert Steps([], rate_hz=2.0).run.write() == 0.5


@pytest.mark.parametrize(
    ("said_hz", "kept_hz"),
    [(25, 25), (240, 240), (1000, 240), (0, 30), (-5, 30), (float("nan"), 30), (float("inf"), 30)],
)
def test_a_rate_that_cannot_be_is_another(said_hz: float, kept_hz: float) -> None:
    steps = Steps([raw_frame(0)], rate_hz=said_hz)
    steps.run.read()
    steps.run.protect(0)
    assert steps.run.write() == pytest.approx(1.5 / kept_hz)


def test_the_picture_of_a_slow_camera_is_current_until_the_next_is_due() -> None:
    steps = Steps([raw_frame(0)], rate_hz=5.0)
    steps.run.read()
    steps.run.protect(0)
    steps.now_s += 0.375
    assert steps.shown().state is GuardState.PROTECTED


def test_a_picture_of_another_shape_is_fitted_to_the_middle() -> None:
    white = np.full((12, 32, 3), 255, np.uint8)
    fitted = in_size(white, Size(32, 24))
    rows = np.flatnonzero(fitted[:, :, 0].max(axis=1))
    assert (rows[0], rows[-1]) == (6, 17)
    columns = np.flatnonzero(in_size(white.transpose(1, 0, 2), Size(32, 24))[:, :, 0].max(axis=0))
    assert (columns[0], columns[-1]) == (11, 19)


@pytest.mark.parametrize("error", [CameraLost("Gone."), OSError("no such device")])
def test_what_was_lost_is_healed_by_a_later_frame_only(error: Exception) -> None:
    steps = Steps([raw_frame(0), raw_frame(1), error, raw_frame(2)])
    steps.run.read()
    steps.run.protect(0)
    steps.run.read()
    steps.run.read()
    assert steps.shown().state is GuardState.HOLDING
    steps.run.protect(0)  # the frame from before
    assert steps.shown().state is GuardState.HOLDING
    steps.run.read()
    steps.run.protect(0)
    assert steps.shown().state is GuardState.PROTECTED


WRONG = {
    "nothing": None,
    "a list": [[1, 2, 3]],
    "float": np.zeros((24, 32, 3)),
    "gray": np.zeros((24, 32), np.uint8),
    "a fourth channel": np.zeros((24, 32, 4), np.uint8),
    "four dimensions": np.zeros((1, 24, 32, 3), np.uint8),
    "no pixel": np.zeros((0, 32, 3), np.uint8),
}


@pytest.mark.parametrize("pixels", WRONG.values(), ids=WRONG)
def test_what_is_no_picture_is_told_and_never_filtered(pixels: Any) -> None:
    steps = Steps([RawFrame(pixels, 0, 0.0), raw_frame(0)])
    assert steps.run.read() == pytest.approx(0.02)
    assert steps.shown().reason == "The camera sent something that is no picture."
    steps.run.protect(0)
    assert steps.filter.seen == []
    steps.run.read()
    steps.run.protect(0)
    assert steps.filter.seen == [0]
    assert steps.shown().state is GuardState.PROTECTED


def test_an_error_that_would_end_the_thread_is_told() -> None:
    steps = Steps([raw_frame(0)], FakeFilter(SystemExit(1)))
    steps.run.read()
    assert steps.run.protect(0) == 0.0
    assert steps.shown().reason == "SystemExit in the filter."


def test_another_size_is_fitted_and_cannot_be_written_to() -> None:
    seen: list[RawFrame] = []

    def keep(raw: RawFrame) -> Filtered:
        seen.append(raw)
        return filtered(raw)

    steps = Steps([raw_frame(0, size=Size(64, 24)), raw_frame(1)], FakeFilter(keep))
    for _ in range(2):
        steps.run.read()
        steps.run.protect(0)
    assert [raw.size for raw in seen] == [Size(32, 24)] * 2
    assert not any(raw.pixels.flags.writeable for raw in seen)


# Threads.


class Recorded(threading.Event):
    """An event that no one waits for: it notes for how long they would have."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.calls.append(timeout)
        return True

    def clear(self) -> None:
        self.calls.append("clear")
        super().clear()


def test_the_writer_waits_for_a_frame_each_time() -> None:
    def hold() -> None:
        assert steps.stop.wait(30)

    steps, written = Steps([hold]), 0
    ready = steps.run._ready = Recorded()
    write = steps.run.write

    def three() -> float:
        nonlocal written
        written += 1
        if written == 3:
            steps.stop.set()
        return write()

    steps.run.write = three  # type: ignore[method-assign]
    steps.run.run()
    assert ready.calls == [pytest.approx(1.5 / 20), "clear", 0.1, "clear", 0.1, "clear"]


def test_a_new_picture_ends_the_writers_wait() -> None:
    steps = Steps([raw_frame(0)])
    steps.run.protect(0)
    assert not steps.run._ready.is_set()
    steps.run.read()
    steps.run.protect(0)
    assert steps.run._ready.is_set()


def test_a_step_is_repeated_after_as_long_as_it_said() -> None:
    stop, answers = Recorded(), [0.5, 0.0, 0.25]

    def step() -> float:
        answer = answers.pop(0)
        if not answers:
            stop.set()
        return answer

    thread = _StepThread(step, stop)
    assert thread.daemon  # one that hangs does not keep the program
    thread.start()
    thread.join(30)
    assert answers == []
    assert stop.calls == [0.5, 0.25]


def test_the_filter_waits_for_a_frame_for_a_while() -> None:
    newest, frame = _Newest(), raw_frame(0)

    class Coming(threading.Condition):
        waited: list[float | None] = []  # noqa: RUF012 - one condition, one list

        def wait(self, timeout: float | None = None) -> bool:
            self.waited.append(timeout)
            newest._frame = frame
            return True

    newest._changed = Coming()
    assert newest.take(7.0) is frame
    assert Coming.waited == [7.0]
    assert newest.dropped == 0
    newest.put(frame)
    assert newest.take(7.0) is frame
    assert Coming.waited == [7.0]
