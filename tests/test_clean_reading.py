"""Beliefs on a clean face: steady while it stays the same, and quick when it does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from camfilter.assembly import open_surrogate
from camfilter.chain import Perturbation
from camfilter.chain_recipe import Recipe
from camfilter.clean_reading import CHANGED, CleanReading
from camfilter.compose import compose
from camfilter.faces.base import Face
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from camfilter.geometry import Crop, cut_crop
from camfilter.over_time import ChainOverTime
from camfilter.settings import ChainSettings
from camfilter.surrogate.base import Surrogate
from camfilter.surrogate.ensemble import members_of
from camfilter.surrogate.provider import Provider

HAPPINESS = 1


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    return open_surrogate(ChainSettings().surrogate, Provider.CPU)


@pytest.fixture(scope="module")
def portraits(
    hopper: Pixels, astronaut: Pixels, still_faces: MediaPipeFaces
) -> tuple[Face, Pixels, Pixels]:
    """A face, its picture, and that of one who smiles, laid onto it."""
    face, smiling = still_faces.find(hopper)[0], still_faces.find(astronaut)[0]
    onto = np.linalg.inv(whole(face)) @ whole(smiling)
    size = (hopper.shape[1], hopper.shape[0])
    laid = cv2.warpAffine(astronaut, onto[:2], size, borderMode=cv2.BORDER_REPLICATE)
    return face, hopper, laid.view(np.uint8)


def whole(face: Face) -> np.ndarray:
    return np.vstack([face.to_unit, [0, 0, 1]])


def crops(portraits: tuple[Face, Pixels, Pixels]) -> tuple[Crop, Crop]:
    face, serious, smiling = portraits
    return cut_crop(serious, face, 64), cut_crop(smiling, face, 64)


@pytest.mark.parametrize("gain", [0.6, 1.0, 1.3])
@pytest.mark.parametrize("noise_levels", [0, 6])
def test_light_and_noise_are_no_news(
    surrogate: Surrogate, portraits: tuple[Face, Pixels, Pixels], gain: float, noise_levels: float
) -> None:
    face, serious, _ = portraits
    reading = CleanReading(members_of(surrogate), cut_crop(serious, face, 64))
    noise = np.random.default_rng(0).normal(0, noise_levels, serious.shape)
    lit = np.clip(gain * (serious * 0.7) + noise, 0, 255).astype(np.uint8)
    assert reading.change(cut_crop(lit, face, 64)) <= CHANGED


def opened(face: Face, pixels: Pixels, size: float) -> Crop:
    """The crop of a face with its mouth open, so large in crops."""
    inverse = cv2.invertAffineTransform(face.to_unit)
    mouth = inverse[:, :2] @ [0.5, 0.77] + inverse[:, 2]
    across = size / np.hypot(*face.to_unit[0, :2])
    middle, axes = (int(mouth[0]), int(mouth[1])), (int(across), int(across / 2))
    dark = cv2.ellipse(pixels.copy(), middle, axes, 0, 0, 360, (20, 20, 40), -1)
    return cut_crop(dark.view(np.uint8), face, 64)


@pytest.mark.parametrize(("size", "news"), [(0.02, False), (0.05, True), (0.12, True)])
def test_an_open_mouth_is_news(
    surrogate: Surrogate, portraits: tuple[Face, Pixels, Pixels], size: float, news: bool
) -> None:
    face, serious, _ = portraits
    reading = CleanReading(members_of(surrogate), cut_crop(serious, face, 64))
    assert (reading.change(opened(face, serious, size)) > CHANGED) == news


def test_of_a_small_change_some_of_the_past_is_kept(
    surrogate: Surrogate, portraits: tuple[Face, Pixels, Pixels]
) -> None:
    members, (face, serious, _) = members_of(surrogate), portraits
    before, now = cut_crop(serious, face, 64), opened(face, serious, 0.05)
    reading = CleanReading(members, before)
    kept = 0.6 * (1 - reading.change(now) / 0.04)
    assert 0.2 < kept < 0.5
    wanted = kept * reading.beliefs + (1 - kept) * CleanReading(members, now).beliefs
    reading.read_again(now)
    assert reading.beliefs == pytest.approx(wanted, abs=1e-5)


def test_another_expression_is_believed_at_once(
    surrogate: Surrogate, portraits: tuple[Face, Pixels, Pixels]
) -> None:
    members, (serious, smiling) = members_of(surrogate), crops(portraits)
    reading = CleanReading(members, serious)
    assert (reading.beliefs.argmax(axis=1) != HAPPINESS).any()
    before = reading.beliefs.argmax(axis=1)
    otherwise = reading.read_again(smiling)
    assert otherwise.any()
    assert np.array_equal(otherwise, reading.beliefs.argmax(axis=1) != before)
    assert reading.beliefs == pytest.approx(CleanReading(members, smiling).beliefs, abs=1e-5)
    assert reading.change(smiling) <= CHANGED
    assert not reading.read_again(smiling).any()


def test_one_reading_of_the_same_face_moves_beliefs_by_two_fifths(
    surrogate: Surrogate, portraits: tuple[Face, Pixels, Pixels]
) -> None:
    members, (serious, smiling) = members_of(surrogate), crops(portraits)
    reading, now = CleanReading(members, serious), CleanReading(members, smiling)
    before = reading.beliefs.copy()
    reading.read_one(2, smiling)
    assert reading.beliefs[2] == pytest.approx(0.6 * before[2] + 0.4 * now.beliefs[2], abs=1e-5)
    assert np.array_equal(np.delete(reading.beliefs, 2, 0), np.delete(before, 2, 0))


def test_where_nothing_is_to_be_seen_nothing_changed(surrogate: Surrogate) -> None:
    blank = np.full((64, 64), 0.5, np.float32)
    reading = CleanReading(members_of(surrogate), blank)
    assert reading.change(blank) == 0
    assert reading.change(np.full((64, 64), 0.2, np.float32)) <= CHANGED


def misread(surrogate: Surrogate, face: Face, raw: Pixels, found: Perturbation) -> float:
    """Share of the surrogates that read another expression in the protected face."""
    changed = compose(raw, [face], found, ChainSettings().budget_levels)
    bare, worn = (
        CleanReading(members_of(surrogate), cut_crop(each, face, 64)).beliefs.argmax(axis=1)
        for each in (raw, changed)
    )
    return float((bare != worn).mean())


def fooled_after_a_smile(
    surrogate: Surrogate, portraits: tuple[Face, Pixels, Pixels], recipe: Recipe
) -> float:
    """Share of the surrogates that misread the face, frames after its smile has gone."""
    face, serious, smiling = portraits
    works = ChainOverTime(surrogate, ChainSettings(), recipe=recipe)
    fooled = []
    for frame in range(40):
        share = float(np.clip((frame - 30) / 2, 0, 1))
        raw = cv2.addWeighted(smiling, 1 - share, serious, share, 0).view(np.uint8)
        found = works.perturb_faces(raw, [face])
        if frame >= 35:
            fooled.append(misread(surrogate, face, raw, found))
        works.catch_up()
    return float(np.mean(fooled))


def test_what_comes_after_a_smile_is_hidden_a_few_frames_later(
    surrogate: Surrogate, portraits: tuple[Face, Pixels, Pixels]
) -> None:
    assert fooled_after_a_smile(surrogate, portraits, Recipe()) >= 0.7
    assert fooled_after_a_smile(surrogate, portraits, Recipe(alert=False)) <= 0.45


def fooled_in_its_first_frame(
    surrogate: Surrogate, portraits: tuple[Face, Pixels, Pixels], recipe: Recipe
) -> float:
    """Share of the surrogates that misread a face in the very frame in which its smile is gone."""
    face, serious, smiling = portraits
    works = ChainOverTime(surrogate, ChainSettings(), recipe=recipe)
    for _ in range(30):
        works.perturb_faces(smiling, [face])
        works.catch_up()
    return misread(surrogate, face, serious, works.perturb_faces(serious, [face]))


def test_another_expression_is_worked_on_before_its_first_frame_is_out(
    surrogate: Surrogate, portraits: tuple[Face, Pixels, Pixels]
) -> None:
    at_once = fooled_in_its_first_frame(surrogate, portraits, Recipe())
    later = fooled_in_its_first_frame(surrogate, portraits, Recipe(at_once=False))
    assert at_once > later


@pytest.mark.parametrize(
    ("stages_per_frame", "at_once"), [(1, (4,)), (0.5, (3, 4)), (0.25, (3, 4)), (0.2, (0,))]
)
def test_a_machine_that_is_short_of_time_hides_what_is_new_as_soon_but_the_slowest_does_not(
    surrogate: Surrogate,
    portraits: tuple[Face, Pixels, Pixels],
    stages_per_frame: float,
    at_once: tuple[int, ...],
) -> None:
    face, serious, smiling = portraits
    works = ChainOverTime(surrogate, ChainSettings.of({"stages_per_frame": stages_per_frame}))
    for _ in range(60):
        works.perturb_faces(smiling, [face])
        works.catch_up()
    (state,) = works._worn.values()
    before = state.stages
    works.perturb_faces(serious, [face])
    assert state.reread_frame == 60
    assert state.stages - before in at_once  # with its turn, or without


@pytest.mark.parametrize("stages_per_frame", [1, 0.25])
def test_a_face_that_is_never_at_rest_takes_what_is_saved_up_and_no_more(
    surrogate: Surrogate, portraits: tuple[Face, Pixels, Pixels], stages_per_frame: float
) -> None:
    face, serious, smiling = portraits
    works = ChainOverTime(surrogate, ChainSettings.of({"stages_per_frame": stages_per_frame}))
    stages = []
    for frame in range(120):
        works.perturb_faces(smiling if frame // 4 % 2 else serious, [face])
        works.catch_up()
        (state,) = works._worn.values()
        stages.append(state.stages)
    later = 89  # no longer young, and what was saved up at first is spent
    in_haste = stages[-1] - stages[-1 - later] - stages_per_frame * later
    assert in_haste == pytest.approx(stages_per_frame * later * 24 / 60, abs=4)
