from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camfilter.chain import Chain
from camfilter.errors import CameraLost, SinkError, UnreadableSource
from camfilter.faces.base import Face
from camfilter.filter import FaceFilter
from camfilter.filtered import Filtered
from camfilter.frames import RawFrame, Size
from camfilter.guard import Guard, GuardState, ProtectedFrame, check
from camfilter.pipeline import run_every_frame, run_live
from camfilter.protector import Protector
from camfilter.report import RunReport
from camfilter.settings import ChainSettings
from camfilter.shape import fitted as in_size
from fakes import (
    FakeFaces,
    FakeFilter,
    FakeSink,
    FakeSource,
    LinearSurrogate,
    face_at,
    filtered,
    noise,
    raw_frame,
)

TIMEOUT_S = 20


def frames(count: int, rate_hz: float = 32.0) -> list[RawFrame]:
    """Frames whose times are exact in binary."""
    return [raw_frame(i, time_s=i / rate_hz) for i in range(count)]


def run(
    source: FakeSource, filter_: FakeFilter, sink: FakeSink, max_frames: int | None = None
) -> RunReport:
    guard, report = Guard(fresh_s=0.25, hold_s=0.5), RunReport()
    protector = Protector(lambda: filter_, guard, report, rebuild_after=1000)
    run_every_frame(source, protector, guard, sink, report, max_frames=max_frames)
    return report


# Each frame once.


def test_each_frame_comes_out_once_in_order_with_its_time() -> None:
    raws, sink = frames(40), FakeSink()
    report = run(FakeSource(raws), FakeFilter(), sink)
    assert [frame.index for frame in sink.frames] == list(range(40))
    assert [frame.time_s for frame in sink.frames] == [raw.time_s for raw in raws]
    assert sink.states == ["protected"] * 40
    for raw, picture in zip(raws, sink.pictures, strict=True):
        assert np.array_equal(picture, filtered(raw).pixels)
    assert (report.frames_in, report.frames_out) == (40, 40)


def test_a_fault_is_held_for_half_a_second_of_the_video_then_hidden_then_heals() -> None:
    raws, sink = frames(40), FakeSink()
    script = [filtered] * 4 + [RuntimeError()] * 30 + [filtered]
    report = run(FakeSource(raws), FakeFilter(*script), sink)
    assert sink.states == (
        ["protected"] * 4 + ["holding"] * 16 + ["placeholder"] * 14 + ["protected"] * 6
    )
    for raw, picture in zip(raws, sink.pictures, strict=True):
        assert not np.array_equal(picture, raw.pixels)
    for picture in sink.pictures[4:20]:
        assert np.array_equal(picture, sink.pictures[3])
    assert {frame.reason for frame in sink.frames[4:34]} == {"RuntimeError in the filter."}
    assert [frame.index for frame in sink.frames] == list(range(40))
    assert dict(report.faults) == {"RuntimeError in the filter.": 30}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["good", "raise", "raw", "bare", "over"]), max_size=40))
def test_no_mixture_of_faults_lets_a_raw_picture_out(script: list[str]) -> None:
    acts = {
        "good": filtered,
        "raise": ValueError(),
        "raw": lambda raw: filtered(raw, 0),
        "bare": lambda raw: filtered(raw, 0, [face_at(16, 12, 10)]),
        "over": lambda raw: filtered(raw, 9),
    }
    acts["raw"] = lambda raw: Filtered(raw.pixels, (), 6, filtered(raw).times)
    raws, sink = frames(len(script)), FakeSink()
    run(FakeSource(raws), FakeFilter(*[acts[name] for name in script]), sink)
    assert len(sink.frames) == len(raws)
    for name, raw, frame, picture in zip(script, raws, sink.frames, sink.pictures, strict=True):
        assert not any(np.array_equal(picture, other.pixels) for other in raws)
        assert (frame.state is GuardState.PROTECTED) is (name == "good")
        assert frame.index == raw.index


def test_a_still_that_failed_is_a_card_and_never_another_picture() -> None:
    raws, sink = [raw_frame(i, time_s=0.0) for i in range(4)], FakeSink()
    script = [filtered, ValueError(), lambda raw: filtered(raw, 99), filtered]
    run(FakeSource(raws, stills=True), FakeFilter(*script), sink)
    assert sink.states == ["protected", "placeholder", "placeholder", "protected"]
    for picture in sink.pictures[1:3]:
        assert not np.array_equal(picture, sink.pictures[0])
    assert sink.frames[1].reason == "ValueError in the filter."


