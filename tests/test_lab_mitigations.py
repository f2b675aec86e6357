from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra lab is not installed")

from scipy.ndimage import gaussian_filter  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from bench_support import accuracy, attacked, classifier, needs_faces, part  # noqa: E402
from camfilter.errors import SettingError  # noqa: E402
from camfilter.lab.attacks import Classifier  # noqa: E402
from camfilter.lab.mitigations import MITIGATIONS, Lesson  # noqa: E402
from camfilter.lab.mitigations.adversarial_training import AdversarialTraining  # noqa: E402
from camfilter.lab.mitigations.autoencoder import DenoisingAutoencoder  # noqa: E402
from camfilter.lab.mitigations.gaussian_blur import GaussianBlur  # noqa: E402
from camfilter.lab.mitigations.randomisation import Randomisation  # noqa: E402
from camfilter.lab.smartbox.network import FaceNetwork, Schooling, schooled  # noqa: E402

LESSONS = 100


class Seen(nn.Module):
    """Keeps what it is given to read."""

    def forward(self, pictures: Tensor) -> Tensor:
        self.pictures = pictures
        return torch.zeros(len(pictures), 2)


def read_through(mitigation: Randomisation | GaussianBlur, pictures: Tensor, seed: int) -> Tensor:
    seen = Seen()
    guarded = mitigation.defended(Classifier(seen, 2, pictures.shape[-1]), {}, seed)
    guarded.logits(pictures)
    return seen.pictures


def lesson(*, epochs: int = 8, epsilon: float = 8 / 255) -> Lesson:
    pictures, labels = part("train")

    def train(chosen: Tensor, theirs: Tensor) -> nn.Module:
        torch.manual_seed(1)
        return schooled(FaceNetwork(5, 32), chosen, theirs, Schooling(epochs), 1)

    changed = attacked("train", LESSONS, epsilon)
    return Lesson(pictures, labels, changed, torch.arange(LESSONS), train, seed=0)


def test_all_mitigations_of_the_paper_are_found() -> None:
    assert {"adversarial-training", "autoencoder", "blur", "randomisation"} <= set(
        MITIGATIONS.names
    )


@needs_faces
def test_adversarial_training_reads_attacked_faces_better_than_the_network() -> None:
    guarded, (pictures, labels) = classifier(), part("test")
    changed = attacked("test", len(pictures))
    mitigation = AdversarialTraining()
    weights = mitigation.learn(guarded, lesson(epochs=12))
    defended = mitigation.defended(guarded, weights, 0)
    before = guarded.read(pictures)
    assert accuracy(defended, changed, labels) > accuracy(guarded, changed, labels) + 0.2
    assert torch.equal(guarded.read(pictures), before)


@needs_faces
def test_adversarial_training_learns_from_as_many_attacked_as_clean_pictures() -> None:
    given = []

    def train(pictures: Tensor, labels: Tensor) -> nn.Module:
        given.append((pictures, labels))
        return FaceNetwork(5, 32)

    full = lesson()
    origins = torch.arange(LESSONS).flip(0)
    few = Lesson(full.clean, full.labels, full.attacked, origins, train)
    AdversarialTraining().learn(classifier(), few)
    pictures, labels = given[0]
    count = len(full.clean)
    assert len(pictures) == len(labels) == 2 * count
    assert torch.equal(pictures[:count], full.clean)
    assert torch.equal(pictures[count : count + LESSONS], full.attacked)
    assert torch.equal(labels[count : count + LESSONS], full.labels[origins])


@needs_faces
def test_the_autoencoder_brings_attacked_faces_nearer_to_clean_ones() -> None:
    guarded, (pictures, _) = classifier(), part("test")
    changed = attacked("test", len(pictures), 0.12)
    mitigation = DenoisingAutoencoder(epochs=15)
    weights = mitigation.learn(guarded, lesson(epsilon=0.12))
    defended = mitigation.defended(guarded, weights, 0)
    network = defended.network
    assert isinstance(network, nn.Sequential)
    with torch.no_grad():
        restored = network[0](changed)
    assert restored.shape == changed.shape
    assert (restored - pictures).square().mean() < 0.7 * (changed - pictures).square().mean()
    assert defended.read(changed).shape == (len(pictures), 5)


@needs_faces
def test_blur_is_scipys() -> None:
    pictures = part("test")[0][:4]
    found = read_through(GaussianBlur(1.3), pictures, 0)[:, 0].numpy()
    expected = np.stack([gaussian_filter(p, 1.3, mode="mirror") for p in pictures[:, 0].numpy()])
    np.testing.assert_allclose(found, expected, atol=1e-5)


@needs_faces
def test_randomisation_keeps_the_shape_and_pads_with_zeros_at_a_random_place() -> None:
    pictures = part("test")[0][:20].clamp_min(0.05)
    found = read_through(Randomisation(smallest=0.7), pictures, 3)
    assert found.shape == pictures.shape
    boxes = set()
    for picture in found[:, 0]:
        rows, columns = (torch.nonzero((picture > 0).any(dim=axis)).ravel() for axis in (1, 0))
        height, width = len(rows), len(columns)
        assert height == width
        assert round(0.7 * 32) <= height < 32
        assert int(rows[-1] - rows[0]) == height - 1  # one whole square, nothing outside it
        boxes.add((int(rows[0]), int(columns[0]), height))
    assert len(boxes) > 10
    assert len({box[2] for box in boxes}) > 4
    assert torch.equal(found, read_through(Randomisation(smallest=0.7), pictures, 3))
    assert not torch.equal(found, read_through(Randomisation(smallest=0.7), pictures, 4))


@pytest.mark.parametrize("wrong", [{"smallest": 1.0}, {"smallest": 0.0}, {"enlarged": 0.5}])
def test_randomisation_refuses_sizes_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError, match="smallest"):
        Randomisation(**wrong)
