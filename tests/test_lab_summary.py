"""The defences of the summary and how they are measured, each by another way."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from camfilter.errors import SettingError
from camfilter.lab.attacks.base import Classifier, loss_gradient
from camfilter.lab.data import ferplus_part
from camfilter.lab.defences.adversarial import OnAttacked
from camfilter.lab.defences.base import REJECTED, Defended
from camfilter.lab.defences.distillation import AtTemperature, Cooled
from camfilter.lab.defences.filters import FILTERS, Filtered, blurred, few_levels, jpeg, median
from camfilter.lab.defences.learning import Pace, cross_entropy, learn
from camfilter.lab.defences.network import SmallNet, fill, weights_of
from camfilter.lab.defences.prototypes import PrototypeConformity
from camfilter.lab.defences.spheres import Refusing, SphereLoss, Spheres
from camfilter.lab.experiment.findings import Record
from camfilter.lab.experiment.running import experiment_named, run_experiment
from camfilter.lab.summary.collect import Least
from camfilter.lab.summary.least import Search, margin_gradient
from camfilter.lab.summary.options import SummaryOptions
from camfilter.lab.summary.subjects import NAMES, defended_of

DATA = Path(os.environ.get("CAMFILTER_DATA", Path(__file__).parents[2] / "shared" / "data"))
needs_faces = pytest.mark.skipif(
    not (DATA / "ferplus_test.npz").is_file(), reason="FER+ is not here"
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def faces() -> tuple[Tensor, Tensor]:
    """Real faces, happy or surprised, (N, 24, 24) uint8 and one-hot."""
    part = ferplus_part(DATA / "ferplus_test.npz", 24)
    chosen = np.flatnonzero(part.labels[:, 1:3].max(axis=1) > 0.7)[:600]
    labels = torch.from_numpy(part.majority[chosen])
    return torch.from_numpy(part.pictures[chosen]), functional.one_hot(labels, 8).float()


def pictures(count: int = 4, size: int = 16) -> Tensor:
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(0))


def linear(margin: float = 0.2) -> tuple[Defended, Tensor, np.ndarray]:
    """Two classes with a plane between them, and a picture near it."""
    weights = torch.randn(36, generator=torch.Generator().manual_seed(2))
    layer = nn.Linear(36, 2)
    layer.weight.data, layer.bias.data = torch.stack([weights, -weights]), torch.zeros(2)
    picture = torch.full((36,), 0.5)
    picture += weights * (margin - weights @ picture) / weights.square().sum()
    network = Classifier(nn.Sequential(nn.Flatten(), layer), 2, 6)
    defended = Defended("plain", "", network, network, network)
    return defended, picture.view(1, 1, 6, 6), weights.numpy()


def test_the_prototype_conformity_loss_by_hand() -> None:
    random = np.random.default_rng(0)
    centres = [random.normal(size=(3, 2)), random.normal(size=(3, 4))]
    features = [random.normal(size=(5, 2)), random.normal(size=(5, 4))]
    labels = np.array([0, 2, 1, 0, 2])
    expected = 0.0
    for feature, centre in zip(features, centres, strict=True):
        own = [np.sum((f - centre[y]) ** 2) for f, y in zip(feature, labels, strict=True)]
        others = [
            np.mean([np.sum((f - centre[j]) ** 2) for j in range(3) if j != y])
            for f, y in zip(feature, labels, strict=True)
        ]
        expected += np.mean(own) - 1e-4 * np.mean(others)
    loss = PrototypeConformity([torch.from_numpy(centre) for centre in centres])
    found = loss.conformity([torch.from_numpy(f) for f in features], torch.from_numpy(labels))
    assert found.item() == pytest.approx(expected)


def test_prototypes_are_learnt_with_the_network(faces_or_noise: tuple[Tensor, Tensor]) -> None:
    shown, labels = faces_or_noise
    torch.manual_seed(0)
    network = SmallNet(8, 4)
    loss = PrototypeConformity([torch.zeros(8, 16), torch.zeros(8, 64)])
    before = loss.conformity(network.features(batch(shown)), labels.argmax(dim=1)).item()
    learn(network, loss, shown, labels, Pace(30, 32))
    assert all(centre.abs().max() > 0 for centre in loss.centres)
    assert loss.conformity(network.features(batch(shown)), labels.argmax(dim=1)).item() < before


@pytest.fixture
def faces_or_noise() -> tuple[Tensor, Tensor]:
    """Pictures whose class is which half is bright; no data set is needed."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 200)
    shown = random.integers(0, 100, (200, 16, 16), np.uint8)
    shown[labels == 1, :8] += 120
    return torch.from_numpy(shown), functional.one_hot(torch.from_numpy(labels), 8).float()


