from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from camfilter.frames import RawFrame
from camfilter.governor import FULL_EFFORT, Effort, Governor
from camfilter.settings import Chaining, ChainSettings, Mode, Projection

PERIOD_S = 1 / 30
BLANK = np.zeros((4, 4, 3), np.uint8)


class Camera:
    """Frames in time, and a machine that takes its time for each effort."""

    def __init__(self, governor: Governor, cost_ms: Callable[[Effort], float]) -> None:
        self.governor = governor
        self.cost_ms = cost_ms
        self.index = 0
        self.late = 0
        self.efforts: list[Effort] = []

    def run(self, seconds: float) -> None:
        """A frame that takes longer than a period makes the camera's next ones wait in vain."""
        end = self.index + round(seconds / PERIOD_S)
        while self.index < end:
            took_s = self.cost_ms(self.governor.effort) / 1e3
            self.late += took_s > PERIOD_S
            before = self.governor.effort
            self.efforts.append(before)
            said = self.governor.note(RawFrame(BLANK, self.index, self.index * PERIOD_S), took_s)
            assert said is (self.governor.effort != before), "the chain is told of each change"
            self.index += max(1, int(np.ceil(took_s / PERIOD_S)))

    def seconds_until(self, effort: Effort) -> float:
        """How long it runs until it works with an effort; 40 s at most."""
        start = self.index
        while self.governor.effort != effort and self.index < start + 40 / PERIOD_S:
            self.run(PERIOD_S)
        return (self.index - start) * PERIOD_S

    @property
    def changes(self) -> int:
        return sum(a != b for a, b in zip(self.efforts, self.efforts[1:], strict=False))


def heavy(effort: Effort) -> float:
    """A machine that only keeps up with half the stages."""
    return 8 + 18 * effort.stage_share


def test_a_machine_with_time_to_spare_works_with_full_effort() -> None:
    camera = Camera(Governor(), lambda _effort: 12)
    camera.run(20)
    assert set(camera.efforts) == {FULL_EFFORT}
    assert camera.governor.words == ""
    assert camera.governor.frames_eased == 0


def test_effort_is_lowered_before_a_frame_is_late_and_said() -> None:
    governor = Governor()
    camera = Camera(governor, heavy)
    camera.run(2)
    assert camera.late == 0
    assert governor.effort == Effort(0.5)
    assert governor.words == "This machine is slow or busy: 50% of the stages."
    assert governor.frames_eased == sum(effort != FULL_EFFORT for effort in camera.efforts)


def test_stages_go_first_and_looks_for_faces_last() -> None:
    governor = Governor()
    camera = Camera(governor, lambda _effort: 30)
    camera.run(6)
    seen = list(dict.fromkeys(camera.efforts))
    assert [effort.stage_share for effort in seen] == [1, 0.5, 0.25, 0.25, 0.25, 0.2]
    assert [effort.find_every for effort in seen] == [3, 3, 3, 4, 6, 6]
    assert governor.words.endswith("20% of the stages, faces looked for in every 6th.")


def test_one_slow_frame_now_and_then_is_chance() -> None:
    governor = Governor()
    camera = Camera(governor, lambda _effort: 60 if camera.index % 10 == 9 else 8)
    camera.run(10)
    assert set(camera.efforts) == {FULL_EFFORT}


@pytest.mark.parametrize(("slow_ms", "eased"), [(28, False), (45, True)])
def test_frames_that_make_the_next_one_wait_are_too_slow(slow_ms: float, eased: bool) -> None:
    governor = Governor()
    camera = Camera(governor, lambda _effort: slow_ms if camera.index % 3 == 0 else 6)
    camera.run(3)
    assert (governor.effort != FULL_EFFORT) == eased


def test_a_new_face_and_a_smile_hidden_in_haste_are_no_trouble() -> None:
    def cost_ms(_effort: Effort) -> float:
        if camera.index < 6:
            return 120 if camera.index == 1 else 40
        in_haste = camera.index % 90 > 78
        return 31 if in_haste else 18 if camera.index % 3 == 0 else 9

    governor = Governor()
    camera = Camera(governor, cost_ms)
    camera.run(20)
    assert governor.frames_eased == 0
    assert camera.late > 0


@pytest.mark.parametrize("usual_ms", [10, 20])
def test_a_frame_that_hung_for_seconds_is_chance(usual_ms: float) -> None:
    governor = Governor()
    camera = Camera(governor, lambda _effort: 4000 if camera.index == 90 else usual_ms)
    camera.run(20)
    assert camera.late == 1
    assert governor.frames_eased == 0


