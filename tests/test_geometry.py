from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from camfilter.chain import Perturbation
from camfilter.compose import compose
from camfilter.faces.base import Box, Face
from camfilter.frames import Size
from camfilter.geometry import FollowedMask, cut_crop, fit_similarity, frame_to_grid, outline_mask
from fakes import face_at, noise, similarity

SIZE_PX = 48


def apply(matrix: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points @ matrix[:, :2].T + matrix[:, 2]


def picture_of(function: object, width: int, height: int) -> NDArray[np.uint8]:
    """A gray picture whose luma at each pixel's centre is function(x, y), 0 to 1."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    luma = np.rint(255 * function(x, y)).astype(np.uint8)  # type: ignore[operator]
    return cv2.merge([luma, luma, luma])


def grid_in_frame(face: Face) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the centres of the crop's cells lie in the frame."""
    unit = (np.arange(SIZE_PX) + 0.5) / SIZE_PX
    u, v = np.meshgrid(unit, unit)
    inverse = cv2.invertAffineTransform(face.to_unit)
    frame = apply(inverse, np.stack([u.ravel(), v.ravel()], axis=1))
    return frame[:, 0].reshape(u.shape), frame[:, 1].reshape(u.shape)


@given(
    scale=st.floats(1e-3, 1e3),
    roll=st.floats(-np.pi, np.pi),
    x=st.floats(-1e3, 1e3),
    y=st.floats(-1e3, 1e3),
)
def test_a_similarity_is_found_again(scale: float, roll: float, x: float, y: float) -> None:
    points = np.random.default_rng(3).uniform(0, 100, (9, 2))
    c, s = scale * np.cos(roll), scale * np.sin(roll)
    known = np.array([[c, -s, x], [s, c, y]])
    found = fit_similarity(points, apply(known, points))
    assert np.allclose(found, known, rtol=1e-9, atol=1e-9 * max(1.0, scale * 100))


def test_two_points_are_enough_and_no_mirror_image_is_fitted() -> None:
    points = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    found = fit_similarity(points[:2], points[:2] * 3)
    assert np.allclose(found, [[3, 0, 0], [0, 3, 0]])
    mirrored = fit_similarity(points, points * [-1, 1])
    assert np.linalg.det(mirrored[:, :2]) >= 0


def test_among_noisy_points_the_least_squares_are_taken() -> None:
    rng = np.random.default_rng(5)
    points = rng.uniform(0, 100, (20, 2))
    goal = points / 100 + rng.normal(0, 0.01, points.shape)
    found = fit_similarity(points, goal)
    best = ((apply(found, points) - goal) ** 2).sum()
    for wobble in np.eye(6).reshape(6, 2, 3)[[2, 5]] * 1e-3:
        assert ((apply(found + wobble, points) - goal) ** 2).sum() > best


@pytest.mark.parametrize(
    "points", [[[1, 1], [1, 1]], [[0, 0], [np.nan, 1]], [[0, 0], [np.inf, 1]], [[5, 5]]]
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_degenerate_points_are_refused(points: list[list[float]]) -> None:
    source = np.array(points, np.float32)
    with pytest.raises(ValueError, match="two different finite points"):
        fit_similarity(source, np.zeros_like(source))


def test_the_grid_counts_whole_numbers_at_the_centres_of_pixels() -> None:
    # A crop as large as the frame: pixel (3, 5) of the frame is cell (3, 5) of the grid.
    to_unit = similarity(24, 24, SIZE_PX)
    matrix = frame_to_grid(to_unit, SIZE_PX)
    assert np.allclose(apply(matrix, np.array([[0, 0], [3, 5]])), [[0, 0], [3, 5]])
    shifted = frame_to_grid(to_unit, SIZE_PX, left=3, top=5)
    assert np.allclose(apply(shifted, np.array([[0, 0]])), [[3, 5]])


def test_a_crop_of_the_same_size_is_the_picture_itself() -> None:
    pixels = picture_of(lambda x, y: (x + 2 * y) / 200, 48, 48)
    crop = cut_crop(pixels, face_at(24, 24, SIZE_PX), SIZE_PX)
    assert np.array_equal(np.rint(crop * 255).astype(np.uint8), pixels[:, :, 0])


@pytest.mark.parametrize("side_px", [30, 48, 61, 71, 73, 96, 150, 211, 400])
@pytest.mark.parametrize("roll_deg", [0, 30, -75, 180])
@pytest.mark.parametrize("centre", [(330.0, 300.0), (331.3, 298.7)])
def test_a_crop_is_cut_at_the_right_place(
    side_px: float, roll_deg: float, centre: tuple[float, float]
) -> None:
    # The luma rises by so many levels a pixel that half a pixel cannot hide in the rounding.
    levels_per_px = 200 / side_px
    face = face_at(*centre, side_px, roll_deg)
    x, y = grid_in_frame(face)
    for along, across in ((1.0, 0.0), (0.0, 1.0)):

        def slope(
            x: NDArray[np.float64],
            y: NDArray[np.float64],
            along: float = along,
            across: float = across,
        ) -> NDArray[np.float64]:
            away_px = along * (x - 330.5) + across * (y - 300.5)
            return np.clip((128 + levels_per_px * away_px) / 255, 0, 1)

        crop, wanted = cut_crop(picture_of(slope, 700, 600), face, SIZE_PX), slope(x, y)
        unclipped = (wanted > 0.05) & (wanted < 0.95)
        away_px = 255 * (crop - wanted)[unclipped] / levels_per_px
        assert abs(away_px.mean()) < 0.2
        assert np.abs(away_px * levels_per_px).max() < 2


@pytest.mark.parametrize("side_px", [48, 120, 400])
def test_a_smooth_wave_is_read_with_little_loss(side_px: float) -> None:
    def wave(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        return 0.5 + 0.4 * np.sin(x * 12 / side_px) * np.cos(y * 9 / side_px)

    face = face_at(300.4, 310.2, side_px, 20)
    crop = cut_crop(picture_of(wave, 640, 640), face, SIZE_PX)
    assert np.abs(crop - wave(*grid_in_frame(face))).max() < 0.01


def test_a_crop_that_reaches_out_of_the_frame_repeats_its_edge() -> None:
    pixels = picture_of(lambda x, y: y / 100, 100, 100)
    crop = cut_crop(pixels, face_at(0, 50, 48), SIZE_PX)
    assert np.allclose(crop[:, :24], crop[:, 24:25], atol=1e-6)
    assert np.allclose(crop[:, 30], (26 + np.arange(48) + 0.5) / 100, atol=0.004)


@pytest.mark.parametrize("centre", [(-500, 50), (50, 900), (5000, -5000)])
@pytest.mark.parametrize("side_px", [20, 400])
def test_a_crop_wholly_outside_the_frame_is_still_a_picture(
    centre: tuple[int, int], side_px: int
) -> None:
    crop = cut_crop(noise(100, 100), face_at(*centre, side_px), SIZE_PX)
    assert crop.shape == (SIZE_PX, SIZE_PX)
    assert crop.dtype == np.float32
    assert ((crop >= 0) & (crop <= 1)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (7, 5)])
def test_tiny_frames_can_be_cut(shape: tuple[int, int]) -> None:
    pixels = noise(shape[1], shape[0])
    for side_px in (1, 20, 1000):
        assert np.isfinite(cut_crop(pixels, face_at(2, 2, side_px), SIZE_PX)).all()


@pytest.mark.parametrize("side_px", [48, 200, 600])
@pytest.mark.parametrize("roll_deg", [0, 30])
def test_the_mask_is_zero_outside_the_outline_and_one_inside(
    side_px: float, roll_deg: float
) -> None:
    face = face_at(300, 300, side_px, roll_deg)
    mask = outline_mask(face, SIZE_PX)
    x, y = grid_in_frame(face)
    cell_px = side_px / SIZE_PX
    depth = np.array(
        [
            cv2.pointPolygonTest(face.outline, (float(a), float(b)), True)
            for a, b in zip(x.ravel(), y.ravel(), strict=True)
        ]
    ).reshape(x.shape)
    depth /= cell_px
    assert mask.dtype == np.float32
    assert ((mask >= 0) & (mask <= 1)).all()
    assert (mask[depth < -0.5] < 1e-6).all()
    assert (mask[depth > 4] > 0.999).all()
    assert ((mask > 0.05) & (mask < 0.95)).any()
    for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]):
        assert (edge == 0).all()


