"""Change a face in one forward pass: a small generator, and one texture for all faces.

Both were tried in place of the chain over time; `scripts/try_one_pass.py` measures them. Both
work on faces of FER+ that fill the crop, with decoys and budget as in `camfilter.decoy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from camfilter.decoy import DECOYS
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.networks import size_of
from camfilter.settings import LEVELS
from camfilter.views import ViewRange

__all__ = ["Generator", "OnePassTraining", "UniversalTexture", "decoys_for", "seen", "train"]

EPSILON = 6 / LEVELS


class Generator(nn.Module):
    """A texture for each face and decoy: five convolutions at half size, then up again."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1 + len(DECOYS), width, 5, 2, 2), nn.SiLU()]
        for _ in range(3):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.SiLU()]
        layers += [nn.Conv2d(width, 4, 3, padding=1), nn.PixelShuffle(2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor, decoys: Tensor) -> Tensor:
        """(B, 1, 48, 48) luma and (B,) places in DECOYS to (B, 1, 48, 48) within the budget."""
        planes = F.one_hot(decoys, len(DECOYS)).to(pictures)[:, :, None, None]
        height, width = pictures.shape[2:]
        both = torch.cat([pictures, planes.expand(-1, -1, height, width)], 1)
        change: Tensor = EPSILON * torch.tanh(self.layers(both))
        return change


class UniversalTexture(nn.Module):
    """One texture for each decoy, the same for all faces."""

    def __init__(self, size_px: int = 48) -> None:
        super().__init__()
        self.textures = nn.Parameter(0.1 * torch.randn(len(DECOYS), 1, size_px, size_px))

    def forward(self, pictures: Tensor, decoys: Tensor) -> Tensor:  # noqa: ARG002
        """(B,) places in DECOYS to (B, 1, 48, 48) within the budget, whatever the pictures."""
        change: Tensor = EPSILON * torch.tanh(self.textures[decoys])
        return change


@dataclass(frozen=True, slots=True)
class OnePassTraining:
    """How a maker of textures is trained.

    Attributes:
        steps: batches.
        batch: faces in a step.
        lr: greatest learning rate of Adam, one cycle.
        seed: of all chance.
    """

    steps: int = 600
    batch: int = 48
    lr: float = 3e-3
    seed: int = 0


def decoys_for(truths: Tensor, chance: torch.Generator) -> Tensor:
    """A random place in DECOYS for each truth, never the truth's own."""
    places = torch.tensor([EXPRESSIONS.index(name) for name in DECOYS])
    drawn = torch.randint(len(DECOYS), truths.shape, generator=chance)
    return torch.where(places[drawn] == truths, (drawn + 1) % len(DECOYS), drawn)


def seen(pictures: Tensor, chance: torch.Generator, size_px: int, reach: ViewRange) -> Tensor:
    """Pictures through random views, at the size that a network sees."""
    count = len(pictures)
    draw = 2 * torch.rand(4, count, generator=chance) - 1
    angle, scale = np.deg2rad(reach.rotate_deg) * draw[0], torch.exp(reach.log_scale * draw[1])
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    shift = 2 * reach.shift * draw[2:]
    affine = torch.stack([cosine, -sine, shift[0], sine, cosine, shift[1]], 1).view(count, 2, 3)
    grid = F.affine_grid(affine, [count, 1, size_px, size_px], align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def train(
    maker: nn.Module,
    pictures: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    networks: Sequence[nn.Module],
    training: OnePassTraining,
) -> list[float]:
    """Train a maker of textures against some networks; the truth is what they read themselves.

    Args:
        maker: changed in place.
        pictures: (N, 48, 48) uint8 luma, of the training part.
        networks: surrogates in evaluation mode; not changed.
        training: how.

    Returns:
        The loss of each step.
    """
    chance = torch.Generator().manual_seed(training.seed)
    optimiser = torch.optim.Adam(maker.parameters(), training.lr)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, training.lr, training.steps)
    places = torch.tensor([EXPRESSIONS.index(name) for name in DECOYS])
    losses = []
    for step in range(training.steps):
        network = networks[step % len(networks)]
        chosen = torch.randint(len(pictures), (training.batch,), generator=chance)
        faces = torch.from_numpy(pictures[chosen.numpy()])[:, None].float() / LEVELS
        size_px = size_of(network)
        with torch.no_grad():
            truths = network(F.interpolate(faces, (size_px, size_px), mode="area")).argmax(1)
        decoys = decoys_for(truths, chance)
        view = seen((faces + maker(faces, decoys)).clamp(0, 1), chance, size_px, ViewRange())
        read = F.log_softmax(network(view), 1)
        rows = torch.arange(len(faces))
        loss = -(2 * read[rows, places[decoys]] - read[rows, truths].clamp_min(-8)).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        cycle.step()
        losses.append(float(loss.detach()))
    return losses
