"""Views: what a stage sees, and the way back from there to the face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camfilter.chain import Perturbation
from camfilter.compose import compose
from camfilter.geometry import cut_crop, outline_mask
from camfilter.views import View, ViewRange, draw_view
from fakes import face_at

STRAIGHT = View(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), 1.0)


def smooth(size_px: int, seed: int = 0) -> np.ndarray:
    rough = np.random.default_rng(seed).normal(0, 1, (size_px, size_px)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(rough, (0, 0), size_px / 16), np.float32)


def test_the_straight_view_is_the_picture() -> None:
    picture = smooth(48)
    assert np.allclose(STRAIGHT.see(picture, 48), picture, atol=1e-5)
    assert np.allclose(STRAIGHT.carry_back(picture, 48), picture, atol=1e-5)
    assert np.allclose(STRAIGHT.light(np.clip(picture, 0, 1)), np.clip(picture, 0, 1), atol=1e-6)


@pytest.mark.parametrize("size_px", [40, 48, 64])
def test_a_change_is_seen_as_the_frame_shows_it(size_px: int) -> None:
    """A texture that carries to a frame of 8 bits and back is what a stage must reckon with."""
    face, budget_levels = face_at(160, 120, 150), 6
    texture = np.random.default_rng(0).normal(0, 6 / 255, (48, 48)).astype(np.float32)
    texture *= outline_mask(face, 48)
    grey = np.full((240, 320, 3), 128, np.uint8)
    worn = Perturbation(texture[None])
    changed = compose(grey, [face], worn, budget_levels)
    shown = cut_crop(changed, face, size_px) - cut_crop(grey, face, size_px)
    seen = STRAIGHT.see_change(texture, size_px, budget_levels / 255)
    plain = STRAIGHT.see(texture, size_px)
    size = np.linalg.norm(shown)
    assert np.linalg.norm(seen - shown) < 0.3 * size
    assert np.linalg.norm(plain - shown) > 1.5 * np.linalg.norm(seen - shown)


def test_another_size_shows_the_same_place() -> None:
    picture = np.zeros((48, 48), np.float32)
    picture[10:14, 30:34] = 1
    seen = STRAIGHT.see(picture, 96)
    rows, columns = np.nonzero(seen > 0.5)
    assert (rows.mean() + 0.5) / 96 == pytest.approx(12 / 48, abs=0.01)
    assert (columns.mean() + 0.5) / 96 == pytest.approx(32 / 48, abs=0.01)


REACH = ViewRange(rotate_deg=8, log_scale=0.2, shift=0.05, log_gain=0.1)


def strayed(view: View) -> list[float]:
    """How far a view strays from the crop, in the standard deviations of REACH."""
    linear = view.unit_to_view[:, :2]
    middle = view.unit_to_view @ np.array([0.5, 0.5, 1.0]) - 0.5
    return [
        float(np.degrees(np.arctan2(linear[1, 0], linear[0, 0]))) / REACH.rotate_deg,
        float(np.log(np.linalg.det(linear))) / 2 / REACH.log_scale,
        *(middle / REACH.shift).tolist(),
        float(np.log(view.gain)) / REACH.log_gain,
    ]


@given(st.integers(0, 10_000))
def test_no_view_strays_beyond_two_and_a_half_deviations(seed: int) -> None:
    view = draw_view(np.random.default_rng(seed), REACH)
    assert np.abs(strayed(view)).max() <= 2.5 + 1e-6


def test_views_stray_as_far_as_their_range_says() -> None:
    random = np.random.default_rng(0)
    all_views = np.array([strayed(draw_view(random, REACH)) for _ in range(2000)])
    assert np.abs(all_views.mean(axis=0)).max() < 0.1
    assert all_views.std(axis=0) == pytest.approx(np.ones(5), abs=0.08)


@given(st.integers(0, 1000))
def test_a_gradient_comes_back_to_where_it_was_seen(seed: int) -> None:
    """The inner product of a change with a gradient is the same on both sides (adjoint)."""
    view = draw_view(np.random.default_rng(seed), ViewRange())
    window = np.outer(np.hanning(48), np.hanning(48)).astype(np.float32)
    change, gradient = smooth(48, seed) * window, smooth(48, seed + 1) * window
    seen = float((view.see_change(change, 48, 100.0) * gradient).sum())
    scale = np.linalg.det(view.unit_to_view[:, :2])
    back = float((change * view.carry_back(gradient, 48)).sum()) * scale
    size = float(np.linalg.norm(change) * np.linalg.norm(gradient))
    assert seen == pytest.approx(back, abs=0.02 * size)


def test_nothing_is_changed_outside_the_face() -> None:
    shifted = View(np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]), 1.0)
    ones = np.ones((48, 48), np.float32)
    assert not shifted.see_change(ones, 48, 1.0)[:, :23].any()
    assert shifted.see(ones, 48).min() == 1


def test_light_stays_in_a_picture() -> None:
    bright = View(STRAIGHT.unit_to_view, 1.5)
    lit = bright.light(np.linspace(0, 1, 11, dtype=np.float32)[None])
    assert lit.min() == 0
    assert lit.max() == 1
    assert lit[0, 5] == pytest.approx(0.5)
