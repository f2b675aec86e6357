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
from numpy.typing import NDArray
from torch import Tensor, nn

from camfilter.decoy import DECOYS, Decoys, goal
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.networks import size_of
from camfilter.settings import LEVELS, ChainSettings
from camfilter.texture import RADIUS
from camfilter.views import MOST_DEVIATIONS, ViewRange

__all__ = [
    "EPSILON",
    "Generator",
    "OnePassTraining",
    "UniversalTexture",
    "at_limit",
    "decoys_for",
    "labels_for",
    "likeness",
    "seen",
    "train",
]

EPSILON = 6 / LEVELS

_GROUPS = 4
_SURE_LOGITS = 2.0
_GREATEST_GRADIENT = 5.0


class Generator(nn.Module):
    """A texture for each face and decoy: a small U-Net with group norms (Ronneberger et al. 2015).

    A quarter of the size in the middle, so that each cell answers to the whole face.

    Args:
        width: channels at half size; twice as many in the middle. A multiple of 4.
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(1 + len(DECOYS), width, 5, 2, 2), *_bent(width))
        self.middle = nn.Sequential(
            nn.Conv2d(width, 2 * width, 3, 2, 1),
            *(_Residual(2 * width) for _ in range(3)),
            *_bent(2 * width),
            nn.Conv2d(2 * width, 4 * width, 1),
            nn.PixelShuffle(2),
        )
        self.leave = nn.Sequential(
            nn.Conv2d(2 * width, width, 3, padding=1),
            *_bent(width),
            nn.Conv2d(width, 4, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def forward(self, pictures: Tensor, decoys: Tensor) -> Tensor:
        """(B, 1, 48, 48) luma and (B,) places in DECOYS to (B, 1, 48, 48) within the budget."""
        planes = F.one_hot(decoys, len(DECOYS)).to(pictures)[:, :, None, None]
        height, width = pictures.shape[2:]
        contrast = 4 * (pictures - pictures.mean((1, 2, 3), keepdim=True))
        entered = self.enter(torch.cat([contrast, planes.expand(-1, -1, height, width)], 1))
        return _within_budget(self.leave(torch.cat([entered, self.middle(entered)], 1)))


class UniversalTexture(nn.Module):
    """One texture for each decoy, the same for all faces (Moosavi-Dezfooli et al. 2017)."""

    def __init__(self, size_px: int = 48) -> None:
        super().__init__()
        self.textures = nn.Parameter(0.1 * torch.randn(len(DECOYS), 1, size_px, size_px))

    def forward(self, pictures: Tensor, decoys: Tensor) -> Tensor:  # noqa: ARG002
        """(B,) places in DECOYS to (B, 1, 48, 48) within the budget, whatever the pictures."""
        return _within_budget(self.textures[decoys])


@dataclass(frozen=True, slots=True)
class OnePassTraining:
    """How a maker of textures is trained.

    Attributes:
        steps: batches.
        batch: faces in a step.
        lr: greatest learning rate of Adam, one cycle; a generator likes 0.006, a universal
            texture, whose cells are its only weights, 0.05.
        seed: of all chance.
    """

    steps: int = 2400
    batch: int = 16
    lr: float = 6e-3
    seed: int = 0


class _Given(Decoys):
    """A decoy that was drawn before."""

    def __init__(self, place: int) -> None:
        super().__init__(np.random.default_rng(0))
        self._given = EXPRESSIONS.index(DECOYS[place])

    def away_from(self, beliefs: NDArray[np.float32]) -> int:  # noqa: ARG002
        return self._given


class _Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers = [*_bent(width), nn.Conv2d(width, width, 3, padding=1)]
        layers += [*_bent(width), nn.Conv2d(width, width, 3, padding=1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        added: Tensor = features + self.layers(features)
        return added


def decoys_for(truths: Tensor, chance: torch.Generator) -> Tensor:
    """A random place in DECOYS for each truth, never the truth's own."""
    places = torch.tensor([EXPRESSIONS.index(name) for name in DECOYS])
    drawn = torch.randint(len(DECOYS), truths.shape, generator=chance)
    return torch.where(places[drawn] == truths, (drawn + 1) % len(DECOYS), drawn)


