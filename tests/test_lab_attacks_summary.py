"""The attacks of the summary on real faces, and each formula by another way."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from camfilter.errors import SettingError
from camfilter.lab.attacks import ATTACKS, Classifier, Goal, labels_of
from camfilter.lab.attacks.fgsm import FGSM
from camfilter.lab.attacks.ifgvm import IFGVM
from camfilter.lab.attacks.k_a3 import KA3, similarity
from camfilter.lab.attacks.lbfgs import LBFGS
from camfilter.lab.attacks.one_pixel import OnePixel
from camfilter.lab.attacks.universal import Universal
from camfilter.lab.data import ferplus_part
from camfilter.lab.networks import SurrogateFolder

DATA = Path(os.environ.get("CAMFILTER_DATA", Path(__file__).parents[2] / "shared" / "data"))
needs_faces = pytest.mark.skipif(
    not (DATA / "ferplus_test.npz").is_file(), reason="FER+ is not here"
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def faces() -> Tensor:
    pictures = ferplus_part(DATA / "ferplus_test.npz", 48).pictures[:48]
    return torch.from_numpy(pictures)[:, None].float() / 255


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    network = SurrogateFolder.named("plain48").load().requires_grad_(False)
    return Classifier(network, 8, 48)


def linear(classes: int = 3, size: int = 4, scale: float = 1.0) -> tuple[Classifier, np.ndarray]:
    """Logits W x of a picture, so that every gradient has a closed form."""
    weights = scale * np.random.default_rng(0).normal(size=(classes, size * size))
    layer = nn.Linear(size * size, classes, bias=False)
    layer.weight.data = torch.from_numpy(weights).float()
    return Classifier(nn.Sequential(nn.Flatten(), layer), classes, size), weights


def norm(change: Tensor) -> Tensor:
    return change.flatten(1).norm(dim=1)


def test_ifgvm_steps_by_the_gradient_itself() -> None:
    classifier, weights = linear()
    picture = np.random.default_rng(1).uniform(0.3, 0.7, 16)
    logits = weights @ picture
    target = int(logits.argmin())
    probability = np.exp(logits - logits.max())
    probability /= probability.sum()
    gradient = weights.T @ (probability - np.eye(3)[target])
    expected = np.clip(picture - 0.05 * gradient, 0, 1)
    assert (expected != picture - 0.05 * np.sign(gradient)).any()

    start = torch.from_numpy(picture).float().view(1, 1, 4, 4)
    goal = Goal(torch.tensor([target]), targeted=True)
    changed = IFGVM(step=0.05, steps=1).perturb(classifier, start, goal)
    np.testing.assert_allclose(changed.numpy().ravel(), expected, atol=1e-6)


def test_ifgvm_stops_once_it_is_read_as_wanted() -> None:
    classifier, _ = linear()
    pictures = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    reached = Goal(labels_of(classifier, pictures), targeted=True)
    torch.testing.assert_close(IFGVM().perturb(classifier, pictures, reached), pictures)
    left = Goal(labels_of(classifier, pictures))
    changed = IFGVM(step=0.05, steps=400).perturb(classifier, pictures, left)
    assert left.reached(classifier.read(changed)).all()


def test_lbfgs_comes_near_the_closest_point_of_a_linear_boundary() -> None:
    classifier, weights = linear(classes=2, scale=3.0)
    picture = np.full(16, 0.5)
    across = weights[0] - weights[1]
    # Move it to a margin at which the boundary lies well inside [0, 1].
    picture += across / np.linalg.norm(across) * (0.3 - picture @ across / np.linalg.norm(across))
    start = torch.from_numpy(picture).float().view(1, 1, 4, 4)
    assert 0 < start.min() < start.max() < 1
    goal = Goal(torch.tensor([1]), targeted=True)
    changed = LBFGS(halvings=6).perturb(classifier, start, goal)
    assert goal.reached(classifier.read(changed)).all()
    assert 0.3 <= norm(changed - start).item() <= 0.33


@needs_faces
def test_lbfgs_reaches_its_class_with_less_than_fgsm(classifier: Classifier, faces: Tensor) -> None:
    faces = faces[:3]
    read = classifier.read(faces)
    goal = Goal(read.argsort(dim=1)[:, -2], targeted=True)
    changed = LBFGS(halvings=2, iterations=15).perturb(classifier, faces, goal)
    assert goal.reached(classifier.read(changed)).all()

    leaves = Goal(read.argmax(dim=1))
    least = torch.full((3,), torch.inf)
    for levels in range(40, 0, -1):
        tried = FGSM(levels / 255 / 2).perturb(classifier, faces, leaves)
        done = leaves.reached(classifier.read(tried))
        least[done] = norm(tried - faces)[done]
    assert (norm(changed - faces) < least).all()


@needs_faces
def test_lbfgs_without_a_target_takes_the_runner_up(classifier: Classifier, faces: Tensor) -> None:
    read = classifier.read(faces[:1])
    changed = LBFGS(halvings=0, iterations=10).perturb(
        classifier, faces[:1], Goal(read.argmax(dim=1))
    )
    assert labels_of(classifier, changed).tolist() == read.argsort(dim=1)[:, -2].tolist()


@needs_faces
def test_a_universal_change_is_one_for_all_and_works_on_others(
    classifier: Classifier, faces: Tensor
) -> None:
    labels = labels_of(classifier, faces)
    attack = Universal(epsilon=10 / 255, rounds=4, batch=16)
    seen, unseen = faces[:32], faces[32:]
    delta = attack.learnt(classifier, seen, Goal(labels[:32]))
    assert delta.shape == (1, 1, 48, 48)
    assert delta.abs().max() <= 10 / 255 + 1e-7
    changed = attack.perturb(classifier, seen, Goal(labels[:32]))
    torch.testing.assert_close(changed, (seen + delta).clamp(0, 1))

    fooled = Goal(labels[32:]).reached(classifier.read((unseen + delta).clamp(0, 1)))
    coin = torch.randint(0, 2, delta.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    noise = (unseen + 10 / 255 * coin).clamp(0, 1)
    by_noise = Goal(labels[32:]).reached(classifier.read(noise))
    assert fooled.sum() > by_noise.sum()


@needs_faces
def test_one_pixel_changes_one_pixel_and_lowers_its_class(
    classifier: Classifier, faces: Tensor
) -> None:
    faces = faces[:3]
    labels = labels_of(classifier, faces)
    changed = OnePixel(population=8, generations=3).perturb(classifier, faces, Goal(labels))
    assert (changed != faces).flatten(1).sum(dim=1).tolist() == [1, 1, 1]
    assert changed.min() >= 0
    assert changed.max() <= 1
    rows = torch.arange(3)
    before, after = (
        classifier.read(each).softmax(dim=1)[rows, labels] for each in (faces, changed)
    )
    assert (after < before).all()
    again = OnePixel(population=8, generations=3).perturb(classifier, faces, Goal(labels))
    torch.testing.assert_close(again, changed)


def test_one_pixel_aims_at_a_class() -> None:
    classifier, weights = linear(scale=0.5)
    pictures = np.random.default_rng(2).uniform(size=(50, 16))
    ranked = np.sort(pictures @ weights.T, axis=1)
    picture = pictures[(ranked[:, 2] - ranked[:, 1]).argmin()]
    target = int((weights @ picture).argsort()[-2])
    gains = [
        weights[target] @ moved - max(weights[k] @ moved for k in range(3) if k != target)
        for pixel in range(16)
        for value in (0, 1)
        for moved in [np.where(np.arange(16) == pixel, value, picture)]
    ]
    assert max(gains) > 0, "one pixel must be enough for the test to say anything"
    start = torch.from_numpy(picture).float().view(1, 1, 4, 4)
    goal = Goal(torch.tensor([target]), targeted=True)
    changed = OnePixel().perturb(classifier, start, goal)
    assert goal.reached(classifier.read(changed)).all()
    assert (changed != start).sum() == 1


@needs_faces
@pytest.mark.parametrize("spread", [False, True])
def test_k_a3_deceives_and_shares_the_answer(
    classifier: Classifier, faces: Tensor, spread: bool
) -> None:
    faces = faces[:6]
    labels = labels_of(classifier, faces)
    goal = Goal(labels, seed=3)
    attack = KA3(k=3, spread=spread)
    changed = attack.perturb(classifier, faces, goal)
    logits = classifier.read(changed)
    done = goal.reached(logits)
    assert done.any()
    assert (logits.softmax(dim=1).max(dim=1).values[done] <= 1 / 3 + 0.06).all()
    rank = (logits > logits.gather(1, labels[:, None])).sum(dim=1)
    assert (rank[done] >= 3).all(), "the decoys stand before the true class"
    if spread:
        # Three ranks are drawn evenly for six faces, so none has more than a third.
        assert torch.bincount(rank).max() <= 2


def test_the_loss_of_k_a3_by_hand() -> None:
    logits = np.array([2.0, 1.0, 0.5, -1.0])
    labels, attack = torch.tensor([0]), KA3(k=2, l1=3, margin=0.25)
    decoys = torch.tensor([[False, True, True, False]])
    probability = np.exp(logits) / np.exp(logits).sum()
    uneven = sum(0.5 * np.log(0.5 / probability[k]) for k in (1, 2))
    expected = uneven + 3 * max(0, 2.0 - 0.5 + 0.25)
    given = torch.from_numpy(logits)[None].float()
    loss = attack.loss(given, decoys, decoys, labels)
    assert loss.item() == pytest.approx(expected, abs=1e-5)
    spread = KA3(k=2, l1=3, margin=0.25, spread=True)
    ahead = torch.tensor([[False, True, True, True]])
    expected = uneven + 3 * (2 + 1 + 0.25)
    assert spread.loss(given, decoys, ahead, labels).item() == pytest.approx(expected, abs=1e-5)
    behind = spread.loss(torch.tensor([[0.0, 2, 2, 1]]), decoys, decoys, labels)
    without = attack.loss(torch.tensor([[0.0, 2, 2, 1]]), decoys, decoys, labels)
    assert (behind - without).item() == pytest.approx(3 * (1 - 0 + 0.25), abs=1e-5)


def test_similarity_is_that_of_scikit_image() -> None:
    random = np.random.default_rng(0)
    first = random.uniform(size=(2, 20, 20)).astype(np.float32)
    second = np.clip(first + random.normal(0, 0.1, first.shape), 0, 1).astype(np.float32)
    expected = [
        structural_similarity(one, two, data_range=1)
        for one, two in zip(first, second, strict=True)
    ]
    found = similarity(torch.from_numpy(first)[:, None], torch.from_numpy(second)[:, None])
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_k_a3_says_what_it_cannot_do() -> None:
    classifier, _ = linear()
    pictures = torch.rand(1, 1, 4, 4)
    with pytest.raises(SettingError, match="cannot aim"):
        KA3(k=2).perturb(classifier, pictures, Goal(torch.tensor([0]), targeted=True))
    with pytest.raises(SettingError, match="more than 3 classes"):
        KA3(k=3).perturb(classifier, pictures, Goal(torch.tensor([0])))


def test_all_are_found_by_name() -> None:
    for name in ("ifgvm", "lbfgs", "universal", "one-pixel", "k-a3"):
        assert ATTACKS.named(name).name == name
