from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra lab is not installed")

from torch import Tensor, nn  # noqa: E402

from camfilter.decoy import DECOYS  # noqa: E402
from camfilter.expressions import EXPRESSIONS  # noqa: E402
from camfilter.lab.one_pass import (  # noqa: E402
    EPSILON,
    Generator,
    OnePassTraining,
    UniversalTexture,
    decoys_for,
    seen,
    train,
)
from camfilter.views import ViewRange  # noqa: E402


class Bands(nn.Module):
    """Reads each expression in a band of rows of its own."""

    size_px = 48

    def forward(self, pictures: Tensor) -> Tensor:
        bands: Tensor = 40 * pictures.reshape(len(pictures), 8, -1).mean(2)
        return bands


@pytest.mark.parametrize(
    "maker", [Generator(8), UniversalTexture()], ids=lambda m: type(m).__name__
)
def test_training_brings_the_decoy_closer_and_stays_in_the_budget(maker: nn.Module) -> None:
    torch.manual_seed(0)
    pictures = np.random.default_rng(0).integers(60, 200, (64, 48, 48), np.uint8)
    network = Bands().requires_grad_(False)
    losses = train(maker, pictures, [network], OnePassTraining(steps=80, batch=16, lr=0.005))
    assert np.mean(losses[-8:]) < np.mean(losses[:8]) - 0.2
    faces = torch.rand(5, 1, 48, 48)
    change = maker(faces, torch.zeros(5, dtype=torch.long))
    assert change.shape == faces.shape
    assert 0 < float(change.detach().abs().max()) <= EPSILON + 1e-6


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
