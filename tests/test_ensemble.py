"""Several surrogates as one."""

from __future__ import annotations

import numpy as np
import pytest

from camfilter.assembly import open_surrogate
from camfilter.chain import Chain
from camfilter.errors import UnknownSurrogate
from camfilter.settings import ChainSettings
from camfilter.surrogate.ensemble import Ensemble, members_of, resized
from camfilter.surrogate.manifest import Manifest, graphs_folder
from camfilter.surrogate.provider import Provider
from camfilter.surrogate.reading import softmax
from fakes import LinearSurrogate


def some_crops(size_px: int, count: int = 2) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.uniform(0.3, 0.7, (count, size_px, size_px)).astype(np.float32)


def test_it_reads_the_mean_of_its_members() -> None:
    first, second = LinearSurrogate(8, seed=1), LinearSurrogate(8, seed=2)
    crops = some_crops(8)
    mean = (softmax(first.read(crops)) + softmax(second.read(crops))) / 2
    assert np.allclose(softmax(Ensemble([first, second]).read(crops)), mean, atol=1e-5)


def test_members_take_turns() -> None:
    members = [LinearSurrogate(8, seed=1), LinearSurrogate(8, seed=2)]
    both, crops = Ensemble(members), some_crops(8)
    alone = [Chain(one, ChainSettings.of({"chain_length": 1})) for one in members]
    together = Chain(both, ChainSettings.of({"chain_length": 1}))
    masks = np.ones_like(crops)
    label = both.read(crops).argmax(axis=1)
    for one in (alone[0], alone[1], alone[0]):
        expected = one.surrogate.read(crops).argmax(axis=1)
        if (expected == label).all():
            assert np.array_equal(
                together.perturb(crops, masks).delta, one.perturb(crops, masks).delta
            )
        else:
            together.perturb(crops, masks)


def test_a_member_of_another_size_sees_the_same_face_and_stays_in_bounds() -> None:
    small = LinearSurrogate(8, seed=1)
    both = Ensemble([small, LinearSurrogate(16, seed=2)])
    assert both.size_px == 16
    crops = some_crops(16)
    settings = ChainSettings.of({"chain_length": 6, "mode": "targeted", "targets": "anger"})
    delta = Chain(both, settings).perturb(crops, np.ones_like(crops)).delta
    assert 0 < np.abs(delta).max() <= 6 / 255 + 1e-6
    anger = 4
    before = softmax(small.read(resized(crops, 8)))[:, anger]
    after = softmax(small.read(resized(crops + delta, 8)))[:, anger]
    assert (after > before).all()


def test_an_ensemble_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a member"):
        Ensemble([])


def test_all_shipped_surrogates_are_the_default() -> None:
    opened = open_surrogate(provider=Provider.CPU)
    names = Manifest.load(graphs_folder()).attackable
    assert tuple(member.name for member in members_of(opened)) == names
    assert opened.name == "+".join(names)


def test_surrogates_are_chosen_by_name() -> None:
    names = Manifest.load(graphs_folder()).attackable
    assert open_surrogate(names[0], Provider.CPU).name == names[0]
    pair = "+".join(names[:2])
    assert open_surrogate(pair, Provider.CPU).name == pair
    with pytest.raises(UnknownSurrogate, match="nobody"):
        open_surrogate(f"{names[0]}+nobody", Provider.CPU)