def test_a_still_that_is_the_protected_one_before_its_raw_picture_is_protected() -> None:
    raw, sink = raw_frame(1, time_s=0.0), FakeSink()
    its_protected = RawFrame(filtered(raw).pixels, 0, 0.0)
    with_face = FakeFilter(lambda raw: filtered(raw, faces=[face_at(16, 12, 16)]))
    run(FakeSource([its_protected, raw], stills=True), with_face, sink)
    assert sink.states == ["protected", "protected"]
    assert np.array_equal(sink.pictures[1], its_protected.pixels)


def test_cards_have_the_size_of_their_pictures() -> None:
    sizes = [Size(32, 24), Size(8, 60), Size(1, 1)]
    raws = [raw_frame(i, float(i), size) for i, size in enumerate(sizes)]
    sink = FakeSink()
    run(FakeSource(raws, stills=True), FakeFilter(ValueError()), sink)
    assert [frame.size for frame in sink.frames] == sizes


def test_it_stops_after_so_many_frames_and_reads_no_further() -> None:
    damaged = UnreadableSource("The rest is damaged.")
    sink, only = FakeSink(), FakeFilter()
    report = run(FakeSource([*frames(3), damaged]), only, sink, max_frames=3)
    assert only.seen == [0, 1, 2]
    assert (report.frames_in, report.frames_out) == (3, 3)
    with pytest.raises(UnreadableSource):
        run(FakeSource([*frames(3), damaged]), FakeFilter(), FakeSink(), max_frames=4)


def test_a_short_source_ends_before_the_limit() -> None:
    assert run(FakeSource(frames(2)), FakeFilter(), FakeSink(), max_frames=9).frames_out == 2
    assert run(FakeSource([]), FakeFilter(), FakeSink()).frames_out == 0


def test_off_brings_each_raw_frame() -> None:
    raws, sink, only = frames(3), FakeSink(), FakeFilter()
    guard, report = Guard(), RunReport()
    guard.switch(False)
    run_every_frame(FakeSource(raws), Protector(lambda: only, guard, report), guard, sink, report)
    assert sink.states == ["off"] * 3
    assert only.seen == []
    for raw, picture in zip(raws, sink.pictures, strict=True):
        assert np.array_equal(picture, raw.pixels)


def test_before_and_after_are_handed_on_together() -> None:
    guard, report, pairs = Guard(), RunReport(), []
    run_every_frame(
        FakeSource(frames(3)),
        Protector(FakeFilter, guard, report),
        guard,
        FakeSink(),
        report,
        on_frame=lambda raw, frame: pairs.append((raw.index, frame.index, frame.state)),
    )
    assert pairs == [(i, i, GuardState.PROTECTED) for i in range(3)]


# In real time.


class LiveSource(FakeSource):
    """A camera that hands out what the test gives it, when the test gives it."""

    def __init__(self, rate_hz: float) -> None:
        super().__init__([], live=True, rate_hz=rate_hz)
        self._changed = threading.Condition()
        self._queue: deque[RawFrame | Exception | None] = deque()
        self._waiting = False

    def read(self) -> RawFrame | None:
        with self._changed:
            self._waiting = not self._queue
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._queue, TIMEOUT_S)
            item = self._queue.popleft()
        if isinstance(item, Exception):
            raise item
        return item

    def give(self, *items: RawFrame | Exception | None) -> None:
        """Hand these out; return when the last one was taken and the next is asked for."""
        for item in items:
            with self._changed:
                self._queue.append(item)
                self._waiting = False
                self._changed.notify_all()
                if item is not None:
                    assert self._changed.wait_for(lambda: self._waiting, TIMEOUT_S)


