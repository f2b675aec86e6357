from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from camfilter.chain import Perturbation
from camfilter.compose import compose
from camfilter.errors import FilterFault
from camfilter.faces.base import Face
from camfilter.frames import Pixels, Size
from camfilter.geometry import outline_mask
from fakes import face_at, noise

SIZE_PX = 48
BUDGET = 6


def change(faces: list[Face], levels: float = BUDGET, seed: int = 0) -> Perturbation:
    """A random change of + or - `levels` inside each outline."""
    rng = np.random.default_rng(seed)
    masks = np.stack([outline_mask(face, SIZE_PX) for face in faces])
    signs = rng.choice(np.array([-1, 1], np.float32), masks.shape)
    return Perturbation((signs * masks * levels / 255).astype(np.float32))


def moved(pixels: Pixels, faces: list[Face], perturbation: Perturbation) -> NDArray[np.int16]:
    composed = compose(pixels, faces, perturbation, BUDGET)
    assert composed.shape == pixels.shape
    assert composed.dtype == np.uint8
    return composed.astype(np.int16) - pixels


def outside(pixels: Pixels, faces: list[Face]) -> NDArray[np.bool_]:
    bare = np.ones(pixels.shape[:2], bool)
    for face in faces:
        bare[face.box.within(Size.of(pixels)).slices()] = False
    return bare


@pytest.mark.parametrize("levels", [6, 60, 255])
@pytest.mark.parametrize("side_px", [20, 48, 150])
def test_no_pixel_moves_by_more_than_the_budget_and_some_by_all_of_it(
    levels: float, side_px: float
) -> None:
    faces = [face_at(90, 80, side_px, 15)]
    move = moved(noise(200, 160), faces, change(faces, levels))
    assert np.abs(move).max() == BUDGET


def test_nothing_changes_outside_the_faces_and_the_same_in_every_colour() -> None:
    faces = [face_at(60, 60, 50), face_at(160, 100, 70, -30)]
    pixels = noise(240, 180)
    move = moved(pixels, faces, change(faces))
    assert not move[outside(pixels, faces)].any()
    assert move.any()
    assert (move[:, :, 0] == move[:, :, 1]).all()
    assert (move[:, :, 0] == move[:, :, 2]).all()


def test_raw_pixels_are_left_alone() -> None:
    pixels = noise(100, 100)
    before = pixels.copy()
    pixels.flags.writeable = False
    faces = [face_at(50, 50, 60)]
    composed = compose(pixels, faces, change(faces), BUDGET)
    assert np.array_equal(pixels, before)
    assert not np.shares_memory(composed, pixels)


def test_a_change_is_rounded_to_the_nearest_level_and_not_cut_off() -> None:
    faces = [face_at(50, 50, 60)]
    pixels = np.full((100, 100, 3), 100, np.uint8)
    for levels, wanted in ((0.4, 0), (0.6, 1), (-0.6, -1), (-0.4, 0), (2.6, 3), (-2.6, -3)):
        delta = np.full((1, SIZE_PX, SIZE_PX), levels / 255, np.float32)
        move = moved(pixels, faces, Perturbation(delta))
        assert (move[40:60, 40:60] == wanted).all()


def test_black_and_white_stay_within_8_bits() -> None:
    faces = [face_at(50, 50, 60)]
    for level, sign in ((0, -1), (3, -1), (252, 1), (255, 1)):
        pixels = np.full((100, 100, 3), level, np.uint8)
        delta = np.full((1, SIZE_PX, SIZE_PX), sign * 6 / 255, np.float32)
        move = moved(pixels, faces, Perturbation(delta))
        wanted = np.clip(level + sign * 6, 0, 255) - level
        assert (move[45:55, 45:55] == wanted).all()
        assert np.abs(move).max() == abs(wanted)


def test_a_colour_that_is_full_clips_alone() -> None:
    faces = [face_at(50, 50, 60)]
    pixels = np.full((100, 100, 3), (255, 100, 0), np.uint8)
    delta = np.full((1, SIZE_PX, SIZE_PX), 4 / 255, np.float32)
    move = moved(pixels, faces, Perturbation(delta))
    assert (move[50, 50] == (0, 4, 4)).all()


