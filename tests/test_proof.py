"""What a filtered picture must prove: the numbers, and what the guard remembers."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from camfilter.card import draw_card
from camfilter.errors import FilterFault
from camfilter.faces.base import Face
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.guard import Guard, GuardState
from camfilter.proof import EarlierFrames, SeenFaces, check, own_copy
from fakes import face_at, filtered, noise, raw_frame
from test_hold import tilted

SIZE = Size(160, 120)
FACE = face_at(60, 60, 48)


def picture(seed: int = 0, time_s: float = 0.0, index: int = 0) -> RawFrame:
    """A scene as a camera sees it: soft, so that a face is still alike when it has moved a bit."""
    coarse = noise(SIZE.width // 8, SIZE.height // 8, seed=seed)
    soft = cv2.resize(coarse, (SIZE.width, SIZE.height), interpolation=cv2.INTER_CUBIC)
    return RawFrame(soft, index, time_s)


def changed_share(raw: RawFrame, face: Face, share: float) -> Pixels:
    """The raw picture with that share of a face's values changed by one level, spread evenly."""
    pixels = raw.pixels.copy()
    part = pixels[face.box.within(raw.size).slices()]
    flat = part.reshape(-1).copy()
    count = int(np.ceil(share * flat.size))
    flat[:count] ^= 1
    part[:] = flat.reshape(part.shape)
    return pixels


# How much of a face must have changed.


def test_a_twentieth_of_a_face_must_have_changed() -> None:
    raw = picture()
    assert check(raw, changed_share(raw, FACE, 0.05), [FACE], 6) == 1
    with pytest.raises(FilterFault, match="all but unchanged: the perturbation is too thin"):
        check(raw, changed_share(raw, FACE, 0.049), [FACE], 6)


def test_a_bare_face_is_told_from_one_that_is_thin() -> None:
    raw = picture()
    with pytest.raises(FilterFault, match="unchanged: the perturbation is empty"):
        check(raw, raw.pixels.copy(), [FACE], 6)
    with pytest.raises(FilterFault, match="unchanged: the perturbation is empty"):
        check(raw, filtered(raw).pixels, [FACE, face_at(900, 900, 48)], 6)


def test_the_part_of_a_face_outside_the_picture_does_not_count() -> None:
    raw = picture()
    edge = face_at(0, 60, 48)
    assert check(raw, changed_share(raw, edge, 0.05), [edge], 6) == 1
    with pytest.raises(FilterFault, match="too thin"):
        check(raw, changed_share(raw, edge, 0.045), [edge], 6)


def test_a_budget_that_is_no_number_refuses() -> None:
    raw = picture()
    with pytest.raises(FilterFault, match="the budget is nan"):
        check(raw, filtered(raw).pixels, [FACE], float("nan"))  # type: ignore[arg-type]


def test_the_copy_is_ones_own() -> None:
    raw = picture()
    pixels = filtered(raw).pixels
    kept = own_copy(raw, pixels)
    assert np.array_equal(kept, pixels)
    assert not np.shares_memory(kept, pixels)


# An earlier raw frame that is handed out again.


def remembering(*raws: RawFrame) -> EarlierFrames:
    frames = EarlierFrames()
    for raw in raws:
        frames.add(raw)
    return frames


def test_an_earlier_frame_that_comes_out_again_is_refused() -> None:
    raws = [picture(seed) for seed in range(3)]
    frames = remembering(*raws)
    for old in raws[:2]:
        with pytest.raises(FilterFault, match="an earlier frame"):
            frames.refuse_again(raws[2], old.pixels.copy(), [FACE])
    frames.refuse_again(raws[2], filtered(raws[2]).pixels, [FACE])


def test_only_the_face_needs_to_be_an_earlier_one() -> None:
    old, now = picture(0), picture(1)
    pixels = filtered(now).pixels
    part = FACE.box.slices()
    pixels[part] = old.pixels[part]
    frames = remembering(old, now)
    with pytest.raises(FilterFault, match="an earlier frame"):
        frames.refuse_again(now, pixels, [face_at(130, 30, 20), FACE])
    frames.refuse_again(now, pixels, [face_at(130, 30, 20)])


def test_frames_are_remembered_as_a_thin_copy() -> None:
    """The camera's own memory may be written to; and a picture is not kept whole."""
    old, now = picture(0), picture(1)
    before = old.pixels.copy()
    frames = remembering(old)
    old.pixels[:] = 0
    with pytest.raises(FilterFault, match="an earlier frame"):
        frames.refuse_again(now, before, [FACE])
    assert sum(thin.nbytes for thin in frames._thin) <= before.nbytes / 4


def test_eight_frames_are_remembered() -> None:
    raws = [picture(seed) for seed in range(9)]
    frames, now = remembering(*raws), picture(99)
    frames.refuse_again(now, raws[0].pixels.copy(), [FACE])
    with pytest.raises(FilterFault, match="an earlier frame"):
        frames.refuse_again(now, raws[1].pixels.copy(), [FACE])