class Scene:
    """A live run in a thread of its own, with a clock that the test moves."""

    def __init__(self, filter_: FakeFilter, rate_hz: float = 200.0) -> None:
        self.source, self.guard, self.report = LiveSource(rate_hz), Guard(), RunReport()
        self.now_s = 0.0
        self.stop = threading.Event()
        self.raws: list[RawFrame] = []
        self._written = threading.Condition()
        self.sink = FakeSink(self._on_write)
        protector = Protector(lambda: filter_, self.guard, self.report, measure_every=0)
        self.thread = threading.Thread(
            target=run_live,
            args=(self.source, protector, self.guard, self.sink, self.report, self.stop),
            kwargs={"clock": lambda: self.now_s},
        )

    def _on_write(self, _: ProtectedFrame) -> None:
        with self._written:
            self._written.notify_all()

    def give(self, *indices: int, size: Size | None = None) -> None:
        for index in indices:
            self.raws.append(raw_frame(index, size=size))
            self.source.give(self.raws[-1])

    def wait_for(self, wanted: Callable[[ProtectedFrame], bool]) -> ProtectedFrame:
        """The first frame from now on that is as wanted."""
        start = len(self.sink.frames)

        def found() -> ProtectedFrame | None:
            return next((frame for frame in self.sink.frames[start:] if wanted(frame)), None)

        with self._written:
            assert self._written.wait_for(found, TIMEOUT_S)
        frame = found()
        assert frame is not None
        return frame

    def wait_for_state(self, state: GuardState) -> ProtectedFrame:
        return self.wait_for(lambda frame: frame.state is state)

    def wait_until_shown(self, state: GuardState) -> None:
        """Wait for the first frame in this state, unless it was shown already."""
        with self._written:
            assert self._written.wait_for(lambda: state.value in self.sink.states, TIMEOUT_S)

    def assert_no_raw_picture_was_shown(self) -> None:
        raws = {raw.pixels.tobytes() for raw in self.raws}
        assert raws
        assert not any(picture.tobytes() in raws for picture in self.sink.pictures)


@contextmanager
def scene(filter_: FakeFilter, rate_hz: float = 200.0) -> Iterator[Scene]:
    live = Scene(filter_, rate_hz)
    live.thread.start()
    try:
        yield live
    finally:
        live.stop.set()
        live.source.give(None)
        live.thread.join(TIMEOUT_S)
        assert not live.thread.is_alive()


class HangingFilter(FakeFilter):
    """A filter that waits in chosen frames until it is let go."""

    def __init__(self, *hang_at: int) -> None:
        super().__init__()
        self._hang_at = hang_at
        self.hangs, self.go = threading.Event(), threading.Event()

    def apply(self, raw: RawFrame) -> Filtered:
        if raw.index in self._hang_at:
            self.hangs.set()
            assert self.go.wait(TIMEOUT_S)
        return super().apply(raw)


def test_while_the_filter_hangs_the_sink_is_fed_and_then_it_heals() -> None:
    hanging = HangingFilter(1)
    with scene(hanging) as live:
        assert live.wait_for_state(GuardState.PLACEHOLDER).reason == "Protection is starting."
        live.give(0)
        shown = live.wait_for_state(GuardState.PROTECTED)
        assert np.array_equal(shown.pixels, filtered(live.raws[0]).pixels)
        live.give(1)
        assert hanging.hangs.wait(TIMEOUT_S)
        live.now_s = 0.375
        held = live.wait_for_state(GuardState.HOLDING)
        assert np.array_equal(held.pixels, shown.pixels)
        live.now_s = 0.75
        assert live.wait_for_state(GuardState.PLACEHOLDER).reason.startswith("No new picture")
        live.give(2, 3, 4)
        hanging.go.set()
        healed = live.wait_for(lambda frame: frame.state is GuardState.PROTECTED)
        assert np.array_equal(healed.pixels, filtered(live.raws[4]).pixels)
        assert np.array_equal(healed.pixels, filtered(live.raws[4]).pixels)
        live.wait_for(lambda _: live.report.frames_dropped == 2)
        assert hanging.seen == [0, 1, 4]
        live.assert_no_raw_picture_was_shown()
    assert live.report.frames_out == len(live.sink.frames)
    assert live.report.frames_in == 3