def test_a_mask_whose_outline_is_larger_than_the_crop_still_ends_at_its_border() -> None:
    wide = np.array([[-900, -900], [900, -900], [900, 900], [-900, 900]], np.float32)
    face = Face(outline=wide, to_unit=similarity(50, 50, 40), box=Box.around(wide))
    mask = outline_mask(face, SIZE_PX)
    assert mask[1:-1, 1:-1].min() > 0.999
    assert max(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max()) == 0


def test_a_followed_mask_is_drawn_again_only_for_another_outline() -> None:
    followed = FollowedMask(SIZE_PX)
    first = followed.of(face_at(300, 300, 200))
    np.testing.assert_array_equal(first, outline_mask(face_at(300, 300, 200), SIZE_PX))
    carried = face_at(340.3, 287.6, 211, 12)
    assert followed.of(carried) is first
    np.testing.assert_allclose(first, outline_mask(carried, SIZE_PX), atol=0.02)
    found = replace(carried, outline=carried.outline * np.float32(1.02))
    np.testing.assert_array_equal(followed.of(found), outline_mask(found, SIZE_PX))
    fewer = replace(carried, outline=carried.outline[::2])
    np.testing.assert_array_equal(followed.of(fewer), outline_mask(fewer, SIZE_PX))


@pytest.mark.parametrize("side_px", [48, 60, 72, 90, 150, 300, 600])
@pytest.mark.parametrize("roll_deg", [0, 30])
@pytest.mark.parametrize("centre", [(400.0, 350.0), (401.37, 348.81)])
def test_what_was_put_on_a_face_is_seen_there_again(
    side_px: float, roll_deg: float, centre: tuple[float, float]
) -> None:
    face = face_at(*centre, side_px, roll_deg)
    mask = outline_mask(face, SIZE_PX)
    rng = np.random.default_rng(11)
    rough = rng.normal(0, 1, (SIZE_PX, SIZE_PX)).astype(np.float32)
    delta = np.sign(cv2.GaussianBlur(rough, (0, 0), 1.2)) * mask * np.float32(6 / 255)
    pixels = np.full((700, 800, 3), 120, np.uint8)
    composed = compose(pixels, [face], Perturbation(delta[None]), 6)
    seen = cut_crop(composed, face, SIZE_PX) - cut_crop(pixels, face, SIZE_PX)
    inside = mask > 0.5
    likeness = np.corrcoef(seen[inside], delta[inside])[0, 1]
    kept = float((seen * delta)[inside].sum() / (delta * delta)[inside].sum())
    assert likeness > 0.9
    assert kept > 0.7


@settings(max_examples=60, deadline=None)
@given(
    x=st.floats(-200, 300),
    y=st.floats(-200, 300),
    side_px=st.floats(3, 400),
    roll_deg=st.floats(-180, 180),
)
def test_any_face_can_be_cut_masked_and_put_back(
    x: float, y: float, side_px: float, roll_deg: float
) -> None:
    pixels = noise(97, 83)
    face = face_at(x, y, side_px, roll_deg)
    crop, mask = cut_crop(pixels, face, SIZE_PX), outline_mask(face, SIZE_PX)
    assert ((crop >= 0) & (crop <= 1)).all()
    change = Perturbation((mask * np.float32(6 / 255))[None])
    moved = compose(pixels, [face], change, 6).astype(int) - pixels
    assert np.abs(moved).max() <= 6
    outside = np.ones((83, 97), bool)
    outside[face.box.within(Size.of(pixels)).slices()] = False
    assert not moved[outside].any()
