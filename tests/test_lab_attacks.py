"""Attacks do what their papers say: against computations by hand and on real faces."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the extra lab is not installed")
pytest.importorskip("foolbox", reason="the extra lab is not installed")

from torch import Tensor, nn  # noqa: E402

from camfilter.errors import SettingError  # noqa: E402
from camfilter.frames import Pixels  # noqa: E402
from camfilter.lab.attacks import ATTACKS, Attack, Classifier, Goal, labels_of  # noqa: E402
from camfilter.lab.attacks.carlini_wagner import CarliniWagner  # noqa: E402
from camfilter.lab.attacks.deepfool import DeepFool  # noqa: E402
from camfilter.lab.attacks.elastic_net import ElasticNet  # noqa: E402
from camfilter.lab.attacks.fgsm import FGSM  # noqa: E402
from camfilter.lab.attacks.mi_fgsm import MIFGSM  # noqa: E402
from camfilter.lab.attacks.pgd import L2PGD, PGD  # noqa: E402
from camfilter.lab.networks import SurrogateFolder  # noqa: E402

SIZE_PX = 6
CLASSES = 4
Array = NDArray[np.float64]

pytestmark = pytest.mark.usefixtures("one_thread")


class Linear:
    """f(x) = W x + b, in torch for the attacks and in numpy for the computation by hand."""

    def __init__(self) -> None:
        random = np.random.default_rng(3)
        self.weights = random.normal(0, 1, (CLASSES, SIZE_PX**2))
        self.biases = random.normal(0, 0.3, CLASSES)
        layer = nn.Linear(SIZE_PX**2, CLASSES)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.weights))
            layer.bias.copy_(torch.from_numpy(self.biases))
        network = nn.Sequential(nn.Flatten(), layer).eval()
        self.classifier = Classifier(network, CLASSES, SIZE_PX)

    def logits(self, pictures: Array) -> Array:
        return pictures.reshape(len(pictures), -1) @ self.weights.T + self.biases

    def gradient(self, pictures: Array, labels: NDArray[np.int64]) -> Array:
        """Of the cross-entropy: (softmax - one hot) W."""
        powers = np.exp(self.logits(pictures))
        shares = powers / powers.sum(axis=1, keepdims=True)
        shares[np.arange(len(labels)), labels] -= 1
        return np.asarray((shares @ self.weights).reshape(pictures.shape))

    def least_l2(self, picture: Array) -> float:
        """To the nearest boundary: min over k of (f_0 - f_k) / ||w_0 - w_k||."""
        logits = self.logits(picture[None])[0]
        best = int(logits.argmax())
        return min(
            (logits[best] - logits[other])
            / np.linalg.norm(self.weights[best] - self.weights[other])
            for other in range(CLASSES)
            if other != best
        )


@pytest.fixture(scope="module")
def linear() -> Linear:
    return Linear()


@pytest.fixture(scope="module")
def greys() -> Array:
    """Pictures away from black and white."""
    random = np.random.default_rng(5)
    return random.uniform(0.3, 0.7, (7, 1, SIZE_PX, SIZE_PX)).astype(np.float32).astype(np.float64)


@pytest.fixture(scope="module")
def plain48() -> Classifier:
    return Classifier(SurrogateFolder.named("plain48").load(), 8, 48)


@pytest.fixture(scope="module")
def faces(astronaut: Pixels, hopper: Pixels) -> Tensor:
    """Two people, each cut in three ways, about as FER+ cuts them."""
    crops = []
    for picture, (top, left, side) in ((astronaut, (50, 145, 160)), (hopper, (80, 160, 200))):
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        for shift in (-10, 0, 10):
            crop = grey[top + shift : top + shift + side, left : left + side]
            crops.append(cv2.resize(crop, (48, 48), interpolation=cv2.INTER_AREA))
    return torch.from_numpy(np.stack(crops)).float()[:, None] / 255


def both_ways(check: Callable[[Goal, float], None], pictures: Array, linear: Linear) -> None:
    logits = linear.logits(pictures)
    check(Goal(torch.from_numpy(logits.argmax(axis=1))), 1.0)
    check(Goal(torch.from_numpy(logits.argmin(axis=1)), targeted=True), -1.0)


def test_fgsm_is_one_step_by_the_sign(linear: Linear, greys: Array) -> None:
    def check(goal: Goal, sign: float) -> None:
        wanted = greys + sign * 0.05 * np.sign(linear.gradient(greys, goal.labels.numpy()))
        given = torch.from_numpy(greys).float()
        found = FGSM(epsilon=0.05).perturb(linear.classifier, given, goal)
        np.testing.assert_allclose(found.numpy(), wanted, atol=1e-6)

    both_ways(check, greys, linear)


def test_fgsm_stays_in_the_range_of_pixels(linear: Linear, greys: Array) -> None:
    given = torch.from_numpy(greys).float()
    goal = Goal(labels_of(linear.classifier, given))
    found = FGSM(epsilon=0.9).perturb(linear.classifier, given, goal)
    assert set(found.unique().tolist()) == {0.0, 1.0}


def test_pgd_steps_and_projects(linear: Linear, greys: Array) -> None:
    def check(goal: Goal, sign: float) -> None:
        picture = greys
        for _ in range(4):
            picture = picture + sign * 0.02 * np.sign(linear.gradient(picture, goal.labels.numpy()))
            picture = np.clip(picture, greys - 0.05, greys + 0.05)
        attack = PGD(epsilon=0.05, steps=4, relative_step=0.4, random_start=False)
        found = attack.perturb(linear.classifier, torch.from_numpy(greys).float(), goal)
        np.testing.assert_allclose(found.numpy(), picture, atol=1e-6)

    both_ways(check, greys, linear)


def test_pgd_in_l2_steps_and_projects(linear: Linear, greys: Array) -> None:
    def length(change: Array) -> Array:
        return np.asarray(
            np.linalg.norm(change.reshape(len(change), -1), axis=1)[:, None, None, None]
        )

    def check(goal: Goal, sign: float) -> None:
        picture = greys
        for _ in range(5):
            gradient = linear.gradient(picture, goal.labels.numpy())
            change = picture + sign * 0.1 * gradient / length(gradient) - greys
            picture = greys + change * np.minimum(1, 0.25 / length(change))
        attack = L2PGD(radius=0.25, steps=5, relative_step=0.4, random_start=False)
        found = attack.perturb(linear.classifier, torch.from_numpy(greys).float(), goal)
        np.testing.assert_allclose(found.numpy(), picture, atol=1e-5)

    both_ways(check, greys, linear)


def test_mi_fgsm_sums_gradients_over_their_norm(linear: Linear, greys: Array) -> None:
    def check(goal: Goal, sign: float) -> None:
        picture, momentum = greys, np.zeros_like(greys)
        for _ in range(5):
            gradient = linear.gradient(picture, goal.labels.numpy())
            norm = np.abs(gradient).sum(axis=(1, 2, 3), keepdims=True)
            momentum = 0.8 * momentum + gradient / norm
            picture = picture + sign * 0.01 * np.sign(momentum)
        attack = MIFGSM(epsilon=0.05, steps=5, decay=0.8)
        found = attack.perturb(linear.classifier, torch.from_numpy(greys).float(), goal)
        np.testing.assert_allclose(found.numpy(), picture, atol=1e-6)

    both_ways(check, greys, linear)


@pytest.mark.parametrize(
    ("attack", "most"),
    [
        (DeepFool(), 1.03),
        (CarliniWagner(searches=6, steps=150, step_size=0.004), 1.25),
        (ElasticNet(searches=6, steps=150, beta=1e-4), 1.25),
    ],
    ids=lambda part: getattr(part, "name", ""),
)
def test_the_least_change_is_that_of_geometry(
    linear: Linear, greys: Array, attack: Attack, most: float
) -> None:
    given = torch.from_numpy(greys).float()
    goal = Goal(labels_of(linear.classifier, given))
    found = attack.perturb(linear.classifier, given, goal)
    assert goal.reached(linear.classifier.read(found)).all()
    for picture, changed in zip(greys, found.double().numpy(), strict=True):
        ratio = np.linalg.norm(changed - picture) / linear.least_l2(picture)
        assert 1 - 1e-4 <= ratio <= most


def test_elastic_net_touches_fewer_pixels_and_its_rules_differ(
    plain48: Classifier, faces: Tensor
) -> None:
    some = faces[1::3]
    goal = Goal(labels_of(plain48, some))
    found = {
        name: ATTACKS.named(name).perturb(plain48, some, goal) - some
        for name in ("cw-l2", "ead-en", "ead-l1")
    }
    changed = {name: float((change != 0).float().mean()) for name, change in found.items()}
    absolute = {name: change.abs().flatten(1).sum(1) for name, change in found.items()}
    elastic = {
        name: 0.01 * absolute[name] + change.square().flatten(1).sum(1)
        for name, change in found.items()
    }
    assert changed["ead-en"] < 0.5 * changed["cw-l2"]
    assert (absolute["ead-l1"] <= absolute["ead-en"] + 1e-5).all()
    assert (elastic["ead-en"] <= elastic["ead-l1"] + 1e-5).all()
    assert float(absolute["ead-l1"].sum()) < float(absolute["cw-l2"].sum())


def test_all_attacks_are_found_by_name() -> None:
    wanted = {"fgsm", "pgd", "pgd-l2", "mi-fgsm", "deepfool", "cw-l2", "ead-en", "ead-l1"}
    assert wanted <= set(ATTACKS.names)
    assert all(ATTACKS.named(name).name == name for name in wanted)
    with pytest.raises(SettingError, match=r"There is no attack .nonsense.\. Choose one of: "):
        ATTACKS.named("nonsense")


@pytest.mark.parametrize(
    "name", ["fgsm", "pgd", "pgd-l2", "mi-fgsm", "deepfool", "cw-l2", "ead-en", "ead-l1"]
)
def test_an_attack_on_real_faces(plain48: Classifier, faces: Tensor, name: str) -> None:
    attack = ATTACKS.named(name)
    before, state = faces.clone(), torch.get_rng_state()
    goal = Goal(labels_of(plain48, faces), seed=4)
    found = attack.perturb(plain48, faces, goal)
    assert found.shape == faces.shape
    assert found.dtype == torch.float32
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    assert goal.reached(plain48.read(found)).all()
    assert torch.equal(faces, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(
        weight.requires_grad and weight.grad is None for weight in plain48.network.parameters()
    )
    assert torch.equal(found, attack.perturb(plain48, faces, goal))


@pytest.mark.parametrize("name", ["pgd", "pgd-l2", "mi-fgsm", "cw-l2", "ead-en", "ead-l1"])
def test_an_attack_reaches_a_target(plain48: Classifier, faces: Tensor, name: str) -> None:
    some = faces[::2]
    goal = Goal(plain48.read(some).argmin(dim=1), targeted=True)
    found = ATTACKS.named(name).perturb(plain48, some, goal)
    assert torch.equal(labels_of(plain48, found), goal.labels)


def test_deepfool_cannot_aim(plain48: Classifier, faces: Tensor) -> None:
    goal = Goal(torch.zeros(len(faces), dtype=torch.int64), targeted=True)
    assert not ATTACKS.named("deepfool").targeted
    with pytest.raises(SettingError, match="deepfool cannot aim at a class") as caught:
        ATTACKS.named("deepfool").perturb(plain48, faces, goal)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [PGD, L2PGD])
def test_the_seed_decides_where_pgd_starts(
    plain48: Classifier, faces: Tensor, kind: Callable[[], Attack]
) -> None:
    labels = labels_of(plain48, faces)
    one, two = (kind().perturb(plain48, faces, Goal(labels, seed=seed)) for seed in (0, 1))
    assert not torch.equal(one, two)


def test_pgd_keeps_to_its_radius(plain48: Classifier, faces: Tensor) -> None:
    goal = Goal(labels_of(plain48, faces))
    near = PGD(epsilon=0.01).perturb(plain48, faces, goal) - faces
    assert 0.005 < float(near.abs().max()) <= 0.01 + 1e-6
    lengths = (L2PGD(radius=0.3).perturb(plain48, faces, goal) - faces).flatten(1).norm(dim=1)
    assert float(lengths.max()) <= 0.3 + 1e-5


@pytest.mark.parametrize("name", ["deepfool", "cw-l2", "ead-en", "ead-l1"])
def test_what_cannot_be_changed_and_what_need_not_be_stays(faces: Tensor, name: str) -> None:
    class Stubborn(nn.Module):
        """Reads the first class with more certainty than any change of a picture undoes."""

        def forward(self, pictures: Tensor) -> Tensor:
            mean = pictures.mean(dim=(1, 2, 3))
            return torch.stack([mean * 1e-9 + 100, mean, -mean], dim=1)

    classifier = Classifier(Stubborn().eval(), 3, 48)
    attack = dataclasses.replace(ATTACKS.named(name), steps=5)  # type: ignore[type-var]
    away = Goal(torch.zeros(len(faces), dtype=torch.int64))
    assert torch.equal(attack.perturb(classifier, faces, away), faces)
    already = Goal(torch.ones(len(faces), dtype=torch.int64))
    assert torch.equal(attack.perturb(classifier, faces, already), faces)


def test_a_margin_is_kept(plain48: Classifier, faces: Tensor) -> None:
    some = faces[:2]
    labels = labels_of(plain48, some)
    found = CarliniWagner(confidence=2.0).perturb(plain48, some, Goal(labels))
    logits = plain48.read(found)
    left = logits[torch.arange(len(some)), labels]
    logits[torch.arange(len(some)), labels] = -torch.inf
    assert (logits.amax(dim=1) - left >= 2.0 - 1e-4).all()
