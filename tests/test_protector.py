from __future__ import annotations

import threading
from collections import deque

import numpy as np
import pytest

from camfilter.errors import CameraLost, FilterFault, GraphRefused, SettingError
from camfilter.filtered import Filtered, PartTimes
from camfilter.frames import RawFrame, Size
from camfilter.guard import Guard, GuardState
from camfilter.meter import Change, FaceMeasure
from camfilter.protector import Protector
from camfilter.report import RunReport
from camfilter.surrogate.reading import Reading
from fakes import FakeFilter, face_at, filtered, raw_frame

SIZE = Size(32, 24)


def protector(*filters: object, **options: int) -> tuple[Protector, Guard, RunReport]:
    """A protector whose builds give these filters, one after another; exceptions are raised."""
    queue = deque(filters)

    def build() -> FakeFilter:
        built = queue.popleft() if len(queue) > 1 else queue[0]
        if isinstance(built, Exception):
            raise built
        assert isinstance(built, FakeFilter)
        return built

    guard, report = Guard(), RunReport()
    return Protector(build, guard, report, **options), guard, report


def result_of(pixels: object, *faces: object) -> Filtered:
    return Filtered(pixels, faces, 6, PartTimes(1, 1, 1))  # type: ignore[arg-type]


def shown(guard: Guard, raw: RawFrame) -> GuardState:
    frame = guard.frame(raw.time_s, raw.index, SIZE)
    assert not np.array_equal(frame.pixels, raw.pixels)
    return frame.state


def test_a_good_frame_goes_through() -> None:
    takes, guard, report = protector(FakeFilter())
    raw = raw_frame(0)
    takes.take(raw)
    frame = guard.frame(0.0, 9, SIZE)
    assert (frame.state, frame.index) == (GuardState.PROTECTED, 9)
    assert np.array_equal(frame.pixels, filtered(raw).pixels)
    assert (report.frames_in, dict(report.faults)) == (1, {})


FAULTS = {
    "ValueError in the filter.": ValueError("secret\ndetails"),
    "MemoryError in the filter.": MemoryError(),
    "RuntimeError in the filter.": RuntimeError("session is gone"),
    "KeyError in the filter.": KeyError("x"),
    "AssertionError in the filter.": AssertionError(),
    "StopIteration in the filter.": StopIteration(),
    "OSError in the filter.": OSError(5, "Input/output error"),
    "The perturbation is not finite.": FilterFault("The perturbation is not finite."),
    "The camera is gone.": CameraLost("The camera is gone.", "Plug it in."),
    "AttributeError in the filter.": lambda _raw: None,
    "The filter returned something that is not an 8-bit picture.": lambda _raw: result_of(None),
    "The filter returned (3, 3, 3) for a (24, 32, 3) frame.": lambda _raw: result_of(
        np.zeros((3, 3, 3), np.uint8)
    ),
    "The filter returned the raw frame's own memory.": lambda raw: result_of(raw.pixels),
    "A pixel moved by 7 levels; the budget is 6.": lambda raw: result_of(raw.pixels + np.uint8(7)),
    "A face came out unchanged: the perturbation is empty.": lambda raw: result_of(
        raw.pixels.copy(), face_at(16, 12, 10)
    ),
}


@pytest.mark.parametrize(("reason", "act"), FAULTS.items(), ids=FAULTS)
def test_whatever_the_filter_does_is_a_fault_and_heals(reason: str, act: object) -> None:
    takes, guard, report = protector(FakeFilter(filtered, act, act, filtered))
    raws = [raw_frame(i) for i in range(4)]
    takes.take(raws[0])
    assert shown(guard, raws[0]) is GuardState.PROTECTED
    for raw in raws[1:3]:
        takes.take(raw)
        frame = guard.frame(raw.time_s, raw.index, SIZE)
        assert (frame.state, frame.reason) == (GuardState.HOLDING, reason)
        assert np.array_equal(frame.pixels, filtered(raws[0]).pixels)
    takes.take(raws[3])
    assert shown(guard, raws[3]) is GuardState.PROTECTED
    assert report.frames_in == 4
    assert dict(report.faults) == {reason: 2}


@pytest.mark.parametrize(("reason", "act"), FAULTS.items(), ids=FAULTS)
def test_a_fault_in_the_first_frame_shows_a_card(reason: str, act: object) -> None:
    takes, guard, _ = protector(FakeFilter(act))
    raw = raw_frame(0)
    takes.take(raw)
    frame = guard.frame(0.0, 0, SIZE)
    assert (frame.state, frame.reason) == (GuardState.PLACEHOLDER, reason)
    assert not np.array_equal(frame.pixels, raw.pixels)