def test_faces_that_overlap_share_the_budget() -> None:
    faces = [face_at(60, 60, 60), face_at(70, 65, 60, 10), face_at(75, 60, 30)]
    pixels = noise(140, 130)
    delta = np.stack([outline_mask(face, SIZE_PX) for face in faces]) * np.float32(6 / 255)
    move = moved(pixels, faces, Perturbation(delta))
    assert np.abs(move).max() == BUDGET
    assert (move >= 0).all()
    assert not move[outside(pixels, faces)].any()


@pytest.mark.parametrize("level", [0, 3, 128, 253, 255])
def test_overlapping_faces_keep_the_budget_near_black_and_white(level: int) -> None:
    faces = [face_at(60, 60, 60), face_at(66, 60, 60)]
    for sign in (-1, 1):
        delta = np.full((2, SIZE_PX, SIZE_PX), sign * 6 / 255, np.float32)
        pixels = np.full((120, 130, 3), level, np.uint8)
        move = moved(pixels, faces, Perturbation(delta))
        assert move[60, 63, 0] == np.clip(level + sign * 6, 0, 255) - level


def test_a_face_that_touches_no_other_keeps_what_it_got() -> None:
    faces = [face_at(40, 50, 50), face_at(160, 50, 50)]
    pixels = noise(200, 100)
    both = change(faces)
    alone = moved(pixels, faces[:1], Perturbation(both.delta[:1]))
    part = faces[0].box.within(Size.of(pixels)).slices()
    assert np.array_equal(moved(pixels, faces, both)[part], alone[part])


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_refused(wrong: float) -> None:
    faces = [face_at(50, 50, 60), face_at(10, 10, 10)]
    perturbation = change(faces)
    perturbation.delta[1, 3, 4] = wrong
    with pytest.raises(FilterFault, match="not finite"):
        compose(noise(100, 100), faces, perturbation, BUDGET)


@pytest.mark.parametrize("answers", [0, 1, 3])
def test_an_answer_for_another_number_of_faces_is_refused(answers: int) -> None:
    faces = [face_at(50, 50, 60), face_at(10, 10, 10)]
    perturbation = Perturbation(np.zeros((answers, SIZE_PX, SIZE_PX), np.float32))
    with pytest.raises(FilterFault, match="another number of faces"):
        compose(noise(100, 100), faces, perturbation, BUDGET)


@pytest.mark.parametrize("centre", [(0, 50), (99, 0), (50, 120), (-20, -20)])
def test_of_a_face_at_the_edge_the_part_in_the_frame_is_changed(centre: tuple[int, int]) -> None:
    faces = [face_at(*centre, 100)]
    pixels = noise(100, 100)
    move = moved(pixels, faces, change(faces))
    assert move.any()
    assert not move[outside(pixels, faces)].any()


def test_a_part_at_the_edge_moves_as_the_same_part_of_a_larger_frame() -> None:
    wide = noise(300, 200)
    faces = [face_at(100, 100, 90, 20)]
    perturbation = change(faces)
    whole = moved(wide, faces, perturbation)
    cut = moved(np.ascontiguousarray(wide[:110, :95]), faces, perturbation)
    assert np.array_equal(cut, whole[:110, :95])


@pytest.mark.parametrize("centre", [(-300, 50), (50, -300), (900, 900)])
def test_a_face_outside_the_frame_changes_nothing(centre: tuple[int, int]) -> None:
    faces = [face_at(*centre, 100)]
    assert not moved(noise(100, 100), faces, change(faces)).any()


@settings(max_examples=80, deadline=None)
@given(
    places=st.lists(
        st.tuples(st.floats(-60, 160), st.floats(-60, 160), st.floats(2, 200), st.floats(0, 360)),
        min_size=1,
        max_size=4,
    ),
    levels=st.floats(0, 255),
    level=st.integers(0, 255),
)
def test_promises_hold_for_any_faces(
    places: list[tuple[float, float, float, float]], levels: float, level: int
) -> None:
    faces = [face_at(*place) for place in places]
    pixels = np.clip(noise(101, 97, low=0, high=9).astype(int) + level - 4, 0, 255).astype(np.uint8)
    move = moved(pixels, faces, change(faces, levels))
    assert np.abs(move).max() <= BUDGET
    assert not move[outside(pixels, faces)].any()