def batch(shown: Tensor) -> Tensor:
    return shown[:, None].float() / 255


def test_the_scores_of_spheres_by_hand() -> None:
    random = np.random.default_rng(1)
    centres, radii = random.normal(size=(3, 4)), random.uniform(0.5, 2, 3)
    features = random.normal(size=(5, 4))
    spheres = Spheres(torch.from_numpy(centres), torch.from_numpy(radii))
    expected = [
        [r - np.sum((f - c) ** 2) for c, r in zip(centres, radii, strict=True)] for f in features
    ]
    np.testing.assert_allclose(spheres(torch.from_numpy(features)).detach().numpy(), expected)


def test_what_is_in_no_sphere_is_refused() -> None:
    spheres = Spheres(torch.tensor([[0.0, 0], [3, 0]]), torch.tensor([1.0, 1]))
    network = Classifier(Refusing(spheres), 3, 1)
    target = Defended("m-svdd", "", network, network, None, rejects=True)
    features = torch.tensor([[0.2, 0], [3, 0.5], [1.5, 0], [10, 10]])
    logits = network.read(features)
    assert target.labels(logits).tolist() == [0, 1, REJECTED, REJECTED]
    labels = torch.zeros(4, dtype=torch.int64)
    assert target.deceived(logits, labels).tolist() == [False, True, False, False]
    # Wrong class over the better of the true one and refusal.
    expected = [1 - 2.8**2 - 0.96, 0.75 - 0, 1 - 2.25 - 0, 1 - 149 - 0]
    np.testing.assert_allclose(target.margin(logits, labels).numpy(), expected, rtol=1e-5)


def test_spheres_are_learnt(faces_or_noise: tuple[Tensor, Tensor]) -> None:
    shown, labels = faces_or_noise
    torch.manual_seed(0)
    network = SmallNet(8, 4)
    with torch.no_grad():
        features = network.features(batch(shown))[-1]
    centres = [features[labels.argmax(dim=1) == index].mean(dim=0) for index in (0, 1)]
    network.head = Spheres(torch.stack([*centres, *[10 * torch.ones(64)] * 6]), torch.ones(8))
    learn(network, SphereLoss(), shown, labels, Pace(80, 32))
    read = Refusing(network)(batch(shown)).argmax(dim=1)
    assert (read == labels.argmax(dim=1)).float().mean() > 0.9
    with pytest.raises(TypeError, match="Spheres"):
        SphereLoss()(SmallNet(8, 4), batch(shown[:2]), labels[:2])


@needs_faces
def test_distillation_masks_the_gradient_and_cooling_unmasks_it(
    faces: tuple[Tensor, Tensor],
) -> None:
    shown, labels = faces
    trained = {}
    for name, loss, steps in (
        ("plain", cross_entropy, 120),
        ("teacher", AtTemperature(20), 120),
    ):
        torch.manual_seed(0)
        trained[name] = SmallNet(8, 4)
        learn(trained[name], loss, shown, labels, Pace(steps, 32))
    torch.manual_seed(1)
    student = SmallNet(8, 4)
    learn(student, AtTemperature(20, trained["teacher"]), shown, labels, Pace(120, 32))
    part, right = batch(shown), labels.argmax(dim=1)

    def length(network: nn.Module) -> float:
        classifier = Classifier(network, 8, 24)
        read = classifier.read(part).argmax(dim=1) == right
        assert read.float().mean() > 0.7
        gradient = loss_gradient(classifier, part[read], right[read])
        return float(gradient.flatten(1).norm(dim=1).median())

    assert length(student) < 0.1 * length(trained["plain"])
    assert length(Cooled(student, 20)) > 10 * length(student)
    torch.testing.assert_close(Cooled(student, 20)(part) * 20, student(part))