@pytest.mark.parametrize(("late", "eased"), [(8, False), (9, True)])
def test_nine_late_frames_in_two_seconds_are_too_many(late: int, eased: bool) -> None:
    governor = Governor()
    camera = Camera(
        governor, lambda _effort: 36 if camera.index % 7 == 3 and camera.late < late else 6
    )
    camera.run(2)
    assert camera.late == late
    assert (governor.effort != FULL_EFFORT) == eased


@pytest.mark.parametrize(("busy_frames", "eased"), [(20, False), (30, True)])
def test_a_busy_half_second_at_the_start_is_no_load_and_a_second_is(
    busy_frames: int, eased: bool
) -> None:
    governor = Governor()
    camera = Camera(governor, lambda _effort: 30 if camera.index <= busy_frames else 6)
    camera.run(2)
    assert camera.late == 0
    assert (governor.effort != FULL_EFFORT) == eased


def test_a_camera_that_slows_down_leaves_more_time_at_once() -> None:
    governor = Governor()
    for index in range(120):
        fast = min(index, 60)  # then it gets dark: 15 frames a second
        time_s = fast / 30 + (index - fast) / 15
        governor.note(RawFrame(BLANK, index, time_s), 0.030 if index > 60 else 0.018)
    assert governor.frames_eased == 0


def test_looks_for_faces_do_not_keep_the_effort_low() -> None:
    troubled = True
    governor = Governor()
    camera = Camera(
        governor, lambda _effort: 40 if troubled else 18 if camera.index % 3 == 0 else 9
    )
    camera.run(1)
    assert governor.effort != FULL_EFFORT
    troubled = False
    camera.run(20)
    assert governor.effort == FULL_EFFORT


def test_frames_that_were_dropped_count_as_late_however_fast_the_filter_was() -> None:
    governor = Governor()
    for index in range(0, 60, 2):  # each second one never came to the filter
        governor.note(RawFrame(BLANK, index, index * PERIOD_S), 0.005)
    assert governor.effort != FULL_EFFORT


def test_full_effort_comes_back_when_there_is_time_again() -> None:
    busy = True
    governor = Governor()
    camera = Camera(governor, lambda effort: heavy(effort) if busy else heavy(effort) / 3)
    camera.run(3)
    assert governor.effort != FULL_EFFORT
    busy = False
    camera.run(3)
    assert governor.effort != FULL_EFFORT  # a quiet moment is not yet quiet
    camera.run(12)
    assert governor.effort == FULL_EFFORT
    assert governor.words == ""


def test_effort_does_not_swing_to_and_fro() -> None:
    governor = Governor()
    # Half the stages look easy, all of them are too many: each try must be rarer than the last.
    camera = Camera(governor, lambda effort: 26 if effort.stage_share == 1 else 10)
    camera.run(30)
    first = camera.changes
    camera.efforts.clear()
    camera.run(240)
    assert first <= 8
    assert camera.changes <= 2 * 240 / 40
    assert camera.late == 0


@pytest.mark.parametrize(("quiet_s", "patience_s"), [(7, 6), (10, 3)])
def test_only_trouble_soon_after_a_try_makes_the_next_one_wait_longer(
    quiet_s: float, patience_s: float
) -> None:
    busy = True
    governor = Governor([FULL_EFFORT, Effort(0.5)])
    camera = Camera(governor, lambda _effort: 30 if busy else 6)
    camera.seconds_until(Effort(0.5))
    busy = False
    # A second has to pass before the load is known.
    assert camera.seconds_until(FULL_EFFORT) == pytest.approx(1 + 3, abs=0.3)
    camera.run(quiet_s)
    busy = True
    assert camera.seconds_until(Effort(0.5)) < 2
    busy = False
    assert camera.seconds_until(FULL_EFFORT) == pytest.approx(1 + patience_s, abs=0.3)


@pytest.mark.parametrize(("quiet_s", "patience_s"), [(50, 6), (62, 3)])
def test_after_a_minute_of_full_effort_a_try_that_failed_is_forgotten(
    quiet_s: float, patience_s: float
) -> None:
    busy = True
    governor = Governor([FULL_EFFORT, Effort(0.5)])
    camera = Camera(governor, lambda _effort: 30 if busy else 6)
    for pause_s in (1, quiet_s, 0):
        busy = True
        camera.seconds_until(Effort(0.5))
        busy = False
        to_full_s = camera.seconds_until(FULL_EFFORT)
        camera.run(pause_s)
    assert to_full_s == pytest.approx(1 + patience_s, abs=0.3)


