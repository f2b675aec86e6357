from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from camfilter.card import draw_card
from camfilter.errors import CamfilterError, FilterFault
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.guard import Guard, GuardState, ProtectedFrame, check
from fakes import face_at, filtered, noise, raw_frame

PROTECTED, HOLDING, PLACEHOLDER, OFF = (
    GuardState.PROTECTED,
    GuardState.HOLDING,
    GuardState.PLACEHOLDER,
    GuardState.OFF,
)
SIZE = Size(32, 24)
FACE = face_at(16, 12, 16)


def admit(guard: Guard, raw: RawFrame, change: int = 2) -> Pixels:
    picture = filtered(raw, change).pixels
    guard.admit(raw, picture, [FACE], 6)
    return picture


def state(guard: Guard, now_s: float) -> GuardState:
    return guard.frame(now_s, 0, SIZE).state


def test_it_starts_with_a_card() -> None:
    frame = Guard().frame(0.0, 7, SIZE)
    assert (frame.state, frame.index, frame.time_s) == (PLACEHOLDER, 7, 0.0)
    assert frame.reason == "Protection is starting."
    assert np.array_equal(frame.pixels, draw_card(SIZE, frame.reason))
    assert frame.size == SIZE


def test_an_admitted_picture_is_shown() -> None:
    guard, raw = Guard(), raw_frame(3, time_s=10.0)
    picture = admit(guard, raw)
    frame = guard.frame(10.125, 99, SIZE)
    assert (frame.state, frame.index, frame.time_s, frame.reason) == (PROTECTED, 99, 10.125, "")
    assert np.array_equal(frame.pixels, picture)


def test_a_late_picture_is_held_and_then_hidden() -> None:
    guard = Guard(fresh_s=0.25, hold_s=0.5)
    picture = admit(guard, raw_frame(3, time_s=10.0))
    assert state(guard, 10.25) is PROTECTED
    held = guard.frame(10.2501, 99, SIZE)
    assert (held.state, held.index) == (HOLDING, 99)
    assert held.reason == "No new picture for 0.3 s."
    assert np.array_equal(held.pixels, picture)
    assert state(guard, 10.5) is HOLDING
    hidden = guard.frame(10.5001, 100, SIZE)
    assert (hidden.state, hidden.index) == (PLACEHOLDER, 100)
    assert not np.array_equal(hidden.pixels, picture)
    assert state(guard, 1e9) is PLACEHOLDER


def test_after_a_fault_it_holds_at_once_and_not_longer() -> None:
    guard = Guard(fresh_s=0.25, hold_s=0.5)
    picture = admit(guard, raw_frame(0, time_s=1.0))
    guard.fault("It broke.")
    held = guard.frame(1.0, 1, SIZE)
    assert (held.state, held.reason) == (HOLDING, "It broke.")
    assert np.array_equal(held.pixels, picture)
    for _ in range(20):
        guard.fault("It broke again.")
    assert state(guard, 1.5) is HOLDING
    card = guard.frame(1.5001, 1, SIZE)
    assert (card.state, card.reason) == (PLACEHOLDER, "It broke again.")


def test_a_fault_lasts_until_the_next_admitted_picture() -> None:
    guard = Guard()
    admit(guard, raw_frame(0, time_s=1.0))
    guard.fault("It broke.")
    raw = raw_frame(1, time_s=1.1)
    with pytest.raises(FilterFault):
        guard.admit(raw, raw.pixels.copy(), [FACE], 6)
    assert state(guard, 1.1) is HOLDING
    admit(guard, raw_frame(2, time_s=1.2))
    assert state(guard, 1.2) is PROTECTED
    assert guard.frame(1.2, 5, SIZE).index == 5


def test_a_slow_cameras_picture_is_current_until_the_next_one_is_overdue() -> None:
    guard = Guard()
    guard.expect_rate(5)
    admit(guard, raw_frame(0, time_s=1.0))
    assert state(guard, 1.375) is PROTECTED
    assert state(guard, 1.4375) is HOLDING
    assert state(guard, 1.5625) is PLACEHOLDER


def test_no_rate_lets_a_picture_be_held_longer_and_a_fast_one_changes_nothing() -> None:
    slow, fast = Guard(), Guard()
    slow.expect_rate(0.5)
    fast.expect_rate(60)
    for guard in (slow, fast):
        admit(guard, raw_frame(0, time_s=1.0))
    assert state(slow, 1.5625) is PLACEHOLDER
    assert state(fast, 1.25) is HOLDING


def test_reset_forgets_the_picture() -> None:
    guard = Guard()
    admit(guard, raw_frame(0, time_s=1.0))
    guard.reset("Next picture.")
    frame = guard.frame(1.0, 0, SIZE)
    assert (frame.state, frame.reason) == (PLACEHOLDER, "Next picture.")
    admit(guard, raw_frame(1, time_s=1.0))
    assert state(guard, 1.0) is PROTECTED