def test_interrupting_the_program_is_no_fault_of_the_filter() -> None:
    takes, _, report = protector(FakeFilter(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        takes.take(raw_frame(0))
    assert not report.faults


def test_after_five_faults_in_a_row_the_filter_is_built_again() -> None:
    broken, good = FakeFilter(RuntimeError()), FakeFilter()
    takes, guard, report = protector(broken, good)
    for index in range(5):
        assert broken.closed == 0
        takes.take(raw_frame(index))
    assert broken.closed == 1
    raw = raw_frame(5)
    takes.take(raw)
    assert good.seen == [5]
    assert shown(guard, raw) is GuardState.PROTECTED
    assert report.faults.total() == 5


def test_a_setting_that_protects_nothing_is_no_reason_to_build_it_again() -> None:
    refused = FakeFilter(SettingError("A change of 0.1 levels vanishes."))
    takes, guard, _ = protector(refused)
    for index in range(12):
        takes.take(raw_frame(index))
        assert shown(guard, raw_frame(index)) is GuardState.PLACEHOLDER
    assert refused.closed == 0


def test_faults_that_are_not_in_a_row_do_not_build_it_again() -> None:
    script = [RuntimeError(), RuntimeError(), filtered] * 6
    flaky = FakeFilter(*script)
    takes, _, _ = protector(flaky, FakeFilter(), rebuild_after=3)
    for index in range(len(script)):
        takes.take(raw_frame(index))
    assert flaky.closed == 0
    assert len(flaky.seen) == len(script)


def test_a_filter_that_stays_broken_is_built_again_and_again() -> None:
    broken = FakeFilter(RuntimeError())
    takes, _, report = protector(broken, rebuild_after=3)
    for index in range(12):
        takes.take(raw_frame(index))
    assert broken.closed == 4
    assert report.faults.total() == 12


def test_a_filter_that_cannot_even_be_closed_is_dropped() -> None:
    class Stuck(FakeFilter):
        def close(self) -> None:
            raise OSError("stuck")

    good = FakeFilter()
    takes, guard, _ = protector(Stuck(RuntimeError()), good, rebuild_after=1)
    takes.take(raw_frame(0))
    takes.take(raw_frame(1))
    assert shown(guard, raw_frame(1)) is GuardState.PROTECTED


def test_a_build_that_fails_at_first_heals_later() -> None:
    failing = GraphRefused("The graph is missing.", "Install again.")
    takes, guard, report = protector(failing, ImportError("no"), FakeFilter())
    raws = [raw_frame(i) for i in range(3)]
    for raw, reason in zip(
        raws, ("The graph is missing.", "ImportError in the filter."), strict=False
    ):
        takes.take(raw)
        frame = guard.frame(raw.time_s, 0, SIZE)
        assert (frame.state, frame.reason) == (GuardState.PLACEHOLDER, reason)
    takes.take(raws[2])
    assert shown(guard, raws[2]) is GuardState.PROTECTED
    assert report.faults.total() == 2


def test_prepare_says_what_is_wrong_at_once() -> None:
    takes, _, _ = protector(GraphRefused("The graph is missing."))
    with pytest.raises(GraphRefused):
        takes.prepare()


def test_prepare_builds_once() -> None:
    first, second = FakeFilter(), FakeFilter()
    takes, _, _ = protector(first, second)
    takes.prepare()
    takes.prepare()
    takes.take(raw_frame(0))
    assert (first.seen, second.seen) == ([0], [])


def test_off_passes_raw_frames_without_running_the_filter() -> None:
    only = FakeFilter()
    takes, guard, report = protector(only)
    guard.switch(False)
    raw = raw_frame(0)
    takes.take(raw)
    frame = guard.frame(0.0, 0, SIZE)
    assert frame.state is GuardState.OFF
    assert np.array_equal(frame.pixels, raw.pixels)
    guard.switch(True)
    takes.take(raw_frame(1))
    assert only.seen == [1]
    assert report.frames_in == 2


def test_closing_twice_closes_the_filter_once() -> None:
    only = FakeFilter()
    takes, _, _ = protector(only)
    takes.close()
    takes.take(raw_frame(0))
    takes.close()
    takes.close()
    assert only.closed == 1


class Metered(FakeFilter):
    def measure(self, raw: RawFrame, filtered: Filtered) -> list[FaceMeasure]:
        return [FaceMeasure(Change(Reading("fear", 1, 0), Reading("anger", 1, 0)), 3.0, 3)]


@pytest.mark.parametrize(("every", "measured"), [(1, 10), (4, 3), (0, 0)])
def test_readings_are_measured_every_so_often(every: int, measured: int) -> None:
    takes, _, report = protector(Metered(), measure_every=every)
    for index in range(10):
        takes.take(raw_frame(index))
    takes.catch_up()
    assert report.as_json(1.0)["faces_measured"] == measured


def test_a_meter_that_fails_shows_no_raw_picture() -> None:
    class Blind(FakeFilter):
        def measure(self, raw: RawFrame, filtered: Filtered) -> list[FaceMeasure]:
            raise ValueError

    takes, guard, report = protector(Blind())
    raw = raw_frame(0)
    takes.take(raw)
    takes.catch_up()
    frame = guard.frame(0.0, 0, SIZE)
    assert frame.state is GuardState.HOLDING
    assert np.array_equal(frame.pixels, filtered(raw).pixels)
    assert report.faults.total() == 1


def test_what_was_filtered_is_reported() -> None:
    takes, _, report = protector(FakeFilter(lambda raw: result_of(raw.pixels + np.uint8(3))))
    for index in range(2):
        raw = RawFrame(np.full((24, 32, 3), 9 * index, np.uint8), index, index / 30)
        takes.take(raw)
    told = report.as_json(1.0)
    assert (told["linf_levels"], told["budget_levels"]) == (3, 6)


def test_every_frame_is_measured_unless_it_is_said_otherwise() -> None:
    takes, _, report = protector(Metered())
    for index in range(3):
        takes.take(raw_frame(index))
        assert report.as_json(1.0)["faces_measured"] == index  # the newest one waits
    takes.catch_up()
    assert report.as_json(1.0)["faces_measured"] == 3


def test_what_may_wait_is_done_once_for_each_frame_and_by_the_next_at_latest() -> None:
    only = FakeFilter(filtered, filtered, RuntimeError("no"), filtered)
    takes, guard, _ = protector(only)
    done = []
    for index, asked in enumerate([True, False, True, True]):
        takes.take(raw_frame(index))
        before = only.caught_up
        if asked:
            takes.catch_up()
            takes.catch_up()
        done.append((before, only.caught_up))
    assert done == [(0, 1), (1, 1), (2, 2), (2, 3)]  # of a frame that failed there is nothing
    assert shown(guard, raw_frame(3)) is GuardState.PROTECTED


def test_a_filter_that_fails_after_each_frame_is_built_again() -> None:
    class Late(FakeFilter):
        def catch_up(self) -> None:
            raise RuntimeError

    late, good = Late(), FakeFilter()
    takes, guard, report = protector(late, good, rebuild_after=3)
    for index in range(4):
        takes.take(raw_frame(index))
        takes.catch_up()
    assert (late.seen, late.closed, good.seen) == ([0, 1, 2], 1, [3])
    assert report.faults.total() == 3
    assert shown(guard, raw_frame(3)) is GuardState.PROTECTED


def test_a_late_fault_stops_no_good_frame_and_is_forgotten() -> None:
    class Hiccuping(FakeFilter):
        def catch_up(self) -> None:
            super().catch_up()
            if self.caught_up % 2:
                raise RuntimeError

    only = Hiccuping()
    takes, guard, _ = protector(only, rebuild_after=2)
    for index in range(8):
        takes.take(raw_frame(index))
        assert shown(guard, raw_frame(index)) is GuardState.PROTECTED
        takes.catch_up()
    assert only.closed == 0


def test_nothing_is_asked_of_a_filter_that_was_closed_meanwhile() -> None:
    only = FakeFilter()
    takes, _, report = protector(only)
    takes.take(raw_frame(0))
    takes.close()
    takes.catch_up()
    assert only.caught_up == 0
    assert not report.faults


def test_an_earlier_raw_frame_is_known_again() -> None:
    raws = [raw_frame(index) for index in range(2)]
    face = face_at(16, 12, 16)
    old = Filtered(raws[0].pixels.copy(), (face,), 255, PartTimes(1, 1, 1))
    takes, _, report = protector(FakeFilter(filtered, old))
    for raw in raws:
        takes.take(raw)
    assert dict(report.faults) == {"The filter returned an earlier frame.": 1}


def test_a_filter_that_was_given_up_while_it_hung_does_not_come_back() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def hang(raw: RawFrame) -> Filtered:
        entered.set()
        assert go_on.wait(30)
        return filtered(raw)

    stuck, good = FakeFilter(hang, filtered), FakeFilter()
    takes, guard, report = protector(stuck, good)
    raws = [raw_frame(index) for index in range(2)]
    taking = threading.Thread(target=takes.take, args=(raws[0],))
    taking.start()
    assert entered.wait(30)
    takes.close()
    assert stuck.closed == 0  # nobody can end it from here
    go_on.set()
    taking.join(30)
    assert not taking.is_alive()
    assert not report.faults
    assert shown(guard, raws[0]) is GuardState.PROTECTED
    takes.take(raws[1])
    assert (stuck.seen, good.seen) == ([0], [1])
    takes.close()
    assert good.closed == 1


@pytest.mark.parametrize(("many", "kept"), [(99, 99), (150, 101)])
def test_reasons_without_end_are_counted_together(many: int, kept: int) -> None:
    errors = [FilterFault(f"Fault {number}.") for number in range(many)]
    takes, _, report = protector(FakeFilter(*errors), rebuild_after=1000)
    for index in range(many):
        takes.take(raw_frame(index))
    assert len(report.faults) == kept
    assert report.faults.total() == many
    assert report.faults["Other faults."] == max(0, many - 100)


def test_the_settings_in_force_limit_the_change_whatever_the_filter_says() -> None:
    levels = [2]
    guard, report = Guard(), RunReport()
    takes = Protector(
        lambda: FakeFilter(lambda raw: filtered(raw, 3)), guard, report,
        budget_levels=lambda: levels[0],
    )  # fmt: skip
    takes.take(raw_frame(0))
    assert dict(report.faults) == {"A pixel moved by 3 levels; the budget is 2.": 1}
    levels[0] = 3
    takes.take(raw_frame(1))
    assert shown(guard, raw_frame(1)) is GuardState.PROTECTED
