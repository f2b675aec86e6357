from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra lab is not installed")

from torch import Tensor, nn  # noqa: E402

from camfilter.decoy import DECOYS, Decoys, goal  # noqa: E402
from camfilter.expressions import EXPRESSIONS  # noqa: E402
from camfilter.faces.mediapipe import MediaPipeFaces  # noqa: E402
from camfilter.frames import Pixels  # noqa: E402
from camfilter.geometry import cut_crop  # noqa: E402
from camfilter.lab.networks import SurrogateFolder  # noqa: E402
from camfilter.lab.one_pass import (  # noqa: E402
    EPSILON,
    Generator,
    OnePassTraining,
    UniversalTexture,
    at_limit,
    decoys_for,
    labels_for,
    likeness,
    seen,
    train,
)
from camfilter.settings import ChainSettings  # noqa: E402
from camfilter.views import ViewRange  # noqa: E402


class Bands(nn.Module):
    """Reads each expression in a band of rows of its own."""

    size_px = 48

    def forward(self, pictures: Tensor) -> Tensor:
        bands: Tensor = 40 * pictures.reshape(len(pictures), 8, -1).mean(2)
        return bands


@pytest.fixture(scope="module")
def faces(astronaut: Pixels, hopper: Pixels, still_faces: MediaPipeFaces) -> Tensor:
    """(32, 1, 48, 48): two real faces in turn, each from sixteen views."""
    crops = [
        cut_crop(pixels, still_faces.find(pixels)[0], 48) for pixels in (astronaut, hopper)
    ] * 16
    straight = torch.from_numpy(np.stack(crops))[:, None]
    return seen(straight, torch.Generator().manual_seed(0), 48, ViewRange())


def changed(maker: nn.Module, faces: Tensor, place: int) -> Tensor:
    with torch.no_grad():
        change: Tensor = maker(faces, torch.full((len(faces),), place))
    return change


@pytest.mark.parametrize(
    "maker", [Generator(8), UniversalTexture()], ids=lambda m: type(m).__name__
)
def test_training_brings_the_decoy_closer_and_stays_in_the_budget(maker: nn.Module) -> None:
    torch.manual_seed(0)
    pictures = np.random.default_rng(0).integers(60, 200, (64, 48, 48), np.uint8)
    network = Bands().requires_grad_(False)
    losses = train(maker, pictures, [network], OnePassTraining(steps=50, batch=16, lr=0.005))
    assert np.mean(losses[-8:]) < np.mean(losses[:8]) - 0.2
    faces = torch.rand(5, 1, 48, 48)
    change = changed(maker, faces, 0)
    assert change.shape == faces.shape
    assert 0 < float(change.abs().max()) <= EPSILON + 1e-6


def test_a_generator_trained_on_a_real_surrogate_answers_to_the_face(faces: Tensor) -> None:
    torch.manual_seed(0)
    network = SurrogateFolder.named("plain48").load().requires_grad_(False)
    pictures = (faces[:, 0] * 255).round().to(torch.uint8).numpy()
    generator = Generator(8)
    train(generator, pictures, [network], OnePassTraining(steps=40, batch=8))
    for place, name in enumerate(DECOYS):
        change = changed(generator, faces, place)
        with torch.no_grad():
            before, after = network(faces), network((faces + change).clamp(0, 1))
        truths, decoy = before.argmax(1), EXPRESSIONS.index(name)
        gained = (after - before)[:, decoy] - (after - before).gather(1, truths[:, None])[:, 0]
        assert float(gained.mean()) > 1
        assert at_limit(change) < 0.5
        first_of_each = change[:2]
        assert likeness(first_of_each, torch.zeros(2, dtype=torch.long)) < 0.95


@pytest.mark.parametrize("grown", [1.0, 1e4])
def test_no_weights_drive_a_generator_into_its_limit(faces: Tensor, grown: float) -> None:
    torch.manual_seed(0)
    generator = Generator(8)
    last = generator.leave[-2]
    with torch.no_grad():
        last.weight.mul_(grown)
        last.bias.zero_()
    change = generator(faces[:4], torch.zeros(4, dtype=torch.long))
    assert at_limit(change.detach()) < 0.5
    change.square().mean().backward()
    assert float(last.weight.grad.abs().max()) * grown > 1e-8
    assert 0.5 < float(change.detach().square().mean().sqrt()) / EPSILON < 0.9


def test_labels_are_those_of_the_chain() -> None:
    beliefs = np.random.default_rng(0).dirichlet(np.full(8, 0.5), 60).astype(np.float32)
    compared, shared = 0, 0
    for seed, belief in enumerate(beliefs):
        drawn = Decoys(np.random.default_rng(seed)).away_from(belief[None])
        if drawn is None or EXPRESSIONS[drawn] not in DECOYS:
            continue
        decoys = Decoys(np.random.default_rng(seed))
        of_chain = goal(ChainSettings(), belief[None], 0, decoys, 0)
        place = torch.tensor([DECOYS.index(EXPRESSIONS[drawn])])
        label = labels_for(torch.from_numpy(belief[None]), place)
        assert np.array_equal(label.numpy()[0], of_chain)
        compared, shared = compared + 1, shared + int((of_chain < 0).sum() == 2)
    assert compared > 40
    assert shared > 5


def test_a_decoy_is_never_the_truth() -> None:
    truths = torch.arange(8).repeat(20)
    decoys = decoys_for(truths, torch.Generator().manual_seed(0))
    names = [DECOYS[place] for place in decoys]
    assert set(names) == set(DECOYS)
    assert all(name != EXPRESSIONS[truth] for name, truth in zip(names, truths, strict=True))


def test_no_view_shows_the_picture_itself() -> None:
    faces = torch.rand(3, 1, 48, 48)
    same = seen(faces, torch.Generator().manual_seed(0), 48, ViewRange(0, 0, 0, 0))
    assert torch.allclose(same, faces, atol=1e-5)
    assert seen(faces, torch.Generator().manual_seed(0), 40, ViewRange()).shape == (3, 1, 40, 40)


def test_likeness_tells_one_texture_from_many() -> None:
    decoys = torch.tensor([0, 1, 0, 1, 0])
    faces = torch.rand(5, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert likeness(UniversalTexture()(faces, decoys), decoys) == pytest.approx(1)
    assert abs(likeness(faces, decoys)) < 0.1
    assert math.isnan(likeness(faces[:2], decoys[:2]))


def test_cells_at_the_limit_are_counted() -> None:
    change = torch.zeros(1, 1, 2, 2)
    change[0, 0, 0] = torch.tensor([EPSILON, -EPSILON])
    assert at_limit(change) == 0.5
