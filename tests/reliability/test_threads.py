"""A live run in real threads: they are killed, they hang, and the run goes on."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest

from camfilter.app.controller import Controller, Parts
from camfilter.app.settings import AppSettings
from camfilter.errors import SinkError
from camfilter.filtered import Filtered
from camfilter.frames import RawFrame
from camfilter.guard import Guard, GuardState, ProtectedFrame
from camfilter.pipeline import LiveRun
from camfilter.protector import Protector
from camfilter.report import RunReport
from fakes import FakeFilter, FakeSink, FakeSource, filtered, raw_frame

WAIT_S = 30.0
KILLED = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class Live:
    """A run whose camera never ends and whose clock stands still unless it is moved."""

    def __init__(self, filter_: FakeFilter, make: Callable[..., LiveRun] = LiveRun) -> None:
        self.guard, self.report, self.stop = Guard(), RunReport(), threading.Event()
        self.now_s = 0.0
        self.raws: set[bytes] = set()
        self.written = threading.Condition()
        self.sink = FakeSink(self._note)
        frames = (self._next for _ in count())
        source = FakeSource(frames, live=True, rate_hz=200.0)
        self._index = count()
        protector = Protector(lambda: filter_, self.guard, self.report, measure_every=0)
        self.run = make(
            source, protector, self.guard, self.sink, self.report, self.stop,
            clock=lambda: self.now_s,
        )  # fmt: skip

    def _next(self) -> RawFrame:
        self.stop.wait(0.004)  # the camera's rate, not the test's luck
        raw = raw_frame(next(self._index))
        self.raws.add(raw.pixels.tobytes())
        return raw

    def _note(self, _frame: ProtectedFrame) -> None:
        with self.written:
            self.written.notify_all()

    def wait_for(self, wanted: Callable[[ProtectedFrame], bool]) -> ProtectedFrame:
        """The first such frame from now on."""
        start = len(self.sink.frames)
        found: list[ProtectedFrame] = []

        def seen() -> bool:
            found[:] = [frame for frame in self.sink.frames[start:] if wanted(frame)][:1]
            return bool(found)

        with self.written:
            assert self.written.wait_for(seen, WAIT_S)
        return found[0]


@contextmanager
def live(filter_: FakeFilter, make: Callable[..., LiveRun] = LiveRun) -> Iterator[Live]:
    it = Live(filter_, make)
    thread = threading.Thread(target=it.run.run)
    thread.start()
    try:
        yield it
    finally:
        it.stop.set()
        thread.join(WAIT_S)
        assert not thread.is_alive()
    assert not any(picture.tobytes() in it.raws for picture in it.sink.pictures)


def is_protected(frame: ProtectedFrame) -> bool:
    return frame.state is GuardState.PROTECTED


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()])
def test_an_error_that_ends_threads_does_not_end_the_filters(error: BaseException) -> None:
    with live(FakeFilter(filtered, error, error, filtered)) as it:
        it.wait_for(is_protected)
        it.wait_for(lambda frame: is_protected(frame) and it.report.frames_in > 4)


@KILLED
@pytest.mark.parametrize("name", ["read", "protect"])
def test_a_thread_that_was_killed_is_started_again(name: str) -> None:
    deaths = threading.Event()

    class Mortal(LiveRun):
        def read(self) -> float:
            return self._or_die("read", super().read)

        def protect(self, timeout_s: float = 0.2) -> float:
            return self._or_die("protect", super().protect)

        def _or_die(self, step: str, work: Callable[[], float]) -> float:
            if step == name and not deaths.is_set() and self._written_so_far > 3:
                deaths.set()
                raise SystemExit
            return work()

    with live(FakeFilter(), Mortal) as it:
        it.wait_for(is_protected)
        assert deaths.wait(WAIT_S)
        so_far = it.report.frames_in
        it.wait_for(lambda frame: is_protected(frame) and it.report.frames_in > so_far + 3)


@KILLED
def test_where_no_thread_can_be_started_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    died, refused = threading.Event(), threading.Event()

    class Mortal(LiveRun):
        def read(self) -> float:
            if not died.is_set() and self._written_so_far > 3:
                died.set()
                raise SystemExit
            return super().read()

        def _started(self, step: Callable[[], float]) -> Any:
            if died.is_set() and not refused.is_set():
                refused.set()
                raise RuntimeError("can't start new thread")
            return super()._started(step)

    with live(FakeFilter(), Mortal) as it:
        assert refused.wait(WAIT_S)
        so_far = it.report.frames_in
        it.wait_for(lambda frame: is_protected(frame) and it.report.frames_in > so_far + 3)


def test_a_filter_that_hangs_for_ever_does_not_hold_up_the_end() -> None:
    entered, never = threading.Event(), threading.Event()

    class Stuck(FakeFilter):
        def apply(self, raw: RawFrame) -> Filtered:
            entered.set()
            assert never.wait(WAIT_S)
            raise RuntimeError

    guard, report = Guard(), RunReport()
    stuck = Stuck()
    protector = Protector(lambda: stuck, guard, report)
    taking = threading.Thread(target=protector.take, args=(raw_frame(),))
    taking.start()
    assert entered.wait(WAIT_S)
    protector.close()
    assert stuck.closed == 0
    never.set()
    taking.join(WAIT_S)
    assert guard.frame(0.0, 0, raw_frame().size).state is GuardState.PLACEHOLDER


def test_while_the_sink_hangs_the_status_says_so() -> None:
    now_s = [0.0]
    holding, go_on = threading.Event(), threading.Event()

    def hang(frame: ProtectedFrame) -> None:
        if is_protected(frame) and frame.index > 2:
            holding.set()
            assert go_on.wait(WAIT_S)

    class Waved(FakeFilter):
        provider = surrogate = "fake"
        eased, frames_eased = "", 0

    indices, ended = count(), threading.Event()

    def next_frame() -> RawFrame:
        ended.wait(0.004)  # the camera's rate: one that never waits starves all other threads
        return raw_frame(next(indices))

    camera = FakeSource((next_frame for _ in count()), live=True, rate_hz=200.0)
    parts = Parts(
        open_source=lambda _: camera,
        open_sink=lambda *_: FakeSink(hang),
        build_filter=lambda _: Waved(),  # type: ignore[arg-type,return-value]
        clock=lambda: now_s[0],
    )
    controller = Controller(AppSettings(source="demo", sink="null"), parts)
    thread = threading.Thread(target=controller.run)
    thread.start()
    try:
        assert holding.wait(WAIT_S)
        assert controller.status().state == "protected"
        now_s[0] = 5.0
        status = controller.status()
        assert (status.state, status.reason) == (
            "holding",
            "The sink has taken no picture for 5 s.",
        )
        assert status.fps == 0
    finally:
        go_on.set()
        controller.stop()
        ended.set()
        thread.join(WAIT_S)
    assert not thread.is_alive()


def test_a_filter_is_let_go_of_before_the_next_is_built_and_at_the_end() -> None:
    """Two inference sessions at a time would take twice the memory."""
    built: list[weakref.ref[FakeFilter]] = []
    alive: list[int] = []

    def fail(_raw: RawFrame) -> Filtered:
        raise RuntimeError

    def build(_settings: object) -> FakeFilter:
        alive.append(sum(one() is not None for one in built))
        made = FakeFilter(fail)
        built.append(weakref.ref(made))
        return made

    def steps(*arguments: Any, **options: Any) -> None:
        run = LiveRun(*arguments, **options)
        for _ in range(12):
            run.read()
            run.protect(0)

    parts = Parts(
        open_source=lambda _: FakeSource((raw_frame(i) for i in count()), live=True),
        open_sink=lambda *_: FakeSink(),
        build_filter=build,  # type: ignore[arg-type]
        run=steps,
    )
    controller = Controller(AppSettings(source="demo", sink="null"), parts)
    gc.disable()
    try:
        controller.run()
        assert alive == [0, 0, 0]
        assert all(one() is None for one in built)
    finally:
        gc.enable()


def test_the_status_never_says_off_once_protection_is_on() -> None:
    """A raw frame that was dropped on its way to the sink was not shown."""
    raw = raw_frame()
    guard = Guard()
    guard.switch(False)
    guard.pass_raw(raw)
    controller = Controller(AppSettings(on=False))
    controller._shown = guard.frame(raw.time_s, 0, raw.size)
    assert controller.status().state == "off"
    controller.change({"on": True})
    assert (controller.status().state, controller.status().reason) == (
        "placeholder",
        "Protection is starting.",
    )


def test_a_sink_that_fails_in_any_way_is_opened_again() -> None:
    class Broken(FakeSink):
        def write(self, frame: ProtectedFrame) -> None:
            raise MemoryError

        def abort(self) -> None:
            raise RuntimeError("inside a driver")

    from camfilter.app.persistent import PersistentSink  # noqa: PLC0415

    good, now_s = FakeSink(), [0.0]

    def fail() -> FakeSink:
        raise RuntimeError("no driver")

    ways: list[Callable[[], FakeSink]] = [Broken, fail, lambda: good]

    def open_next() -> FakeSink:
        return ways.pop(0)()

    sink = PersistentSink(open_next, lambda: now_s[0])
    guard, raw = Guard(), raw_frame()
    guard.admit(raw, filtered(raw).pixels, (), 6)
    frame = guard.frame(raw.time_s, 0, raw.size)
    sink.write(frame)
    assert sink.fault == "The sink failed: MemoryError."
    now_s[0] = 0.6
    sink.write(frame)
    assert sink.fault == "The sink failed: no driver."
    now_s[0] = 2.6
    sink.write(frame)
    assert (sink.fault, len(good.frames)) == ("", 1)
    with pytest.raises(SinkError):
        PersistentSink(lambda: (_ for _ in ()).throw(SinkError("gone")))


def test_the_cameras_picture_cannot_be_written_to_in_a_live_run() -> None:
    seen: list[bool] = []

    def look(raw: RawFrame) -> Filtered:
        seen.append(raw.pixels.flags.writeable)
        return filtered(raw)

    with live(FakeFilter(look)) as it:
        it.wait_for(is_protected)
    assert not any(seen)


def test_off_shows_an_old_picture_for_two_seconds_and_then_says_why() -> None:
    guard, raw = Guard(), replace(raw_frame(), time_s=10.0)
    guard.switch(False)
    guard.pass_raw(raw)
    guard.fault("Camera 0 was unplugged.")
    assert guard.frame(12.0, 0, raw.size).state is GuardState.OFF
    card = guard.frame(12.01, 0, raw.size)
    assert (card.state, card.reason) == (GuardState.PLACEHOLDER, "Camera 0 was unplugged.")
    guard.pass_raw(replace(raw, time_s=13.0, index=1))
    shown = guard.frame(13.0, 0, raw.size)
    assert shown.state is GuardState.OFF
    assert np.array_equal(shown.pixels, raw.pixels)
    assert guard.frame(16.0, 0, raw.size).reason == "No new picture for 3.0 s."
