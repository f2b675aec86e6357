"""Denoising autoencoder: from attacked pictures back to clean ones (Creswell & Bharath 2017)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from camfilter.lab.attacks import Classifier
from camfilter.lab.mitigations.base import (
    Lesson,
    Mitigation,
    Weights,
    before,
    filled,
    weights_of,
)

__all__ = ["DenoisingAutoencoder"]


@dataclass(frozen=True)
class DenoisingAutoencoder:
    """Learns to give the clean picture for the attacked one, and for the clean one itself.

    Attributes:
        epochs: passes over the pictures.
        filters: of the inner convolutions.
        batch: pictures in a step.
        rate: learning rate of Adam at the top of its cycle.
    """

    epochs: int = 40
    filters: int = 32
    batch: int = 8
    rate: float = 2e-3
    name: str = "autoencoder"

    def learn(self, classifier: Classifier, lesson: Lesson) -> Weights:
        """Train; see `Mitigation`."""
        wanted = lesson.clean[lesson.origins]
        inputs, outputs = torch.cat([lesson.attacked, wanted]), torch.cat([wanted, wanted])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(lesson.seed)
            network = _Autoencoder(classifier.channels, self.filters)
            optimiser = torch.optim.Adam(network.parameters(), self.rate)
            steps = self.epochs * -(-len(inputs) // self.batch)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, self.rate, steps)
            for _ in range(self.epochs):
                for chosen in torch.split(torch.randperm(len(inputs)), self.batch):
                    loss = functional.mse_loss(network(inputs[chosen]), outputs[chosen])
                    optimiser.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimiser.step()
                    schedule.step()
        return weights_of(network)

    def defended(self, classifier: Classifier, weights: Weights, seed: int) -> Classifier:  # noqa: ARG002
        """Restore pictures first; see `Mitigation`."""
        network = _Autoencoder(classifier.channels, self.filters)
        return before(classifier, filled(network, weights))


class _Autoencoder(nn.Module):
    """Convolutions to a quarter of the places, and back; takes even sizes."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.inward = nn.Sequential(
            nn.Conv2d(channels, filters, 4, stride=2, padding=1), nn.ELU(),
            nn.Conv2d(filters, filters, 3, padding=1), nn.ELU(),
        )  # fmt: skip
        self.outward = nn.Sequential(
            nn.Conv2d(filters, filters, 3, padding=1), nn.ELU(),
            nn.ConvTranspose2d(filters, channels, 4, stride=2, padding=1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, pictures: Tensor) -> Tensor:
        restored: Tensor = self.outward(self.inward(pictures))
        return restored


def offered() -> Iterable[Mitigation]:
    """What this module adds."""
    return [DenoisingAutoencoder()]