def test_the_card_has_the_size_that_is_asked_for() -> None:
    guard = Guard()
    for size in (Size(32, 24), Size(64, 48), Size(32, 24), Size(1, 1)):
        assert guard.frame(0.0, 0, size).size == size


def test_a_card_is_drawn_again_only_when_it_changes() -> None:
    drawn: list[str] = []

    def draw(size: Size, reason: str) -> Pixels:
        drawn.append(reason)
        return draw_card(size, reason)

    guard = Guard(card=draw)
    for _ in range(5):
        guard.frame(0.0, 0, SIZE)
    guard.fault("It broke.")
    for _ in range(5):
        guard.frame(0.0, 0, SIZE)
    assert drawn == ["Protection is starting.", "It broke."]


def test_off_shows_the_raw_picture_only_after_it_was_switched_off() -> None:
    guard, raw = Guard(), raw_frame(0, time_s=0.0)
    guard.pass_raw(raw)
    assert guard.enabled
    assert state(guard, 0.0) is PLACEHOLDER
    admit(guard, raw)
    guard.pass_raw(raw)
    assert state(guard, 0.0) is PROTECTED
    guard.switch(False)
    assert not guard.enabled
    waiting = guard.frame(0.0, 0, SIZE)
    assert (waiting.state, waiting.reason) == (PLACEHOLDER, "Waiting for a picture.")
    guard.pass_raw(raw)
    shown = guard.frame(0.1, 4, SIZE)
    assert (shown.state, shown.reason) == (OFF, "")
    assert np.array_equal(shown.pixels, raw.pixels)


def test_switching_back_on_shows_neither_the_raw_nor_an_older_picture() -> None:
    guard, raw = Guard(), raw_frame(0, time_s=0.0)
    admit(guard, raw)
    guard.switch(False)
    guard.pass_raw(raw)
    admit(guard, raw_frame(1, time_s=0.0))  # a frame that was still in the filter
    assert state(guard, 0.0) is OFF
    guard.switch(True)
    assert state(guard, 0.0) is PLACEHOLDER
    guard.pass_raw(raw)
    assert state(guard, 0.0) is PLACEHOLDER
    guard.switch(False)
    assert state(guard, 0.0) is PLACEHOLDER  # the raw frame from before is forgotten too
    guard.switch(True)
    admit(guard, raw_frame(2, time_s=0.0))
    assert state(guard, 0.0) is PROTECTED


def test_switching_to_what_it_is_changes_nothing() -> None:
    guard = Guard()
    admit(guard, raw_frame(0, time_s=0.0))
    guard.switch(True)
    assert state(guard, 0.0) is PROTECTED
    guard.switch(False)
    guard.pass_raw(raw_frame(0))
    guard.switch(False)
    assert state(guard, 0.0) is OFF


def test_a_silent_cameras_raw_picture_stands_for_two_seconds_while_it_is_off() -> None:
    guard = Guard()
    guard.switch(False)
    guard.pass_raw(raw_frame(0, time_s=1.0))
    assert state(guard, 3.0) is OFF
    card = guard.frame(3.0625, 0, SIZE)
    assert (card.state, card.reason) == (PLACEHOLDER, "No new picture for 2.1 s.")


def test_a_picture_of_the_future_is_as_old_as_one_of_the_past() -> None:
    """A clock that was set back, or a source with wrong times, must not freeze the picture."""
    guard = Guard(fresh_s=0.25, hold_s=0.5)
    admit(guard, raw_frame(0, time_s=10.0))
    assert state(guard, 9.75) is PROTECTED
    assert state(guard, 9.625) is HOLDING
    assert state(guard, 9.375) is PLACEHOLDER
    assert state(guard, 0.0) is PLACEHOLDER
    guard.switch(False)
    guard.pass_raw(raw_frame(1, time_s=10.0))
    assert state(guard, 8.0) is OFF
    assert state(guard, 7.9375) is PLACEHOLDER


# What may be admitted.


def test_the_greatest_change_is_told() -> None:
    raw = raw_frame()
    for levels in (0, 1, 6):
        assert check(raw, filtered(raw, levels).pixels, [], 6) == levels
    assert check(raw, filtered(raw, -5).pixels, [FACE], 6) == 5


def test_a_single_pixel_over_the_budget_is_refused() -> None:
    raw = raw_frame()
    for sign in (-1, 1):
        pixels = filtered(raw, 2).pixels
        pixels[23, 31, 2] = raw.pixels[23, 31, 2] + sign * 7
        with pytest.raises(FilterFault, match="moved by 7 levels; the budget is 6"):
            check(raw, pixels, [], 6)


