"""The small parts of the chain over time: whose texture, which scene, how long."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from camfilter.chain_recipe import Recipe
from camfilter.decoy import Decoys
from camfilter.expressions import EXPRESSIONS
from camfilter.frames import Pixels
from camfilter.over_time import ChainOverTime, _alike
from camfilter.settings import ChainSettings
from camfilter.surrogate.base import Crops, Stage, StageResult
from camfilter.surrogate.ensemble import Ensemble
from camfilter.surrogate.reading import softmax
from camfilter.turns import Turns
from camfilter.views import ViewRange
from fakes import LinearSurrogate, face_at, noise


def chain(**values: object) -> ChainOverTime:
    return ChainOverTime(LinearSurrogate(16), ChainSettings.of(values))


def test_each_face_has_a_texture_of_its_own() -> None:
    face = face_at(40, 40, 30)
    faces = [face, replace(face, track=0), face, replace(face, track=5), replace(face, track=1)]
    keys = [key for key, _ in chain()._keyed(faces)]
    assert keys == [-1, 0, -3, 5, 1]
    works = chain()
    works.perturb_faces(noise(160, 120), faces)
    assert len(works._worn) == 5


def test_a_scene_is_the_same_in_another_light_and_not_when_it_only_resembles() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 0.1, (2, 64, 64)).astype(np.float32)
    assert _alike(one, 0.5 * one + 0.3)
    assert not _alike(one, other)
    assert not _alike(one, -one)
    assert not _alike(one, 0.1 * one + other)  # a correlation of a tenth
    assert _alike(one, 0.4 * one + other)
    assert _alike(np.full_like(one, 0.5), other)  # nothing can be said of a plain wall


def share(missed: int, **values: object) -> float:
    """Share of the budget in the middle of a face with much texture."""
    works, pixels = chain(mode="neutral", **values), noise(160, 120)
    face = replace(face_at(60, 60, 50), track=0)
    works.perturb_faces(pixels, [face])
    (state,) = works._worn.values()
    found = works._share(state, replace(face, missed_frames=missed))
    assert found.shape == state.texture.shape
    return float(found[16:32, 16:32].max())


@pytest.mark.parametrize(("missed", "left"), [(0, 1.0), (5, 1.0), (8, 0.7), (15, 0.4), (99, 0.4)])
def test_a_texture_fades_on_a_face_that_is_not_seen(missed: int, left: float) -> None:
    assert share(missed, epsilon="8 levels") == pytest.approx(left * share(0, epsilon="8 levels"))


def test_what_is_left_survives_rounding() -> None:
    for epsilon in ("0.6 levels", "1 level", "2 levels"):
        works = chain(epsilon=epsilon, chain_length=30)
        most_levels = float(works._press()) * works.settings.epsilon * 255
        assert share(99, epsilon=epsilon) * most_levels >= 0.99


def test_new_faces_share_the_first_stages() -> None:
    works = chain(chain_length=20)
    faces = [replace(face_at(40 + 60 * i, 50, 40), track=i) for i in range(2)]
    works.perturb_faces(noise(160, 120), faces)
    stages = [state.stages for state in works._worn.values()]
    alone = chain(chain_length=20)
    alone.perturb_faces(noise(160, 120), faces[:1])
    (first,) = (state.stages for state in alone._worn.values())
    assert stages[0] == stages[1] == first // 2


def test_what_is_believed_of_a_face_stays_a_distribution() -> None:
    works = chain()
    for index in range(30):
        works.perturb_faces(
            noise(160, 120, seed=index % 2), [replace(face_at(60, 60, 50), track=3)]
        )
    (state,) = works._worn.values()
    assert state.beliefs.sum(axis=-1) == pytest.approx(np.ones(state.beliefs.shape[:-1]), abs=1e-4)
    assert (state.beliefs >= 0).all()


def test_the_least_share_is_one_level_where_nothing_hides_a_change() -> None:
    works, pixels = chain(epsilon="2 levels", mode="neutral"), np.full((120, 160, 3), 120, np.uint8)
    face = replace(face_at(60, 60, 50), track=0)
    works.perturb_faces(pixels, [face])
    (state,) = works._worn.values()
    assert works._share(state, face) * 2 * works._press() == pytest.approx(np.ones((48, 48)))


@pytest.mark.parametrize(("chain_length", "first"), [(1, 2), (5, 12), (10, 24), (30, 24)])
def test_a_new_face_gets_many_stages_at_once_and_steps_have_their_size(
    chain_length: int, first: int
) -> None:
    works = chain(mode="neutral", chain_length=chain_length, step="0.2 levels")
    works.perturb_faces(noise(160, 120), [replace(face_at(60, 60, 50), track=0)])
    (state,) = works._worn.values()
    assert state.stages == first
    most = float(np.abs(state.texture).max()) * 255
    assert 0.2 * first < most <= 2.5 * 0.2 * first


class Reader(LinearSurrogate):
    """Counts what it reads, but for what its own stages read."""

    def __init__(self, seed: int) -> None:
        super().__init__(16, seed)
        self.read_count = 0

    def read(self, pictures: Crops) -> np.ndarray:
        self.read_count += 1
        return super().read(pictures)

    def take(self, stage: Stage) -> StageResult:
        before = self.read_count
        result = super().take(stage)
        self.read_count = before
        return result


def test_surrogates_read_the_clean_face_in_turn() -> None:
    members = [Reader(seed) for seed in (1, 2, 3)]
    works = ChainOverTime(Ensemble(members), ChainSettings.of({"mode": "neutral"}))
    counts = []
    for _ in range(20):
        works.perturb_faces(noise(160, 120), [replace(face_at(60, 60, 50), track=0)])
        works.catch_up()
        counts.append(tuple(member.read_count for member in members))
    assert set(counts[:6]) == {(1, 1, 1)}  # all of them once, when the face is new
    assert sum(counts[6]) == 4
    assert sum(counts[12]) == 5
    assert counts[-1] == (2, 2, 2)


def test_another_aim_begins_with_a_momentum_of_its_own() -> None:
    works = chain(mode="targeted", targets="fear,anger", chain_length=40)
    works.perturb_faces(noise(160, 120), [replace(face_at(60, 60, 50), track=0)])
    (state,) = works._worn.values()
    assert state.stages == 24
    # Twenty stages approached fear and four anger; each adds a gradient whose size is one.
    assert float(np.abs(state.momentum).sum()) <= 1 + 0.8 + 0.8**2 + 0.8**3 + 1e-4
    assert (state.aim, state.aimed_at_stage) == (EXPRESSIONS.index("anger"), 20)


def test_a_stage_sees_the_face_with_the_change_it_wears() -> None:
    surrogate = LinearSurrogate(16)
    straight = Recipe(reach=ViewRange(0, 0, 0, 0), masked=False)
    works = ChainOverTime(surrogate, ChainSettings.of({"mode": "neutral"}), recipe=straight)
    face, pixels = replace(face_at(60, 60, 50), track=0), noise(160, 120)
    for _ in range(12):
        found = works.perturb_faces(pixels, [face])
    works.perturb_faces(pixels, [face])
    seen, clean = surrogate.stages[-1].picture[0], surrogate.stages[0].picture[0]
    change = cv2.resize(found.delta[0], (16, 16), interpolation=cv2.INTER_AREA)
    assert np.abs(seen - clean).max() <= 6 / 255 + 1e-6
    assert np.corrcoef((seen - clean).ravel(), change.ravel())[0, 1] > 0.9


def test_the_face_that_comes_next_starts_with_what_the_lost_one_wore() -> None:
    works, pixels = chain(mode="neutral"), noise(160, 120)
    one, other = (replace(face_at(60, 60, 50), track=track) for track in (0, 9))
    for _ in range(5):
        works.perturb_faces(pixels, [one])
    works.catch_up()
    (before,) = (state.texture.copy() for state in works._worn.values())
    works.perturb_faces(pixels, [replace(face_at(110, 60, 30), track=4)])
    assert list(works._worn) == [4]
    assert works._lost is not None
    assert np.array_equal(works._lost.texture, before)
    texture = works._start(works._worn[4].seen, works._lost).texture
    assert np.array_equal(texture, before)
    assert texture is not works._lost.texture
    works.perturb_faces(pixels, [other])
    assert list(works._worn) == [9]


def test_what_a_lost_face_wore_is_forgotten_after_ten_seconds() -> None:
    works, pixels = chain(mode="neutral", chain_length=1), noise(80, 60)
    works._frame = 1000  # of a call that has gone on for a while
    works.perturb_faces(pixels, [replace(face_at(30, 30, 24), track=0)])
    stays = [replace(face_at(50, 30, 24), track=1)]
    for _ in range(300):
        works.perturb_faces(pixels, stays)
    assert works._lost is not None
    works.perturb_faces(pixels, stays)
    assert works._lost is None


@pytest.mark.parametrize(
    ("stages", "aimed_at", "turned", "wanted"),
    [
        (49, 0, 60, 1.0),
        (50, 20, 0, 2 / 3),
        (70, 40, 0, 2 / 3),
        (80, 20, 0, 2 / 3),
        (50, 30, 4, 2 / 3),
        (50, 30, 60, 0.1 * 2 / 3),
        (9999, 0, 0, 2 / 3),
    ],
)
def test_the_step_is_small_once_all_are_turned_and_no_sooner(
    stages: int, aimed_at: int, turned: int, wanted: float
) -> None:
    """Of two surrogates one is turned for so many stages; a need of a half still counts whole."""
    works = ChainOverTime(
        Ensemble([LinearSurrogate(16), LinearSurrogate(16, seed=2)]), ChainSettings()
    )
    works.perturb_faces(noise(160, 120), [replace(face_at(60, 60, 50), track=0)])
    (state,) = works._worn.values()
    state.turns, state.stages, state.aimed_at_stage = Turns(2), stages, aimed_at
    for _ in range(turned):
        state.turns.hear(0, turned=True)
        state.turns.hear(1, turned=turned > 4)
    step = works._step(state)
    assert step / works.settings.step_size == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize(
    ("per_frame", "after"), [(0.25, 5), (0.1, 2), (1, 20 + 13), (2, 40 - 3 + 9)]
)
def test_stages_are_paid_out_over_the_frames(per_frame: float, after: int) -> None:
    """At two a frame, each sixth frame reads in place of one of them; a young one gets one more."""
    works = chain(mode="neutral", stages_per_frame=per_frame)
    face = [replace(face_at(60, 60, 50), track=0)]
    works.perturb_faces(noise(160, 120), face)
    (state,) = works._worn.values()
    first = state.stages
    for _ in range(20):
        works.perturb_faces(noise(160, 120), face)
    works.catch_up()
    assert state.stages - first == pytest.approx(after, abs=1)


@pytest.mark.parametrize("decoys", [True, False])
def test_without_decoys_a_stage_only_leaves_the_truth(decoys: bool) -> None:
    surrogate = LinearSurrogate(16)
    works = ChainOverTime(surrogate, ChainSettings(), recipe=Recipe(decoys=decoys))
    works.perturb_faces(noise(160, 120), [replace(face_at(60, 60, 50), track=0)])
    (state,) = works._worn.values()
    truth = int(state.beliefs[0].argmax())
    for stage in surrogate.stages:
        assert stage.label[0, truth] == -1
        assert stage.label[0].max() == (1 if decoys else 0)


@pytest.mark.parametrize(
    ("epsilon", "press"), [("6 levels", 1.7), ("1 level", 1.7), ("0.5 levels", 3)]
)
def test_a_small_budget_is_pressed_to_a_level_and_a_half(epsilon: str, press: float) -> None:
    assert chain(epsilon=epsilon)._press() == pytest.approx(press)


def test_what_a_stage_sees_is_a_picture() -> None:
    surrogate = LinearSurrogate(16)
    works = ChainOverTime(surrogate, ChainSettings.of({"mode": "neutral"}))
    pixels = np.where(noise(160, 120) > 128, 255, 0).astype(np.uint8)
    for _ in range(4):
        works.perturb_faces(pixels, [replace(face_at(60, 60, 50), track=0)])
    for stage in surrogate.stages:
        assert 0 <= stage.picture.min() < stage.picture.max() <= 1


def test_the_stage_of_each_frame_waits_until_that_is_out_and_is_taken_once() -> None:
    early, late = (chain(mode="neutral") for _ in range(2))
    face, pixels = [replace(face_at(60, 60, 50), track=0)], noise(160, 120)
    for frame in range(9):
        one, other = (works.perturb_faces(pixels, face) for works in (early, late))
        assert np.array_equal(one.delta, other.delta)
        (state,) = early._worn.values()
        before = state.stages
        early.catch_up()
        early.catch_up()
        assert state.stages - before == (1 if frame else 0)


def test_another_mode_drops_the_stages_that_wait() -> None:
    works = chain(mode="neutral")
    for _ in range(2):
        works.perturb_faces(noise(160, 120), [replace(face_at(60, 60, 50), track=0)])
    (state,) = works._worn.values()
    stages = state.stages
    works.follow(ChainSettings.of({"mode": "hide"}))
    works.catch_up()
    assert (state.stages, works._worn) == (stages, {})


def test_two_faces_take_turns_at_one_stage_a_frame() -> None:
    works = chain(mode="neutral", stages_per_frame=1)
    faces = [replace(face_at(40 + 60 * i, 50, 40), track=i) for i in range(2)]
    works.perturb_faces(noise(160, 120), faces)
    first = [state.stages for state in works._worn.values()]
    for _ in range(10):
        works.perturb_faces(noise(160, 120), faces)
    works.catch_up()
    assert [state.stages - 5 - 5 for state in works._worn.values()] == first


class Needing(Turns):
    """Turns of surrogates that need as much as is said, whatever they read."""

    wanted = 0.0

    @property
    def need(self) -> float:
        return self.wanted


@pytest.mark.parametrize(
    ("need", "stages", "faces", "taken"),
    [
        (0.05, 60, 1, 4),
        (0.15, 60, 1, 12),
        (0.15, 90, 1, 4),
        (0.05, 10, 1, 24),
        (0.05, 60, 2, 6),
        (0.05, 60, 3, 10),
    ],
    ids=["settled", "in need", "in need for long", "young", "two settled", "three settled"],
)
def test_a_settled_face_takes_a_stage_in_every_third_frame_at_most(
    need: float, stages: int, faces: int, taken: int
) -> None:
    works = chain(mode="neutral", stages_per_frame=1)
    there = [replace(face_at(30 + 40 * i, 50, 30), track=i) for i in range(faces)]
    works.perturb_faces(noise(160, 120), there)
    states = list(works._worn.values())
    for state in states:
        state.turns, state.stages = Needing(1), stages
        state.turns.wanted = need
    for _ in range(12):
        works.perturb_faces(noise(160, 120), there)
    works.catch_up()
    assert sum(state.stages - stages for state in states) == taken


@pytest.mark.parametrize(
    ("aimed_at", "changed_at", "taken"),
    [(100, 100, 4), (170, 100, 12), (100, 170, 12)],
    ids=["both long ago", "another aim", "another expression"],
)
def test_a_face_in_need_rests_only_long_after_its_newest_aim_and_its_newest_expression(
    aimed_at: int, changed_at: int, taken: int
) -> None:
    works, there = chain(mode="neutral"), [replace(face_at(30, 50, 30), track=0)]
    works.perturb_faces(noise(160, 120), there)
    (state,) = works._worn.values()
    state.turns, state.stages, state.aimed_at_stage = Needing(1), 200, aimed_at
    state.turns.wanted = 0.15
    state.haste.begin(changed_at)
    for _ in range(12):
        works.perturb_faces(noise(160, 120), there)
    works.catch_up()
    assert state.stages - 200 == taken


@pytest.mark.parametrize(
    ("need", "moving", "taken"),
    [(0.15, True, 12), (0.15, False, 4), (0.05, True, 4)],
    ids=["not turned", "not turned but still", "turned"],
)
def test_while_its_skin_moves_a_face_must_be_turned_to_rest(
    need: float, moving: bool, taken: int
) -> None:
    works, there = chain(mode="neutral"), [replace(face_at(30, 50, 30), track=0)]
    works.perturb_faces(noise(160, 120), there)
    (state,) = works._worn.values()
    state.turns, state.stages = Needing(1), 200
    state.turns.wanted = need
    rows, columns = np.mgrid[0:48, 0:48].astype(np.float32)
    at_rest = np.stack([columns, rows], axis=-1)
    for frame in range(12):
        moved = at_rest if moving and frame % 5 == 0 else None
        state.skin = SimpleNamespace(moved=lambda _crop, moved=moved: moved)
        works.perturb_faces(noise(160, 120), there)
    works.catch_up()
    assert state.stages - 200 == taken


def test_without_rest_a_settled_face_takes_a_stage_in_every_frame() -> None:
    works = ChainOverTime(
        LinearSurrogate(16), ChainSettings.of({"mode": "neutral"}), recipe=Recipe(rests=False)
    )
    there = [replace(face_at(60, 60, 50), track=0)]
    works.perturb_faces(noise(160, 120), there)
    (state,) = works._worn.values()
    state.turns, state.stages = Needing(1), 60
    for _ in range(12):
        works.perturb_faces(noise(160, 120), there)
    works.catch_up()
    assert state.stages - 60 == 12


def test_a_new_reading_counts_two_fifths() -> None:
    works, face = chain(mode="neutral"), replace(face_at(60, 60, 50), track=0)
    pixels = noise(160, 120)
    works.perturb_faces(pixels, [face])
    (state,) = works._worn.values()
    before = state.beliefs.copy()
    brighter = np.clip(pixels.astype(int) // 2 + 60, 0, 255).astype(np.uint8)
    for _ in range(6):
        works.perturb_faces(brighter, [face])
    works.catch_up()
    crop = cv2.resize(state.seen, (16, 16), interpolation=cv2.INTER_AREA)
    now = softmax(works.surrogate.read(crop[None]))
    assert not np.allclose(before, now, atol=0.02)
    assert state.beliefs == pytest.approx(0.6 * before + 0.4 * now, abs=1e-5)


def test_a_new_face_wears_the_lost_texture_in_its_first_frame_and_after_a_cut_it_does_not() -> None:
    pixels, other = noise(160, 120), noise(160, 120, seed=5)
    worn = []
    for lost in (True, False):
        works = chain(mode="neutral", chain_length=1)
        if lost:
            for _ in range(30):
                works.perturb_faces(pixels, [replace(face_at(60, 60, 50), track=0)])
            old = works._worn[0].texture.copy()
        works.perturb_faces(pixels, [replace(face_at(60, 60, 50), track=1)])
        worn.append(works._worn[1].texture)
    assert np.corrcoef(worn[0].ravel(), old.ravel())[0, 1] > 0.8
    assert np.corrcoef(worn[1].ravel(), old.ravel())[0, 1] < 0.6
    works._lost = works._start(works._worn[1].seen, None)
    works._lost.texture[:] = 1
    works._lost.frame = works._frame
    works.perturb_faces(other, [replace(face_at(60, 60, 50), track=1)])  # another scene
    assert works._worn[1].texture.max() < 0.5


def test_between_turned_and_not_the_step_is_in_between() -> None:
    works = ChainOverTime(
        Ensemble([LinearSurrogate(16), LinearSurrogate(16, seed=2)]), ChainSettings()
    )
    works.perturb_faces(noise(160, 120), [replace(face_at(60, 60, 50), track=0)])
    (state,) = works._worn.values()
    state.turns, state.stages, state.aimed_at_stage = Turns(2), 60, 40
    for _ in range(60):
        state.turns.hear(0, turned=True)
    state.turns.hear(1, turned=True)
    share = works._step(state) / works.settings.step_size
    assert share == pytest.approx(2 / 3 * 2 * 0.35, rel=1e-3)


@pytest.mark.parametrize(("turned", "wanted"), [(0, 1.5), (60, 0.1 * 2 / 3)])
def test_for_a_new_expression_steps_are_large_until_it_is_hidden(
    turned: int, wanted: float
) -> None:
    works = chain()
    works.perturb_faces(noise(160, 120), [replace(face_at(60, 60, 50), track=0)])
    (state,) = works._worn.values()
    state.turns, state.stages, state.aimed_at_stage = Turns(1), 400, 300
    state.haste.begin(400)
    for _ in range(turned):
        state.turns.hear(0, turned=True)
    assert works._step(state) / works.settings.step_size == pytest.approx(wanted, rel=1e-3)
    state.stages, state.turns = 424, Turns(1)
    assert works._step(state) / works.settings.step_size == pytest.approx(2 / 3, rel=1e-3)


def test_a_new_expression_begins_with_a_momentum_of_its_own() -> None:
    works, face = chain(mode="neutral"), [replace(face_at(60, 60, 50), track=0)]
    works.perturb_faces(soft(0), face)
    (state,) = works._worn.values()
    assert state.momentum.any()
    state.reading.beliefs = np.roll(state.reading.beliefs, 1, axis=1)  # it read something else
    state.seen = soft(5)[:64, :64, 0].astype(np.float32) / 255
    assert works._read_changed([state])
    assert not state.momentum.any()


def test_faces_draw_their_decoys_apart_and_a_face_the_same_one_again() -> None:
    """Otherwise all faces of all calls would share one, and who cannot have it would stand out."""
    works = chain()
    crops = np.random.default_rng(0).random((24, 64, 64)).astype(np.float32)
    unread = np.full((1, 8), 0.1, np.float32)
    unread[0, EXPRESSIONS.index("happiness")] = 0.3
    drawn = [works._start(crop, None).decoys.away_from(unread) for crop in crops]
    assert 4 <= sum(EXPRESSIONS[decoy or 0] == "anger" for decoy in drawn) <= 20
    first = [chain()._start(crop, None).decoys.away_from(unread) for crop in crops]
    assert first == [chain()._start(crop, None).decoys.away_from(unread) for crop in crops]
    assert len(set(first)) == 2


def soft(seed: int) -> Pixels:
    """A picture whose coarse look differs from that of every other seed."""
    small = np.random.default_rng(seed).integers(60, 200, (12, 16, 1), dtype=np.uint8)
    wide = cv2.resize(small, (160, 120), interpolation=cv2.INTER_CUBIC)
    return np.repeat(wide[..., None], 3, axis=2)


@pytest.mark.parametrize(
    ("per_frame", "rereads"), [(1, 10), (2, 10), (0.5, 10), (0.25, 10), (0.2, 3)]
)
def test_a_face_that_always_changes_is_read_in_every_second_frame_but_on_the_slowest_machine(
    per_frame: float, rereads: int
) -> None:
    works = chain(mode="neutral", stages_per_frame=per_frame)
    face = [replace(face_at(60, 60, 50), track=0)]
    mixed = [cv2.addWeighted(soft(0), 0.7, soft(seed), 0.3, 0) for seed in range(1, 22)]
    works.perturb_faces(mixed[0], face)
    (state,) = works._worn.values()
    frames = []
    for pixels in mixed[1:]:
        works.perturb_faces(pixels, face)
        works.catch_up()
        frames.append(state.reread_frame)
    assert len(set(frames) - {-2}) == pytest.approx(rereads, abs=1)


def test_of_several_changing_faces_one_is_read_in_a_frame() -> None:
    surrogate = LinearSurrogate(16)
    works = ChainOverTime(surrogate, ChainSettings.of({"mode": "neutral"}))
    faces = [replace(face_at(40, 60, 40), track=0), replace(face_at(110, 60, 40), track=1)]
    works.perturb_faces(soft(0), faces)
    for seed in range(1, 9):
        works.perturb_faces(cv2.addWeighted(soft(0), 0.7, soft(seed), 0.3, 0), faces)
        before = surrogate.reads
        stages = len(surrogate.stages)
        works.catch_up()
        taken = len(surrogate.stages) - stages
        assert surrogate.reads - before - taken * 3 <= 1  # a stage of this fake reads three times


@pytest.mark.parametrize("who", [0, 1])
def test_of_two_faces_the_one_whose_expression_changes_is_read_at_once(who: int) -> None:
    works = chain(mode="neutral")
    faces = [replace(face_at(40, 60, 40), track=0), replace(face_at(110, 60, 40), track=1)]
    for _ in range(12):
        works.perturb_faces(soft(0), faces)
    works.catch_up()
    now, box = soft(0), faces[who].box
    near = slice(box.left - 8, box.right + 8)
    now[:, near] = cv2.addWeighted(soft(0), 0.6, soft(3), 0.4, 0)[:, near]
    changed, same = works._worn[who], works._worn[1 - who]
    before = same.beliefs.copy()
    works.perturb_faces(now, faces)
    assert works._worn[who] is changed, "it is no other face"
    small = cv2.resize(changed.seen, (16, 16), interpolation=cv2.INTER_AREA)
    assert changed.beliefs == pytest.approx(softmax(works.surrogate.read(small[None])), abs=1e-5)
    assert np.array_equal(same.beliefs, before)


def test_a_face_that_stays_the_same_is_not_read_again_by_all() -> None:
    works, face = chain(mode="neutral"), [replace(face_at(60, 60, 50), track=0)]
    for _ in range(20):
        works.perturb_faces(soft(0), face)
    works.catch_up()
    (state,) = works._worn.values()
    assert state.reread_frame < 0


class Listening(Decoys):
    """A decoy that is told of every stage."""

    stages = 0

    def hear(self, surrogate: int, *, truth_is_read: bool) -> None:
        self.stages += 1


@pytest.mark.parametrize("judged", [True, False])
def test_a_decoy_is_judged_by_every_stage_unless_it_shall_stay(judged: bool) -> None:
    works = ChainOverTime(LinearSurrogate(16), ChainSettings(), recipe=Recipe(judged=judged))
    there = [replace(face_at(60, 60, 50), track=0)]
    works.perturb_faces(noise(160, 120), there)
    (state,) = works._worn.values()
    state.decoys, before = Listening(np.random.default_rng(0)), state.stages
    for _ in range(5):
        works.perturb_faces(noise(160, 120), there)
    works.catch_up()
    assert state.stages > before
    assert state.decoys.stages == (state.stages - before if judged else 0)


def test_who_only_leaves_what_each_surrogate_reads_keeps_its_momentum() -> None:
    both = Ensemble([LinearSurrogate(16), LinearSurrogate(16, seed=2)])
    works = ChainOverTime(both, ChainSettings(), recipe=Recipe(decoys=False))
    works.perturb_faces(noise(160, 120), [replace(face_at(60, 60, 50), track=0)])
    (state,) = works._worn.values()
    state.reading.beliefs = np.eye(8, dtype=np.float32)[:2] * 0.9 + np.float32(0.01)
    for _ in range(4):  # one surrogate leaves neutral, and the other one happiness
        works._stage(state, np.ones((48, 48), np.float32))
    assert state.stages - state.aimed_at_stage == state.stages
