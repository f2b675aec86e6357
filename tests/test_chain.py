from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from camfilter.chain import Chain, scheduled_target
from camfilter.expressions import EXPRESSIONS
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from camfilter.geometry import cut_crop, outline_mask
from camfilter.settings import ChainSettings
from camfilter.surrogate.base import Crops
from camfilter.surrogate.onnx import OnnxSurrogate
from camfilter.surrogate.reading import entropy_bits, softmax
from fakes import LinearSurrogate

EPSILON = 6 / 255


def some_crops(count: int = 1, size_px: int = 8, seed: int = 0) -> Crops:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.3, 0.7, (count, size_px, size_px)).astype(np.float32)


def one_hot(*labels: int) -> NDArray[np.float32]:
    return np.eye(8, dtype=np.float32)[list(labels)]


def chain(surrogate: LinearSurrogate, **values: object) -> Chain:
    return Chain(surrogate, ChainSettings.of(values))


def test_one_stage_is_fgsm() -> None:
    surrogate, crops = LinearSurrogate(), some_crops(3)
    label = one_hot(*surrogate.read(crops).argmax(axis=1))
    wanted = crops + np.float32(EPSILON) * np.sign(surrogate.gradient(crops, label))
    found = chain(surrogate, chain_length=1).perturb(crops, np.ones_like(crops))
    assert np.allclose(crops + found.delta, wanted, atol=1e-6)


def test_each_stage_starts_where_the_one_before_ended() -> None:
    surrogate, crops = LinearSurrogate(), some_crops(2)
    ones = np.ones_like(crops)
    found = chain(surrogate, chain_length=4, momentum=0, step="1 level").perturb(crops, ones)
    label = one_hot(*surrogate.read(crops).argmax(axis=1))
    picture = crops
    for stage in surrogate.stages:
        assert np.allclose(stage.picture, picture, atol=1e-6)
        picture = picture + np.sign(surrogate.gradient(picture, label)) / np.float32(255)
    assert len(surrogate.stages) == 4
    assert np.allclose(crops + found.delta, picture, atol=1e-5)


def test_the_label_stays_frozen_though_the_reading_flips() -> None:
    surrogate, crops = LinearSurrogate(), some_crops()
    clean = surrogate.read(crops).argmax(axis=1)
    found = chain(surrogate, chain_length=20, epsilon="60 levels").perturb(
        crops, np.ones_like(crops)
    )
    readings = [int(surrogate.read(stage.picture).argmax()) for stage in surrogate.stages]
    assert readings[-1] != clean[0]
    assert surrogate.read(crops + found.delta).argmax() != clean[0]
    for stage in surrogate.stages:
        assert np.array_equal(stage.label, one_hot(*clean))