def test_adversarial_training_stays_in_its_cube() -> None:
    class Recording(SmallNet):
        def forward(self, pictures: Tensor) -> Tensor:
            seen.append(pictures.detach())
            return super().forward(pictures)

    seen: list[Tensor] = []
    torch.manual_seed(0)
    network = Recording(8, 2)
    shown, labels = pictures(6), functional.one_hot(torch.arange(6), 8).float()
    loss = OnAttacked(5 / 255)(network, shown, labels)
    start, both = seen
    assert start.shape == shown.shape
    torch.testing.assert_close(both[:6], shown)
    change = (both[6:] - shown).abs()
    assert change.max() <= 5 / 255 + 1e-6
    assert change.mean() > 3 / 255, "most pixels go to the face of the cube"
    assert loss.requires_grad


def test_the_loss_of_spheres_by_hand() -> None:
    torch.manual_seed(0)
    network = SmallNet(8, 2)
    network.head = Spheres(torch.randn(8, 64), torch.rand(8) + 1)
    shown, labels = pictures(3), torch.tensor([0, 5, 7])
    network.eval()
    scores = network(shown).detach().numpy().astype(float)
    each = [
        max(0, 1 - row[y]) + sum(max(0, 1 + row[k]) for k in range(8) if k != y)
        for row, y in zip(scores, labels.tolist(), strict=True)
    ]
    radii = network.head.radii_squared.detach().numpy()
    found = SphereLoss(margin=1, small=0.5)(network, shown, functional.one_hot(labels, 8).float())
    assert found.item() == pytest.approx(np.mean(each) + 0.5 * radii.mean(), rel=1e-5)


def test_filters_are_what_they_say() -> None:
    shown = pictures(2)
    flat = shown[:, 0].numpy()
    for index in range(2):
        expected = ndimage.median_filter(flat[index], 3, mode="nearest")
        np.testing.assert_allclose(median(shown)[index, 0].numpy(), expected, atol=1e-6)
        smooth = ndimage.gaussian_filter(flat[index], 1, mode="nearest", truncate=2)
        np.testing.assert_allclose(blurred(shown)[index, 0].numpy(), smooth, atol=1e-5)
    assert len(few_levels(torch.linspace(0, 1, 1000).view(1, 1, 1, -1)).unique()) == 8
    assert (few_levels(shown) - shown).abs().max() <= 1 / 14 + 1e-6
    packed = cv2.imencode(".jpg", (flat[0] * 255).round().astype(np.uint8), [1, 50])[1]
    unpacked = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)
    np.testing.assert_allclose(jpeg(shown)[0, 0].numpy() * 255, unpacked, atol=1e-3)