def test_wrap_around_counts_as_the_great_change_it_is() -> None:
    raw = RawFrame(np.full((4, 4, 3), 254, np.uint8), 0, 0.0)
    with pytest.raises(FilterFault, match="252 levels"):
        check(raw, raw.pixels + np.uint8(4), [], 6)


def test_a_face_that_was_left_bare_is_refused() -> None:
    raw = raw_frame()
    with pytest.raises(FilterFault, match="unchanged"):
        check(raw, raw.pixels.copy(), [FACE], 6)
    left, right = face_at(6, 12, 8), face_at(26, 12, 8)
    pixels = raw.pixels.copy()
    pixels[left.box.slices()] += 1
    assert check(raw, pixels, [left], 6) == 1
    with pytest.raises(FilterFault, match="unchanged"):
        check(raw, pixels, [left, right], 6)


def test_a_face_outside_the_frame_cannot_be_proved() -> None:
    raw = raw_frame()
    with pytest.raises(FilterFault, match="unchanged"):
        check(raw, filtered(raw).pixels, [face_at(900, 900, 30)], 6)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "picture",
        [[1, 2, 3]],
        np.zeros((24, 32, 3), np.float32),
        np.zeros((24, 32, 3), np.int8),
        np.zeros((24, 32), np.uint8),
        np.zeros((24, 32, 4), np.uint8),
        np.zeros((32, 24, 3), np.uint8),
        np.zeros((0, 0, 3), np.uint8),
    ],
    ids=lambda wrong: f"{type(wrong).__name__}{getattr(wrong, 'shape', '')}",
)
def test_what_is_no_picture_of_the_frame_is_refused(wrong: object) -> None:
    guard = Guard()
    with pytest.raises(FilterFault) as caught:
        guard.admit(raw_frame(), wrong, [], 255)  # type: ignore[arg-type]
    assert isinstance(caught.value, CamfilterError)
    assert "\n" not in str(caught.value)
    assert state(guard, 0.0) is PLACEHOLDER


def test_the_raw_frames_own_memory_is_refused() -> None:
    raw = raw_frame()
    for view in (raw.pixels, raw.pixels[:], raw.pixels.view(), raw.pixels[::-1][::-1]):
        with pytest.raises(FilterFault, match="own memory"):
            check(raw, view, [], 6)


# The type that a sink takes.


@pytest.mark.parametrize("seal", [None, object(), "seal", True])
def test_nobody_but_the_guard_makes_a_protected_frame(seal: object) -> None:
    with pytest.raises(TypeError, match="Only the guard"):
        ProtectedFrame(seal, noise(4, 4), PROTECTED, 0, 0.0, "")
    with pytest.raises(TypeError):
        ProtectedFrame(pixels=noise(4, 4), state=PROTECTED, index=0, time_s=0.0, reason="")  # type: ignore[call-arg]


def test_a_protected_frame_cannot_be_given_another_picture() -> None:
    guard = Guard()
    admit(guard, raw_frame(0, time_s=0.0))
    for frame in (guard.frame(0.0, 0, SIZE), guard.frame(9.0, 0, SIZE)):
        with pytest.raises(AttributeError):
            frame.pixels = noise(32, 24)  # type: ignore[misc]
        with pytest.raises(AttributeError):
            frame.state = OFF  # type: ignore[misc]
        with pytest.raises(ValueError, match="read-only"):
            frame.pixels[0, 0] = 0
        with pytest.raises(ValueError, match="read-only"):
            frame.pixels.reshape(-1)[0] = 0


def test_a_filter_that_uses_its_memory_again_changes_nothing_that_was_admitted() -> None:
    guard, raw = Guard(), raw_frame(0, time_s=0.0)
    buffer = filtered(raw).pixels
    shown = buffer.copy()
    guard.admit(raw, buffer, [FACE], 6)
    frame = guard.frame(0.0, 0, SIZE)
    buffer[:] = raw_frame(1).pixels
    assert np.array_equal(frame.pixels, shown)
    assert np.array_equal(guard.frame(0.1, 0, SIZE).pixels, shown)


def test_a_guarded_raw_frame_of_state_off_is_read_only_but_the_source_is_not_touched() -> None:
    guard, raw = Guard(), raw_frame()
    guard.switch(False)
    guard.pass_raw(raw)
    with pytest.raises(ValueError, match="read-only"):
        guard.frame(0.0, 0, SIZE).pixels[0] = 0
    assert raw.pixels.flags.writeable


# Many things at once.