def labels_for(beliefs: Tensor, decoys: Tensor) -> Tensor:
    """What a stage of the chain on this network would approach; see `camfilter.decoy.goal`.

    Args:
        beliefs: (B, 8) probabilities that a network gives the clean faces.
        decoys: (B,) places in DECOYS.

    Returns:
        (B, 8) float32.
    """
    settings = ChainSettings()
    given = [_Given(place) for place in range(len(DECOYS))]
    rows = beliefs.numpy()[:, None]
    labels = [
        goal(settings, row, 0, given[place], 0)
        for row, place in zip(rows, decoys.tolist(), strict=True)
    ]
    return torch.from_numpy(np.stack(labels))


def seen(pictures: Tensor, chance: torch.Generator, size_px: int, reach: ViewRange) -> Tensor:
    """Pictures through random views, at the size that a network sees."""
    count = len(pictures)
    draw = torch.randn(4, count, generator=chance).clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)
    angle, scale = np.deg2rad(reach.rotate_deg) * draw[0], torch.exp(reach.log_scale * draw[1])
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    shift = 2 * reach.shift * draw[2:]
    affine = torch.stack([cosine, -sine, shift[0], sine, cosine, shift[1]], 1).view(count, 2, 3)
    grid = F.affine_grid(affine, [count, 1, size_px, size_px], align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def train(
    maker: nn.Module,
    pictures: NDArray[np.uint8],
    networks: Sequence[nn.Module],
    training: OnePassTraining,
) -> list[float]:
    """Train a maker of textures against some networks; the truth is what they read themselves.

    The networks take turns, each face is seen from a random view, and the logits are pushed along
    the chain's label until the face is turned for sure: the force goes to those that are not.

    Args:
        maker: changed in place.
        pictures: (N, 48, 48) uint8 luma, of the training part.
        networks: surrogates in evaluation mode; not changed.
        training: how.

    Returns:
        The loss of each step.
    """
    chance, reach = torch.Generator().manual_seed(training.seed), ViewRange()
    optimiser = torch.optim.Adam(maker.parameters(), training.lr)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, training.lr, training.steps, pct_start=0.15
    )
    losses = []
    for step in range(training.steps):
        network = networks[step % len(networks)]
        chosen = torch.randint(len(pictures), (training.batch,), generator=chance)
        faces = torch.from_numpy(pictures[chosen.numpy()])[:, None].float() / LEVELS
        size_px = size_of(network)
        with torch.no_grad():
            clean = F.interpolate(faces, (size_px, size_px), mode="bilinear", align_corners=False)
            beliefs = torch.softmax(network(clean), 1)
        decoys = decoys_for(beliefs.argmax(1), chance)
        view = seen((faces + maker(faces, decoys)).clamp(0, 1), chance, size_px, reach)
        pushed = (labels_for(beliefs, decoys) * network(_lit(view, chance, reach))).sum(1)
        loss = F.softplus(_SURE_LOGITS - pushed).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(maker.parameters(), _GREATEST_GRADIENT)
        optimiser.step()
        cycle.step()
        losses.append(float(loss.detach()))
    return losses


def likeness(changes: Tensor, decoys: Tensor) -> float:
    """Mean correlation between the changes of different faces with the same decoy; 1 is the same.

    Args:
        changes: (B, 1, S, S).
        decoys: (B,) places in DECOYS; one that only a single face has is left out.

    Returns:
        -1 to 1; not a number where no two faces share a decoy.
    """
    means = []
    for place in range(len(DECOYS)):
        alike = changes[decoys == place].flatten(1)
        count = len(alike)
        if count > 1:
            rows = torch.corrcoef(alike)
            means.append(float((rows.sum() - rows.trace()) / (count * (count - 1))))
    return float(np.mean(means)) if means else float("nan")


def at_limit(changes: Tensor) -> float:
    """Share of the cells that want no less than the budget."""
    return float((changes.abs() > 0.98 * EPSILON).float().mean())


def _bent(width: int) -> tuple[nn.Module, nn.Module]:
    return nn.GroupNorm(_GROUPS, width), nn.SiLU()


def _lit(views: Tensor, chance: torch.Generator, reach: ViewRange) -> Tensor:
    """Views with a random contrast each, as `camfilter.views.View.light`."""
    draw = torch.randn(len(views), generator=chance).clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)
    gain = torch.exp(reach.log_gain * draw)[:, None, None, None]
    return ((views - 0.5) * gain + 0.5).clamp(0, 1)


def _within_budget(raw: Tensor) -> Tensor:
    """A texture as large as the chain's, softly limited to the budget.

    Its root mean square before the limit is given, so however long it is trained, it cannot run
    into saturation, where tanh has no gradient left.
    """
    size = raw.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-6)
    change: Tensor = EPSILON * torch.tanh(RADIUS * raw / size)
    return change
