"""The chain over time: a texture that stays with each face."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from camfilter.chain import Perturbation
from camfilter.compose import compose
from camfilter.expressions import EXPRESSIONS
from camfilter.faces.base import Face
from camfilter.frames import Pixels
from camfilter.over_time import ChainOverTime
from camfilter.settings import ChainSettings
from camfilter.surrogate.base import Stage, StageResult
from camfilter.surrogate.reading import softmax
from fakes import LinearSurrogate, face_at, noise

SIZE = (240, 200)


def scene(shift_px: float = 0.0, seed: int = 0) -> Pixels:
    """A soft random picture, moved to the right by so many pixels."""
    soft = cv2.GaussianBlur(noise(*SIZE, seed=seed), (0, 0), 3)
    matrix = np.array([[1, 0, shift_px], [0, 1, 0]], np.float64)
    soft = np.clip(4.0 * (soft.astype(np.float32) - 120) + 120, 0, 255)  # as much contrast as skin
    return np.asarray(cv2.warpAffine(soft, matrix, SIZE, borderMode=cv2.BORDER_REFLECT), np.uint8)


def face(shift_px: float = 0.0, **other: object) -> Face:
    return face_at(100 + shift_px, 100, 90, track=other.pop("track", 0), **other)


def chain(*, seed: int = 0, **values: object) -> ChainOverTime:
    return ChainOverTime(LinearSurrogate(48), ChainSettings.of(values), seed=seed)


def run(works: ChainOverTime, frames: int, **other: object) -> list[Perturbation]:
    return [works.perturb_faces(scene(), [face(**other)]) for _ in range(frames)]


def levels(found: Perturbation) -> np.ndarray:
    return found.delta[0] * 255


def test_the_first_frame_is_protected_already() -> None:
    (found,) = run(chain(), 1)
    assert np.abs(levels(found)).max() > 2


@pytest.mark.parametrize("fails_at", [1, 2, 20])
def test_a_fault_in_the_first_stages_does_not_cost_the_rest_of_them(fails_at: int) -> None:
    class Hiccuping(LinearSurrogate):
        def take(self, stage: Stage) -> StageResult:
            found = super().take(stage)
            if len(self.stages) == fails_at:
                raise RuntimeError("The session hiccuped.")
            return found

    surrogate = Hiccuping(48)
    works = ChainOverTime(surrogate, ChainSettings())
    with pytest.raises(RuntimeError):
        works.perturb_faces(scene(), [face()])
    before = len(surrogate.stages)
    works.perturb_faces(scene(), [face()])
    assert len(surrogate.stages) - before >= 24


def test_the_change_stays_within_the_budget_for_ever() -> None:
    works = chain(epsilon="4 levels")
    for _ in range(60):
        raw = scene()
        found = works.perturb_faces(raw, [face()])
        changed = compose(raw, [face()], found, works.settings.budget_levels).astype(int) - raw
        assert 1 <= np.abs(changed).max() <= 4


@pytest.mark.parametrize("epsilon", ["0.6 levels", "1 level", "2 levels"])
def test_a_small_budget_is_not_masked_away_on_smooth_skin(epsilon: str) -> None:
    works, raw = chain(epsilon=epsilon), np.full((200, 240, 3), 130, np.uint8)
    for _ in range(3):
        found = works.perturb_faces(raw, [face()])
        changed = compose(raw, [face()], found, works.settings.budget_levels) != raw
        assert changed[face().box.slices()].mean() > 0.1


def test_the_change_settles() -> None:
    found = run(chain(mode="neutral"), 80)
    early = np.abs(levels(found[2]) - levels(found[1])).mean()
    late = np.abs(levels(found[-1]) - levels(found[-2])).mean()
    assert late < early / 3


def test_what_is_read_moves_towards_the_goal() -> None:
    works = chain(mode="targeted", targets="fear")
    found = run(works, 40)
    surrogate = works.surrogate
    fear = EXPRESSIONS.index("fear")
    (state,) = works._worn.values()
    small = cv2.resize(state.seen, (48, 48), interpolation=cv2.INTER_AREA)
    before = softmax(surrogate.read(small[None]))[0, fear]
    after = softmax(surrogate.read((small + found[-1].delta[0])[None]))[0, fear]
    assert after > before + 0.2


def test_the_change_goes_with_the_face() -> None:
    """Carried by 20 px it is nearly the same change, 20 px further on."""
    works = chain(mode="neutral")
    for _ in range(40):
        found = works.perturb_faces(scene(), [face()])
    moved = works.perturb_faces(scene(20), [face(20)])
    assert np.corrcoef(levels(found).ravel(), levels(moved).ravel())[0, 1] > 0.95
    still = compose(scene(), [face()], found, 6).astype(int) - scene()
    further = compose(scene(20), [face(20)], moved, 6).astype(int) - scene(20)
    ahead = np.corrcoef(still[:, :-20].ravel(), further[:, 20:].ravel())[0, 1]
    assert ahead > 0.9


def test_after_a_cut_the_old_change_is_gone() -> None:
    works = chain(mode="targeted", targets="fear")
    run(works, 40)
    (state,) = works._worn.values()
    old = np.random.default_rng(0).choice([-0.05, 0.05], (48, 48)).astype(np.float32)
    state.texture = old
    new = works.perturb_faces(scene(seed=1), [face()])
    assert abs(np.corrcoef(old.ravel(), levels(new).ravel())[0, 1]) < 0.1
    assert np.abs(levels(new)).max() > 2
    (state,) = works._worn.values()
    assert state.stages == 24


def test_a_face_that_was_lost_for_a_moment_wears_it_again() -> None:
    works = chain(mode="neutral")
    before = run(works, 30)[-1]
    works.perturb_faces(scene(), [face_at(40, 150, 40, track=7)])
    after = works.perturb_faces(scene(), [face(track=8)])
    assert np.corrcoef(levels(before).ravel(), levels(after).ravel())[0, 1] > 0.4


def test_the_change_fades_on_a_face_that_is_only_remembered() -> None:
    works = chain(mode="neutral")
    run(works, 30)
    size = [
        np.abs(levels(works.perturb_faces(scene(), [face(missed_frames=missed)]))).mean()
        for missed in range(1, 16)
    ]
    assert size[4] == pytest.approx(size[0], rel=0.2)
    assert size[-1] < 0.6 * size[0]
    assert np.abs(levels(works.perturb_faces(scene(), [face(missed_frames=15)]))).max() >= 1


def test_stages_are_shared_by_all_faces_and_each_gets_its_turn() -> None:
    surrogate = LinearSurrogate(48)
    works = ChainOverTime(surrogate, ChainSettings.of({"stages_per_frame": 2}), seed=0)
    faces = [face_at(60 + 60 * i, 100, 50, track=i) for i in range(3)]
    works.perturb_faces(scene(), faces)
    surrogate.stages.clear()
    before = [state.stages for state in works._worn.values()]
    for _ in range(6):
        works.perturb_faces(scene(), faces)
        works.catch_up()
    # One frame of six reads a clean face in its place; each young texture makes it one more.
    assert len(surrogate.stages) == 11 + 6
    shares = [state.stages - old for state, old in zip(works._worn.values(), before, strict=True)]
    assert sorted(shares) == [5, 6, 6]


def test_untargeted_never_aims_at_what_is_there() -> None:
    surrogate = LinearSurrogate(48)
    works = ChainOverTime(surrogate, ChainSettings(), seed=3)
    for _ in range(30):
        works.perturb_faces(scene(), [face()])
    (state,) = works._worn.values()
    truth = int(state.beliefs[0].argmax())
    assert all(stage.label[0, truth] <= -1 for stage in surrogate.stages)


def test_the_same_seed_gives_the_same_change() -> None:
    first, second = run(chain(seed=4), 10)[-1], run(chain(seed=4), 10)[-1]
    other = run(chain(seed=5), 10)[-1]
    assert np.array_equal(first.delta, second.delta)
    assert not np.array_equal(first.delta, other.delta)


def test_new_settings_apply_to_the_next_frame() -> None:
    works = chain(epsilon="6 levels", mode="neutral")
    run(works, 20)
    smaller = works.follow(ChainSettings.of({"epsilon": "2 levels", "mode": "neutral"}))
    changed = compose(scene(), [face()], run(smaller, 1)[0], 2).astype(int) - scene()
    assert np.abs(changed).max() == 2
    (state,) = works._worn.values()
    assert state.stages > 20
    another = works.follow(ChainSettings.of({"mode": "targeted", "targets": "fear"}))
    run(another, 1)
    (state,) = works._worn.values()
    assert state.stages == 24


def test_faces_without_a_track_are_protected_too() -> None:
    works = chain()
    unknown = [replace(face(), track=-1), face_at(180, 60, 50, track=-1)]
    found = works.perturb_faces(scene(), unknown)
    assert all(np.abs(delta).max() > 2 / 255 for delta in found.delta)