@pytest.mark.parametrize("name", ["3 bits", "jpeg"])
def test_who_knows_a_filter_sees_through_it(name: str) -> None:
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Flatten(), nn.Linear(256, 3))
    leaf = pictures(2).requires_grad_(True)
    (gradient,) = torch.autograd.grad(Filtered(layer, FILTERS[name][0])(leaf).sum(), leaf)
    expected = layer[1].weight.sum(dim=0).view(1, 1, 16, 16).expand(2, -1, -1, -1)
    torch.testing.assert_close(gradient, expected)
    changed = Filtered(layer, FILTERS[name][0])(leaf)
    torch.testing.assert_close(changed, layer(FILTERS[name][0](leaf)), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_least_change_of_a_plane_is_its_distance(norm: str) -> None:
    target, picture, weights = linear()
    distance = 0.2 / (np.abs(weights).sum() if norm == "linf" else np.linalg.norm(weights))
    search = Search(norm, 20 * distance, rounds=10, steps=5)
    labels = torch.zeros(1, dtype=torch.int64)
    exact, rounded = search.least(target, margin_gradient(target), picture, labels)
    assert distance * 0.999 <= exact.item() <= distance * 1.05
    assert rounded.item() >= distance * 0.999


def test_what_is_misread_needs_no_change_and_what_is_far_is_never_deceived() -> None:
    target, picture, weights = linear()
    both = torch.cat([picture, picture])
    labels = torch.tensor([1, 0])
    short = 0.2 / np.abs(weights).sum() / 2
    search = Search("linf", short, rounds=3, steps=3)
    exact, rounded = search.least(target, margin_gradient(target), both, labels)
    assert exact.tolist() == [0, float("inf")]
    assert rounded.tolist()[0] == 0


def test_a_median_counts_what_was_never_found_as_the_greatest() -> None:
    norms = np.array([0, 1, np.inf, np.inf, 2], np.float32)
    found = Least(norms, np.array([False, True, True, True, True]), 4.0)
    assert found.median == 3
    assert found.never == 0.5


def test_every_subject_answers() -> None:
    torch.manual_seed(0)
    plain = SmallNet(8, 4).eval().requires_grad_(False)
    round_trip = SmallNet(8, 4)
    fill(round_trip, weights_of(plain))
    shown = pictures(3)
    torch.testing.assert_close(round_trip(shown), plain(shown))
    for name in NAMES:
        if name == "m-svdd":
            continue
        target = defended_of(name, plain, 16, 20)
        assert target.labels(target.answers.read(shown)).tolist() is not None
        gradient = loss_gradient(target.steered, shown, torch.tensor([0, 1, 2]))
        assert gradient.abs().max() > 0, f"{name} shows an attacker who knows it a gradient"
    head = plain.head
    plain.head = Spheres(torch.zeros(8, 64), torch.full((8,), 1e-3))
    target = defended_of("m-svdd", plain, 16, 20)
    assert target.answers.read(shown).shape == (3, 9)
    plain.head = head


@pytest.mark.parametrize("given", [{"ks": [8]}, {"ks": []}, {"temperature": 1}, {"colour": "red"}])
def test_options_that_cannot_be_used_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        SummaryOptions.of(given)


@needs_faces
def test_a_tiny_run_and_its_resumption(tmp_path: Path) -> None:
    given = {
        "data": DATA, "size_px": 24, "train_pictures": 400, "width": 3, "steps": 40,
        "defence_steps": 4, "faces": 6, "slow_faces": 1, "natural_faces": 40,
        "universal_faces": 16, "ks": [2], "rounds": 2, "search_steps": 2,
    }  # fmt: skip
    run_experiment(experiment_named("summary"), given, tmp_path)
    record = Record.read(tmp_path / "summary")
    tables = {table.name: table.rows for table in record.findings.tables}
    assert [row["defence"] for row in tables["summary-accuracy"]] == list(NAMES)
    assert {row["norm"] for row in tables["summary-least"]} == {"linf", "l2"}
    assert {(row["k"], row["rank drawn"]) for row in tables["summary-k-a3"]} == {
        (2, "yes"), (2, "no"),
    }  # fmt: skip
    for row in tables["summary-ways"]:
        for bits in ("float", "8 bits"):
            parts = [row[f"{what}, {bits}"] for what in ("right", "deceived", "refused")]
            assert sum(parts) == pytest.approx(1, abs=1e-5)
            if row["defence"] != "m-svdd":
                assert parts[2] == pytest.approx(0, abs=1e-6)
    for row in tables["summary-least"]:
        found = [row[way] for way in ("naive", "transfer", "knowing") if row[way] is not None]
        if found:
            assert row["worst"] <= min(found) + 1e-6, "the worst way is no better than any"
    pixels = next(row for row in tables["summary-attacks"] if row["attack"] == "one-pixel")
    assert pixels["pixels changed"] in (0, pytest.approx(1 / 24**2))

    kept = tmp_path / "summary" / "kept"
    before = {file.name: file.stat().st_mtime_ns for file in kept.glob("*.npz")}
    run_experiment(experiment_named("summary"), given, tmp_path)
    assert {file.name: file.stat().st_mtime_ns for file in kept.glob("*.npz")} == before
    assert Record.read(tmp_path / "summary").findings.tables == record.findings.tables