def test_a_filter_that_raises_is_held_then_hidden_then_heals() -> None:
    with scene(FakeFilter(filtered, MemoryError(), filtered)) as live:
        live.give(0)
        live.wait_for_state(GuardState.PROTECTED)
        live.give(1)
        held = live.wait_for_state(GuardState.HOLDING)
        assert held.reason == "MemoryError in the filter."
        live.now_s = 0.75
        assert live.wait_for_state(GuardState.PLACEHOLDER).reason == held.reason
        live.give(2)
        shown = live.wait_for_state(GuardState.PROTECTED)
        assert np.array_equal(shown.pixels, filtered(live.raws[2]).pixels)
        live.assert_no_raw_picture_was_shown()


def test_a_lost_camera_is_told_and_comes_back() -> None:
    with scene(FakeFilter()) as live:
        live.give(0)
        live.wait_for_state(GuardState.PROTECTED)
        live.source.give(CameraLost("Camera 0 was unplugged.", "Plug it in again."))
        held = live.wait_for_state(GuardState.HOLDING)
        assert held.reason == "Camera 0 was unplugged."
        live.now_s = 0.75
        assert live.wait_for_state(GuardState.PLACEHOLDER).reason == held.reason
        live.give(1)
        shown = live.wait_for_state(GuardState.PROTECTED)
        assert np.array_equal(shown.pixels, filtered(live.raws[1]).pixels)
        live.assert_no_raw_picture_was_shown()


def test_a_source_that_raises_anything_is_told_and_asked_again() -> None:
    with scene(FakeFilter()) as live:
        live.source.give(ZeroDivisionError("inside a driver"))
        card = live.wait_for(lambda frame: "ZeroDivisionError" in frame.reason)
        assert card.state is GuardState.PLACEHOLDER
        assert card.reason == "ZeroDivisionError while reading the camera."
        live.give(0)
        shown = live.wait_for_state(GuardState.PROTECTED)
        assert np.array_equal(shown.pixels, filtered(live.raws[0]).pixels)


def test_the_end_of_the_source_ends_the_run() -> None:
    live = Scene(FakeFilter())
    live.thread.start()
    live.give(0)
    live.wait_for_state(GuardState.PROTECTED)
    live.source.give(None)
    live.thread.join(TIMEOUT_S)
    assert not live.thread.is_alive()
    assert live.stop.is_set()


def test_a_camera_that_changes_its_size_is_fitted_to_the_first() -> None:
    with scene(FakeFilter()) as live:
        live.give(0, size=Size(64, 24))
        shown = live.wait_for_state(GuardState.PROTECTED)
        assert shown.size == Size(32, 24)


def test_switching_off_and_on_in_a_live_run() -> None:
    with scene(FakeFilter()) as live:
        live.give(0)
        live.wait_for_state(GuardState.PROTECTED)
        live.guard.switch(False)
        live.give(1)
        off = live.wait_for_state(GuardState.OFF)
        assert np.array_equal(off.pixels, live.raws[1].pixels)
        live.guard.switch(True)
        switched_at = len(live.sink.frames) + 1  # one may be on its way
        live.wait_for_state(GuardState.PLACEHOLDER)
        live.give(2)
        shown = live.wait_for_state(GuardState.PROTECTED)
        assert np.array_equal(shown.pixels, filtered(live.raws[2]).pixels)
        raws = {raw.pixels.tobytes() for raw in live.raws}
        assert not any(picture.tobytes() in raws for picture in live.sink.pictures[switched_at:])


def test_a_slow_source_does_not_leave_the_raw_picture_standing_after_switching_on() -> None:
    with scene(FakeFilter(), rate_hz=0.01) as live:
        live.guard.switch(False)
        live.give(0)
        live.wait_until_shown(GuardState.OFF)
        live.guard.switch(True)
        live.wait_for_state(GuardState.PLACEHOLDER)
        live.give(1)
        live.wait_until_shown(GuardState.PROTECTED)


def test_a_sink_that_fails_ends_the_run_with_its_error() -> None:
    def fail(_: ProtectedFrame) -> None:
        raise SinkError("The disk is full.")

    guard, report, stop = Guard(), RunReport(), threading.Event()

    def lost() -> None:
        stop.wait(0.01)
        raise CameraLost("No camera.")

    source = FakeSource(iter(lambda: lost, None), live=True, rate_hz=200.0)
    protector = Protector(FakeFilter, guard, report)
    with pytest.raises(SinkError, match="full"):
        run_live(source, protector, guard, FakeSink(fail), report, stop)
    assert stop.is_set()