def test_one_try_that_failed_counts_once_however_deep_the_fall() -> None:
    busy = True
    governor = Governor([FULL_EFFORT, Effort(0.5), Effort(0.25)])
    camera = Camera(governor, lambda _effort: 30 if busy else 6)
    camera.seconds_until(Effort(0.5))
    busy = False
    camera.seconds_until(FULL_EFFORT)
    busy = True
    assert camera.seconds_until(Effort(0.25)) < 4
    busy = False
    assert camera.seconds_until(Effort(0.5)) == pytest.approx(1 + 6, abs=0.3)


def test_a_busy_moment_makes_the_quiet_time_begin_anew() -> None:
    cost_ms = 30.0
    governor = Governor([FULL_EFFORT, Effort(0.5)])
    camera = Camera(governor, lambda _effort: cost_ms)
    camera.seconds_until(Effort(0.5))
    cost_ms = 6
    camera.run(2)
    cost_ms = 20  # too little to lower the effort, and not easy
    camera.run(3)
    cost_ms = 6
    assert 3 < camera.seconds_until(FULL_EFFORT) < 4.5


def test_at_the_least_effort_late_frames_make_the_quiet_time_begin_anew() -> None:
    busy, stumbling = True, False
    governor = Governor([FULL_EFFORT, Effort(0.5)])
    camera = Camera(
        governor,
        lambda _effort: 30 if busy else 36 if stumbling and camera.index % 6 == 0 else 6,
    )
    camera.seconds_until(Effort(0.5))
    busy = False
    camera.run(2)  # quiet for one second, as far as can be said
    stumbling = True
    camera.run(6)
    stumbling = False
    assert governor.effort == Effort(0.5)
    assert 3 < camera.seconds_until(FULL_EFFORT) < 4.5


@pytest.mark.parametrize(("took_s", "eased"), [(0.2, False), (0.4, True)])
def test_however_seldom_pictures_come_none_may_take_half_a_second(
    took_s: float, eased: bool
) -> None:
    """The guard hides one that is older."""
    governor = Governor()
    for index in range(40):
        governor.note(RawFrame(BLANK, index, 2.0 * index), took_s)
    assert (governor.effort != FULL_EFFORT) == eased


def test_a_slow_camera_leaves_more_time() -> None:
    governor = Governor()
    for index in range(60):  # 15 frames a second in the dark
        governor.note(RawFrame(BLANK, index, index / 15), 0.03)
    assert governor.effort == FULL_EFFORT


@pytest.mark.parametrize(("took_s", "eased"), [(0.02, False), (0.03, True)])
def test_where_frames_have_no_times_thirty_a_second_are_taken_for_granted(
    took_s: float, eased: bool
) -> None:
    governor = Governor()
    for index in range(40):
        governor.note(RawFrame(BLANK, index, 0.0), took_s)
    assert (governor.effort != FULL_EFFORT) == eased


def test_a_camera_that_starts_again_counts_from_zero() -> None:
    governor = Governor()
    for start in (0, 0, 0):
        for index in range(start, 10):
            assert governor.note(RawFrame(BLANK, index, index * PERIOD_S), 0.001) is False


# What an effort means.


@pytest.mark.parametrize(("share", "stages"), [(1.0, 4), (0.5, 2), (0.25, 1), (0.01, 0.1)])
def test_fewer_stages_over_time(share: float, stages: int) -> None:
    settings = ChainSettings(stages_per_frame=4)
    eased = Effort(share).applied(settings)
    assert eased.stages_per_frame == stages
    assert eased.model_copy(update={"stages_per_frame": 4}) == settings
    assert Effort(share).applied(ChainSettings()).stages_per_frame == max(0.1, stages / 4)


def test_fewer_stages_of_a_chain_in_every_frame_leave_the_budget() -> None:
    settings = ChainSettings(chaining=Chaining.PER_FRAME, chain_length=10)
    eased = Effort(0.25).applied(settings)
    assert eased.chain_length == 2
    assert eased.budget_levels == settings.budget_levels


def test_a_chain_without_projection_keeps_its_stages_as_they_are_its_size() -> None:
    settings = ChainSettings(
        chaining=Chaining.PER_FRAME, projection=Projection.NONE, epsilon=0.001, chain_length=10,
        mode=Mode.UNTARGETED,
    )  # fmt: skip
    assert Effort(0.25).applied(settings) is settings
