"""One loop that trains a network by whatever loss a defence has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from camfilter.lab.defences.network import SmallNet

__all__ = ["Loss", "Pace", "cross_entropy", "learn"]

Loss = Callable[[SmallNet, Tensor, Tensor], Tensor]
"""The network, (B, 1, S, S) pictures and (B, classes) labels to a loss.

A module may be one, too: then its parameters are learnt with those of the network.
"""

_SHIFT_PX: Final = 3


@dataclass(frozen=True)
class Pace:
    """How long and how fast is learnt.

    Attributes:
        steps: of the optimiser.
        batch: pictures a step.
        rate: greatest learning rate, of a single cycle.
        seed: of the order and of the augmentation.
    """

    steps: int
    batch: int = 64
    rate: float = 4e-3
    seed: int = 0


def cross_entropy(network: SmallNet, pictures: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy with labels that are distributions."""
    return functional.cross_entropy(network(pictures), labels)


def learn(network: SmallNet, loss: Loss, pictures: Tensor, labels: Tensor, pace: Pace) -> None:
    """Train a network; it is in evaluation mode and frozen afterwards.

    Args:
        network: to be trained.
        loss: of a batch.
        pictures: (N, S, S) uint8.
        labels: (N, classes) float32, each row a distribution.
        pace: how long.
    """
    chance = torch.Generator().manual_seed(pace.seed)
    learnt = [*network.parameters(), *(loss.parameters() if isinstance(loss, nn.Module) else ())]
    optimiser = torch.optim.AdamW(learnt, lr=pace.rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, pace.rate, max(2, pace.steps + 1))
    waiting = torch.empty(0, dtype=torch.int64)
    network.train().requires_grad_(True)
    for _ in range(pace.steps):
        while len(waiting) < pace.batch:
            waiting = torch.cat([waiting, torch.randperm(len(pictures), generator=chance)])
        chosen, waiting = waiting[: pace.batch], waiting[pace.batch :]
        value = loss(network, _varied(pictures[chosen], chance), labels[chosen])
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    network.eval().requires_grad_(False)


def _varied(pictures: Tensor, chance: torch.Generator) -> Tensor:
    """(B, 1, S, S) in [0, 1]: each mirrored or not, all shifted by the same few pixels."""
    batch = pictures[:, None].float() / 255
    mirrored = torch.rand(len(batch), 1, 1, 1, generator=chance) < 0.5
    batch = torch.where(mirrored, batch.flip(-1), batch)
    down, right = torch.randint(0, 2 * _SHIFT_PX + 1, (2,), generator=chance).tolist()
    size = batch.shape[-1]
    batch = functional.pad(batch, (_SHIFT_PX,) * 4, mode="replicate")
    batch = batch[:, :, down : down + size, right : right + size]
    return batch.contiguous(memory_format=torch.channels_last)