def test_threads_never_see_a_raw_frame_while_protection_is_on() -> None:
    guard, stop = Guard(), threading.Event()
    raws = [RawFrame(np.full((24, 32, 3), 2 * i, np.uint8), i, 0.0) for i in range(50)]
    leaks: list[str] = []

    def show() -> None:
        while not stop.is_set():
            frame = guard.frame(0.1, 0, SIZE)
            level = int(frame.pixels[0, 0, 0])
            if frame.state in (PROTECTED, HOLDING) and level % 2 == 0:
                leaks.append("a raw frame was shown")
            if len(np.unique(frame.pixels[:, :, 0])) > 1 and frame.state is not PLACEHOLDER:
                leaks.append("a torn frame was shown")

    shower = threading.Thread(target=show)
    shower.start()
    for _ in range(20):
        for raw in raws:
            guard.pass_raw(raw)
            guard.admit(raw, raw.pixels + np.uint8(1), [FACE], 6)
            guard.fault("It broke.")
        guard.switch(False)
        guard.switch(True)
    stop.set()
    shower.join(10)
    assert not shower.is_alive()
    assert leaks == []


class GuardMachine(RuleBasedStateMachine):
    """Any sequence of what can happen to a guard, beside a model of what may be shown."""

    FRESH_S, HOLD_S = 0.25, 0.5

    def __init__(self) -> None:
        super().__init__()
        self.guard = Guard(fresh_s=self.FRESH_S, hold_s=self.HOLD_S)
        self.now_s = 0.0
        self.raws: dict[bytes, int] = {}
        self.on = True
        self.admitted: tuple[bytes, float] | None = None
        self.faulty = False
        self.raw: bytes | None = None

    def next_raw(self) -> RawFrame:
        index = len(self.raws)
        pixels = noise(8, 6, seed=index)
        self.raws[pixels.tobytes()] = index
        return RawFrame(pixels, index, self.now_s)

    @rule(steps=st.integers(1, 12))
    def time_passes(self, steps: int) -> None:
        self.now_s += steps / 16

    @rule(change=st.sampled_from([-6, -1, 1, 6]), late_steps=st.integers(0, 10))
    def a_good_picture(self, change: int, late_steps: int) -> None:
        raw = self.next_raw()
        raw = RawFrame(raw.pixels, raw.index, self.now_s - late_steps / 16)
        pixels = (raw.pixels.astype(int) + change).astype(np.uint8)
        self.guard.admit(raw, pixels, [face_at(4, 3, 6)], 6)
        if self.on:
            self.admitted, self.faulty = (pixels.tobytes(), raw.time_s), False

    @rule(kind=st.sampled_from(["bare", "over", "same", "shape"]))
    def a_bad_picture(self, kind: str) -> None:
        raw = self.next_raw()
        pictures = {
            "bare": raw.pixels.copy(),
            "over": raw.pixels + np.uint8(7),
            "same": raw.pixels,
            "shape": raw.pixels[:3].copy(),
        }
        with pytest.raises(FilterFault):
            self.guard.admit(raw, pictures[kind], [face_at(4, 3, 6)], 6)

    @rule()
    def a_fault(self) -> None:
        self.guard.fault("It broke.")
        self.faulty = True

    @rule()
    def a_reset(self) -> None:
        self.guard.reset("Another picture.")
        self.admitted = None

    @rule(on=st.booleans())
    def a_switch(self, on: bool) -> None:
        self.guard.switch(on)
        if on != self.on:
            self.on, self.admitted, self.raw = on, None, None

    @rule()
    def a_raw_frame(self) -> None:
        raw = self.next_raw()
        self.guard.pass_raw(raw)
        if not self.on:
            self.raw = raw.pixels.tobytes()

    @precondition(lambda self: self.on)
    @invariant()
    def on_shows_no_raw_picture_and_nothing_old(self) -> None:
        frame = self.guard.frame(self.now_s, 0, Size(8, 6))
        shown = frame.pixels.tobytes()
        assert shown not in self.raws
        age_s = self.now_s - self.admitted[1] if self.admitted else np.inf
        if age_s > self.HOLD_S:
            assert frame.state is PLACEHOLDER
        elif self.faulty or age_s > self.FRESH_S:
            assert frame.state is HOLDING
        else:
            assert frame.state is PROTECTED
        if frame.state is not PLACEHOLDER:
            assert self.admitted is not None
            assert shown == self.admitted[0]
            assert bool(frame.reason) is (frame.state is HOLDING)

    @precondition(lambda self: not self.on)
    @invariant()
    def off_shows_the_newest_raw_picture_or_a_card(self) -> None:
        frame = self.guard.frame(self.now_s, 0, Size(8, 6))
        if self.raw is None:
            assert frame.state is PLACEHOLDER
            assert frame.pixels.tobytes() not in self.raws
        else:
            assert frame.state is OFF
            assert frame.pixels.tobytes() == self.raw


TestGuardMachine = GuardMachine.TestCase
TestGuardMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