def test_a_scene_that_stands_still_is_no_fault() -> None:
    old = picture(0)
    frames = remembering(old, replace(old, index=1))
    # The guard's other proof says that the face did change; only every fourth pixel is looked at.
    frames.refuse_again(replace(old, index=2), old.pixels.copy(), [FACE])


def test_a_frame_of_another_size_is_not_compared() -> None:
    frames = remembering(raw_frame(0, size=Size(64, 48)))
    now = picture(1)
    frames.refuse_again(now, filtered(now).pixels, [FACE])


@pytest.mark.parametrize("middle_px", [60.0, 61.0, 62.0, 63.0])
@pytest.mark.parametrize("side_px", [9, 10, 11, 12])
def test_a_small_face_is_looked_at_and_nothing_around_it(side_px: int, middle_px: float) -> None:
    small = face_at(middle_px, middle_px, side_px)
    old, now = picture(0), picture(1)
    frames = remembering(old)
    inside, outside = filtered(now).pixels, old.pixels.copy()
    part = small.box.slices()
    inside[part] = old.pixels[part]
    outside[part] = filtered(now).pixels[part]
    with pytest.raises(FilterFault, match="an earlier frame"):
        frames.refuse_again(now, inside, [small])
    frames.refuse_again(now, outside, [small])


# A face that the filter names no more.


def knowing(frames: int, *faces: Face, seed: int = 0) -> SeenFaces:
    seen = SeenFaces()
    for index in range(frames):
        seen.note(picture(seed, index / 30), faces or [FACE])
    return seen


def missing(seen: SeenFaces, *faces: Face, time_s: float = 1.0, seed: int = 0) -> bool:
    try:
        seen.refuse_missing(picture(seed, time_s), faces)
    except FilterFault as error:
        return error.what == "A face that is still there was not found."
    return False


def test_a_face_that_was_seen_twenty_times_is_missed() -> None:
    assert missing(knowing(20))
    assert not missing(knowing(19))
    assert not missing(knowing(20), FACE)


def test_a_face_whose_picture_is_gone_is_not_missed() -> None:
    assert not missing(knowing(30), seed=5)


@pytest.mark.parametrize(("degrees", "is_missed"), [(0, True), (4, True), (12, False)])
def test_a_real_face_whose_head_tilts_a_little_is_missed_still(
    astronaut: Pixels, still_faces: MediaPipeFaces, degrees: float, is_missed: bool
) -> None:
    (face,) = still_faces.find(astronaut)
    seen = SeenFaces()
    for index in range(20):
        seen.note(RawFrame(astronaut, index, index / 30), [face])
    now = RawFrame(tilted(astronaut, face, degrees), 20, 20 / 30)
    if is_missed:
        with pytest.raises(FilterFault, match="still there"):
            seen.refuse_missing(now, [])
    else:
        seen.refuse_missing(now, [])


def test_a_face_is_missed_for_ten_seconds() -> None:
    last_s = 19 / 30
    assert missing(knowing(20), time_s=last_s + 9.9)
    assert not missing(knowing(20), time_s=last_s + 10.1)
    assert not missing(knowing(20), time_s=last_s - 10.1)


def test_a_face_that_covers_a_third_of_where_it_was_is_the_same() -> None:
    side = FACE.box.right - FACE.box.left
    near = face_at(60 + 0.65 * side, 60, 48)
    far = face_at(60 + 0.75 * side, 60, 48)
    assert near.box.common(FACE.box).area >= 0.3 * FACE.box.area > far.box.common(FACE.box).area
    assert not missing(knowing(20), near)
    assert missing(knowing(20), far)


def test_each_face_is_counted_by_itself() -> None:
    other = face_at(120, 60, 48)
    seen = knowing(19, FACE, other)
    seen.note(picture(0, 0.7), [FACE])
    assert missing(seen, time_s=0.7)
    seen = knowing(19, FACE)
    seen.note(picture(0, 0.7), [FACE, other])
    assert missing(seen, other, time_s=0.7)
    assert not missing(seen, FACE, time_s=0.7)


def test_a_remembered_face_that_is_carried_on_is_no_new_sight_of_it() -> None:
    """What it looked like stays that of the last time it was seen; where it is moves on."""
    seen = knowing(20)
    carried = replace(face_at(64, 60, 48), missed_frames=1)
    seen.note(picture(7, 0.7), [carried])  # nothing of it can be seen in this picture
    assert missing(seen, time_s=0.8)
    assert not missing(seen, carried, time_s=0.8)
    assert not missing(seen, time_s=0.8, seed=7)
    (known,) = seen._seen
    assert (known.box, known.frames, known.time_s) == (carried.box, 20, pytest.approx(19 / 30))


def test_a_carried_face_that_was_never_seen_is_not_remembered() -> None:
    seen = SeenFaces()
    for _ in range(30):
        seen.note(picture(), [replace(FACE, missed_frames=2)])
    assert not missing(seen)