# Fitting.


@pytest.mark.parametrize("size", [Size(32, 24), Size(64, 48), Size(100, 10), Size(1, 1)], ids=str)
def test_a_picture_is_fitted_whole_and_centred(size: Size) -> None:
    white = np.full((24, 32, 3), 255, np.uint8)
    fitted = in_size(white, size)
    assert Size.of(fitted) == size
    assert fitted.max() == 255
    lit = fitted[:, :, 0] > 0
    scale = min(size.width / 32, size.height / 24)
    assert lit.any(axis=0).sum() == max(1, round(32 * scale))
    assert lit.any(axis=1).sum() == max(1, round(24 * scale))
    assert abs(int(lit[:, ::-1].argmax(axis=1).max()) - int(lit.argmax(axis=1).max())) <= 1


def test_a_picture_that_fits_is_itself() -> None:
    pixels = noise(32, 24)
    assert in_size(pixels, Size(32, 24)) is pixels


# The real filter between fake ends.


def face_filter(*answers: list[Face], **values: object) -> FaceFilter:
    ticks = iter(range(1000))
    return FaceFilter(
        FakeFaces(*answers),
        Chain(LinearSurrogate(48), ChainSettings.of(values)),
        clock=lambda: float(next(ticks)),
    )


def test_the_filter_changes_each_face_and_nothing_else() -> None:
    raw = RawFrame(noise(200, 160), 0, 0.0)
    faces = [face_at(50, 80, 60), face_at(150, 80, 60, 20)]
    result = face_filter(faces).apply(raw)
    assert result.faces == tuple(faces)
    assert result.budget_levels == 6
    assert 0 < check(raw, result.pixels, result.faces, 6) <= 6
    outside = np.ones((160, 200), bool)
    for face in faces:
        outside[face.box.slices()] = False
    assert np.array_equal(result.pixels[outside], raw.pixels[outside])


def test_a_frame_without_a_face_comes_back_as_it_is_but_not_as_itself() -> None:
    raw = RawFrame(noise(20, 16), 0, 0.0)
    result = face_filter([]).apply(raw)
    assert np.array_equal(result.pixels, raw.pixels)
    assert check(raw, result.pixels, result.faces, 6) == 0
    assert (result.times.chain_ms, result.times.compose_ms) == (0, 0)


def test_the_times_of_the_parts_are_measured() -> None:
    times = face_filter([face_at(100, 80, 60)]).apply(RawFrame(noise(200, 160), 0, 0.0)).times
    assert (times.detect_ms, times.chain_ms, times.compose_ms) == (1000, 1000, 1000)
    assert times.total_ms == 3000


@settings(max_examples=100, deadline=None)
@given(
    x=st.floats(-150, 450),
    y=st.floats(-150, 400),
    side_px=st.floats(24, 300),
    roll_deg=st.floats(-180, 180),
)
def test_wherever_a_face_leaves_the_frame_the_guard_is_content(
    x: float, y: float, side_px: float, roll_deg: float
) -> None:
    raw = RawFrame(noise(300, 240), 0, 0.0)
    result = face_filter([face_at(x, y, side_px, roll_deg)]).apply(raw)
    check(raw, result.pixels, result.faces, result.budget_levels)
    if 0 <= x < 300 and 0 <= y < 240:
        assert result.faces


def test_what_the_filter_measures_is_the_8_bit_picture() -> None:
    raw = RawFrame(noise(200, 160), 0, 0.0)
    works = face_filter([face_at(100, 80, 90)], epsilon="30 levels")
    result = works.apply(raw)
    (measure,) = works.measure(raw, result)
    read = measure.attacked
    assert read.fooled is (read.before.label != read.after.label)
    part = result.faces[0].box.slices()
    error = result.pixels[part].astype(float) - raw.pixels[part]
    assert measure.squared_error == pytest.approx((error**2).sum())
    assert measure.samples == error.size
    assert works.measure(raw, face_filter([]).apply(raw)) == []


def test_closing_the_filter_closes_the_finder() -> None:
    finder = FakeFaces([])
    FaceFilter(finder, Chain(LinearSurrogate(), ChainSettings())).close()
    assert finder.closed == 1
