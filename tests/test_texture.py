"""How a step moves a texture, and how large it may be."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from camfilter.compose import compose
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from camfilter.over_time import ChainOverTime
from camfilter.settings import ChainSettings
from camfilter.surrogate.onnx import OnnxSurrogate
from camfilter.texture import RADIUS, stepped

EPSILON = 6 / 255
STEP = 1 / 255


def field(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (48, 48)).astype(np.float32)


def share() -> np.ndarray:
    """A face in the middle; its left half hides little."""
    found = np.zeros((48, 48), np.float32)
    found[8:40, 8:24], found[8:40, 24:40] = 0.25, 1
    return found


def energy(texture: np.ndarray) -> float:
    """Root mean square in budgets, cells weighed by their share."""
    return float(np.sqrt((share() * texture**2).sum() / share().sum())) / EPSILON


def grown(stages: int, **values: object) -> np.ndarray:
    texture = np.zeros((48, 48), np.float32)
    for _ in range(stages):
        texture = stepped(texture, field(), share(), step=STEP, epsilon=EPSILON, **values)
    return texture


def test_a_step_follows_the_gradient_and_stays_on_the_face() -> None:
    texture = grown(1)
    assert texture.dtype == np.float32
    assert not texture[share() == 0].any()
    assert np.corrcoef(texture[share() > 0], field()[share() > 0])[0, 1] > 0.9
    assert np.abs(texture).max() == pytest.approx(2.5 * STEP)
    assert np.sqrt(np.square(texture[share() > 0]).mean()) == pytest.approx(STEP, rel=0.05)


def test_a_full_step_moves_all_cells_alike() -> None:
    moved = grown(1, full_steps=True)[share() > 0]
    assert np.abs(moved) == pytest.approx(STEP)


def test_fine_detail_moves_less_than_coarse() -> None:
    fine = np.indices((48, 48)).sum(axis=0) % 2 * 2.0 - 1
    coarse = np.indices((48, 48)).sum(axis=0) // 12 % 2 * 2.0 - 1
    both = np.asarray(fine + coarse, np.float32)
    blank = np.zeros((48, 48), np.float32)
    texture = stepped(blank, both, np.ones_like(both), step=STEP, epsilon=EPSILON)
    assert 1.3 < (texture * coarse).sum() / (texture * fine).sum() < 1.6


@pytest.mark.parametrize("radius", [0.5, RADIUS])
def test_a_texture_grows_into_its_ball_and_no_further(radius: float) -> None:
    assert energy(grown(3, radius=10)) > 0.4
    for stages in (30, 60):
        assert energy(grown(stages, radius=radius)) == pytest.approx(radius, rel=1e-3)


def test_no_cell_peaks_above_four_budgets() -> None:
    lonely = np.zeros((48, 48), np.float32)
    lonely[20, 20] = 1
    texture = np.zeros((48, 48), np.float32)
    for _ in range(40):
        texture = stepped(texture, lonely, share(), step=STEP, epsilon=EPSILON)
    assert np.abs(texture).max() == pytest.approx(4 * EPSILON, rel=1e-3)


def test_what_nobody_needs_any_more_shrinks_away() -> None:
    texture = grown(40)
    old = float((texture * field()).sum())
    for _ in range(40):
        texture = stepped(texture, field(1), share(), step=STEP, epsilon=EPSILON)
    assert abs(float((texture * field()).sum())) < 0.2 * old


def test_without_a_direction_nothing_changes() -> None:
    texture = grown(5)
    for momentum, where in ((np.zeros_like(texture), share()), (field(), np.zeros_like(texture))):
        assert stepped(texture, momentum, where, step=STEP, epsilon=EPSILON) is texture


def test_what_a_real_face_wears_is_hardly_seen(
    astronaut: Pixels, still_faces: MediaPipeFaces, surrogate: OnnxSurrogate
) -> None:
    """As SSIM is measured for the documents, which say 0.955 for the mean of many faces."""
    face = replace(still_faces.find(astronaut)[0], track=0)
    works = ChainOverTime(surrogate, ChainSettings())
    for _ in range(30):
        found = works.perturb_faces(astronaut, [face])
    part = face.box.slices()
    before, after = (
        cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)[part]
        for pixels in (astronaut, compose(astronaut, [face], found, 6))
    )
    likeness = structural_similarity(
        before, after, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert likeness > 0.955