def test_a_face_that_came_back_is_counted_on() -> None:
    seen = knowing(19)
    seen.note(picture(0, 0.7), [replace(FACE, missed_frames=1)])
    assert not missing(seen, time_s=0.7)
    seen.note(picture(0, 0.7), [FACE])
    assert missing(seen, time_s=0.7)


def test_in_another_scene_nothing_is_missed() -> None:
    seen = knowing(30)
    seen.forget()
    assert not missing(seen)


# The guard uses all of it.


def admitted(guard: Guard, count: int, face: Face = FACE) -> None:
    for index in range(count):
        raw = picture(0, index / 30, index)
        guard.expect(raw)
        guard.admit(raw, filtered(raw).pixels, [face], 6)


def test_the_guard_knows_the_raw_frames_it_was_told_of() -> None:
    guard = Guard()
    old, now = picture(0, 0.0, 0), picture(1, 0.1, 1)
    guard.expect(old)
    guard.expect(now)
    with pytest.raises(FilterFault, match="an earlier frame"):
        guard.admit(now, old.pixels.copy(), [FACE], 255)


def test_the_guard_misses_a_face_that_is_still_there() -> None:
    guard = Guard()
    admitted(guard, 20)
    raw = picture(0, 20 / 30, 20)
    with pytest.raises(FilterFault, match="still there"):
        guard.admit(raw, filtered(raw).pixels, [], 6)
    guard.reset("Another scene.")
    guard.admit(raw, filtered(raw).pixels, [], 6)


@pytest.mark.parametrize("again", [False, True])
def test_after_a_switch_the_guard_misses_nothing_from_before(again: bool) -> None:
    guard = Guard()
    admitted(guard, 20)
    guard.switch(False)
    if again:
        guard.switch(True)
    raw = picture(0, 20 / 30, 20)
    assert guard.admit(raw, filtered(raw).pixels, [], 6) == 2


def test_a_fault_is_not_healed_by_a_frame_from_before_it() -> None:
    guard = Guard()
    raws = [picture(index, index / 30, index) for index in range(4)]
    guard.fault("The camera is gone.", after=1)
    for raw, state in zip(raws, ["holding", "holding", "protected", "protected"], strict=True):
        guard.admit(raw, filtered(raw).pixels, [FACE], 6)
        assert guard.frame(raw.time_s, 0, SIZE).state.value == state
    guard.fault("It broke.")  # whatever came before
    guard.admit(raws[0], filtered(raws[0]).pixels, [FACE], 6)
    assert guard.frame(0.0, 0, SIZE).state is GuardState.PROTECTED


def test_a_fault_after_a_frame_is_forgotten_with_everything_else() -> None:
    for forget in (lambda guard: guard.reset("Next."), lambda guard: guard.switch(False)):
        guard = Guard()
        guard.fault("The camera is gone.", after=9)
        forget(guard)
        guard.switch(True)
        raw = picture(0, 0.0, 3)
        guard.admit(raw, filtered(raw).pixels, [FACE], 6)
        assert guard.frame(0.0, 0, SIZE).state is GuardState.PROTECTED


def test_a_start_and_a_reset_are_told_until_a_picture_comes() -> None:
    """Before the first picture its age is no reason: there is none."""
    guard = Guard()
    assert guard.frame(50.0, 0, SIZE).reason == "Protection is starting."
    guard.switch(False)
    old = picture(0, 0.0, 0)
    guard.pass_raw(old)
    guard.reset("Another source.")
    assert guard.frame(50.0, 0, SIZE).reason == "Another source."


def test_where_no_card_can_be_drawn_a_plain_one_is_shown() -> None:
    def fail(_size: Size, _reason: str) -> Pixels:
        raise MemoryError

    frame = Guard(card=fail).frame(0.0, 0, SIZE)
    assert frame.state is GuardState.PLACEHOLDER
    assert frame.pixels.shape == (120, 160, 3)
    assert frame.pixels.dtype == np.uint8
    assert len(np.unique(frame.pixels)) == 1


@pytest.mark.parametrize("of", ["protected", "raw"])
def test_no_picture_is_told_by_its_repr(of: str) -> None:
    guard = Guard()
    raw = RawFrame(np.full((24, 32, 3), 123, np.uint8), 0, 0.0)
    guard.admit(raw, raw.pixels + np.uint8(1), [face_at(16, 12, 16)], 6)
    told = repr(guard.frame(0.0, 0, raw.size)) if of == "protected" else repr(raw)
    told += repr(guard._newest)
    assert "123" not in told
    assert "124" not in told
    assert "array" not in told


def test_a_card_is_no_protected_picture() -> None:
    guard = Guard()
    frame = guard.frame(0.0, 0, SIZE)
    assert np.array_equal(frame.pixels, draw_card(SIZE, frame.reason))