@settings(max_examples=40, deadline=None)
@given(
    levels=st.integers(0, 80),
    length=st.integers(1, 12),
    momentum=st.floats(0, 1),
    step=st.one_of(st.none(), st.integers(1, 255)),
    mode=st.sampled_from(["untargeted", "hide", "neutral"]),
    seed=st.integers(0, 9),
)
def test_the_ball_is_never_left(
    levels: int, length: int, momentum: float, step: int | None, mode: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    crops = rng.uniform(0, 1, (2, 8, 8)).astype(np.float32)
    masks = rng.uniform(0, 1, crops.shape).astype(np.float32)
    masks[:, 0] = 0
    attack = chain(
        LinearSurrogate(),
        epsilon=f"{levels} levels",
        chain_length=length,
        momentum=momentum,
        step=None if step is None else f"{step} levels",
        mode=mode,
    )
    delta = attack.perturb(crops, masks).delta
    assert (np.abs(delta) <= masks * np.float32(levels / 255) + 1e-6).all()
    assert np.abs(delta).max() <= attack.settings.budget + 1e-6
    assert (delta[:, 0] == 0).all()
    assert (crops + delta >= -1e-6).all()
    assert (crops + delta <= 1 + 1e-6).all()


def test_without_projection_the_change_grows_to_chain_length_times_epsilon() -> None:
    # The surrogate's gradient keeps its sign here, so each stage goes the same way.
    surrogate, crops = LinearSurrogate(), some_crops()
    surrogate.weights[1:] = 0
    for length in (1, 3, 7):
        attack = chain(surrogate, projection="none", epsilon="2 levels", chain_length=length)
        delta = attack.perturb(crops, np.ones_like(crops)).delta
        assert np.abs(delta).max() == pytest.approx(length * 2 / 255, abs=1e-5)
        assert np.abs(delta).min() == pytest.approx(length * 2 / 255, abs=1e-5)


def test_without_projection_a_picture_stays_a_picture() -> None:
    surrogate, crops = LinearSurrogate(), some_crops()
    surrogate.weights[1:] = 0
    attack = chain(surrogate, projection="none", epsilon=0.2, chain_length=10)
    seen = crops + attack.perturb(crops, np.ones_like(crops)).delta
    assert seen.min() == pytest.approx(0, abs=1e-6)
    assert seen.max() == pytest.approx(1, abs=1e-6)


def test_untargeted_leaves_the_label_and_the_others_approach_theirs() -> None:
    surrogate, crops = LinearSurrogate(), some_crops(4)
    clean = surrogate.read(crops)
    uniform = np.full((4, 8), 1 / 8, np.float32)
    happiness = one_hot(*[EXPRESSIONS.index("happiness")] * 4)
    wanted = {
        "untargeted": (one_hot(*clean.argmax(axis=1)), 1),
        "hide": (uniform, -1),
        "neutral": (one_hot(0, 0, 0, 0), -1),
        "targeted": (happiness, -1),
    }
    for mode, (label, direction) in wanted.items():
        surrogate.stages.clear()
        targets = "happiness" if mode == "targeted" else ""
        found = chain(surrogate, mode=mode, targets=targets).perturb(crops, np.ones_like(crops))
        for stage in surrogate.stages:
            assert np.allclose(stage.label, label)
            assert (np.sign(stage.step) == direction).all()
        before = surrogate.loss(crops, label)
        after = surrogate.loss(crops + found.delta, label)
        assert (direction * (after - before) > 0).all(), mode


def test_hide_makes_the_surrogate_unsure_and_neutral_makes_it_read_neutral() -> None:
    surrogate, crops = LinearSurrogate(), some_crops(4)
    ones = np.ones_like(crops)
    hidden = crops + chain(surrogate, mode="hide", epsilon=0.2).perturb(crops, ones).delta
    for before, after in zip(
        surrogate.probabilities(crops), surrogate.probabilities(hidden), strict=True
    ):
        assert entropy_bits(after) > entropy_bits(before)
    neutral = crops + chain(surrogate, mode="neutral", epsilon=0.2).perturb(crops, ones).delta
    assert (surrogate.read(neutral).argmax(axis=1) == 0).all()


@pytest.mark.parametrize(
    ("targets", "length", "wanted"),
    [
        ("abcd", 4, "abcd"),
        ("abcd", 8, "aabbccdd"),
        ("ab", 5, "aaabb"),
        ("abc", 10, "aaaabbbccc"),
        ("abcd", 2, "cd"),
        ("abcd", 1, "d"),
        ("a", 3, "aaa"),
    ],
)
def test_a_schedule_is_spread_over_the_chain(targets: str, length: int, wanted: str) -> None:
    names = tuple(targets)
    assert "".join(scheduled_target(names, stage, length) for stage in range(length)) == wanted


@given(st.integers(1, 12), st.integers(1, 200))
def test_any_schedule_keeps_its_order_and_its_last_is_last(names: int, length: int) -> None:
    targets = tuple(f"{name:02}" for name in range(names))
    used = [scheduled_target(targets, stage, length) for stage in range(length)]
    assert used == sorted(used)
    assert used[-1] == targets[-1]
    assert len(set(used)) == min(names, length)


def test_the_schedule_reaches_the_surrogate() -> None:
    surrogate, crops = LinearSurrogate(), some_crops(2)
    attack = chain(
        surrogate, mode="targeted", targets="happiness,sadness,surprise,neutral", chain_length=8
    )
    attack.perturb(crops, np.ones_like(crops))
    used = [EXPRESSIONS[int(stage.label[1].argmax())] for stage in surrogate.stages]
    assert used[::2] == ["happiness", "sadness", "surprise", "neutral"]
    assert used[1::2] == used[::2]


def test_least_likely_is_that_of_the_clean_face_for_each_face() -> None:
    surrogate, crops = LinearSurrogate(), some_crops(6)
    least = surrogate.read(crops).argmin(axis=1)
    assert len(set(least)) > 1
    chain(surrogate, mode="targeted", targets="least-likely", chain_length=5).perturb(
        crops, np.ones_like(crops)
    )
    for stage in surrogate.stages:
        assert np.array_equal(stage.label, one_hot(*least))


def test_momentum_is_handed_from_stage_to_stage() -> None:
    surrogate, crops = LinearSurrogate(), some_crops()
    label = one_hot(*surrogate.read(crops).argmax(axis=1))
    chain(surrogate, chain_length=3, momentum=0.5).perturb(crops, np.ones_like(crops))
    kept = np.zeros_like(crops)
    for stage in surrogate.stages:
        assert np.allclose(stage.momentum, kept, atol=1e-6)
        assert stage.decay == 0.5
        gradient = surrogate.gradient(stage.picture, label)
        kept = 0.5 * kept + gradient / np.abs(gradient).sum()
    assert np.abs(kept).sum() > 1


def test_faces_do_not_mind_each_other() -> None:
    surrogate, crops = LinearSurrogate(), some_crops(4)
    masks = np.random.default_rng(2).uniform(0, 1, crops.shape).astype(np.float32)
    attack = chain(surrogate)
    together = attack.perturb(crops, masks)
    for face in range(4):
        part = slice(face, face + 1)
        alone = attack.perturb(crops[part], masks[part])
        assert np.allclose(alone.delta, together.delta[part], atol=1e-6)
    back = attack.perturb(crops[::-1].copy(), masks[::-1].copy())
    assert np.allclose(back.delta[::-1], together.delta, atol=1e-6)


def test_the_pictures_handed_in_are_left_alone() -> None:
    crops = some_crops(2)
    masks = np.ones_like(crops)
    kept = crops.copy()
    chain(LinearSurrogate()).perturb(crops, masks)
    assert np.array_equal(crops, kept)
    assert (masks == 1).all()


@pytest.fixture(scope="module")
def portraits(
    still_faces: MediaPipeFaces, surrogate: OnnxSurrogate, astronaut: Pixels, hopper: Pixels
) -> tuple[Crops, Crops]:
    """Crops and masks of two real faces."""
    crops, masks = [], []
    for pixels in (astronaut, hopper):
        face = still_faces.find(pixels)[0]
        crops.append(cut_crop(pixels, face, surrogate.size_px))
        masks.append(outline_mask(face, surrogate.size_px))
    return np.stack(crops), np.stack(masks)


def losses(
    surrogate: OnnxSurrogate, crops: Crops, label: NDArray[np.float32]
) -> NDArray[np.float32]:
    return -(label * np.log(softmax(surrogate.read(crops)) + 1e-30)).sum(axis=1)


def test_real_faces_are_fooled_and_more_stages_do_not_weaken(
    surrogate: OnnxSurrogate, portraits: tuple[Crops, Crops]
) -> None:
    crops, masks = portraits
    clean = surrogate.read(crops).argmax(axis=1)
    label = one_hot(*clean)
    loss = [losses(surrogate, crops, label)]
    for length in (1, 2, 4, 8, 16):
        attack = Chain(
            surrogate,
            ChainSettings.of({"chain_length": length, "step": "1 level", "epsilon": "6 levels"}),
        )
        delta = attack.perturb(crops, masks).delta
        assert np.abs(delta).max() <= EPSILON + 1e-6
        loss.append(losses(surrogate, crops + delta, label))
    rises = np.diff(np.stack(loss), axis=0)
    assert (rises[:4] > 0).all()
    assert (rises[4] > -0.1 * loss[4]).all()
    assert (surrogate.read(crops + delta).argmax(axis=1) != clean).all()


def test_modes_do_to_real_faces_what_they_say(
    surrogate: OnnxSurrogate, portraits: tuple[Crops, Crops]
) -> None:
    crops, masks = portraits
    before = softmax(surrogate.read(crops))

    def after(**values: object) -> NDArray[np.float32]:
        delta = Chain(surrogate, ChainSettings.of(values)).perturb(crops, masks).delta
        return softmax(surrogate.read(crops + delta))

    hidden, neutral = after(mode="hide"), after(mode="neutral")
    fear = after(mode="targeted", targets="fear", epsilon="12 levels")
    for face in range(len(crops)):
        assert entropy_bits(hidden[face]) > entropy_bits(before[face]) + 0.5
        assert neutral[face, 0] > max(before[face, 0], 0.5)
        index = EXPRESSIONS.index("fear")
        assert fear[face, index] > before[face, index]
