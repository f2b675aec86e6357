"""Defensive distillation: learn softened answers at a temperature (Papernot et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from camfilter.lab.defences.network import SmallNet

__all__ = ["AtTemperature", "Cooled"]


@dataclass(frozen=True)
class AtTemperature:
    """Cross-entropy of softmax(f(x) / T) with the votes, or with a teacher's softmax at T.

    The network is used at temperature 1 afterwards: its logits have grown by T, so its softmax
    saturates and the gradient of its cross-entropy all but vanishes. It is masked, not gone.

    Attributes:
        temperature: T.
        teacher: frozen; None learns the votes.
    """

    temperature: float
    teacher: nn.Module | None = None

    def __call__(self, network: SmallNet, pictures: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of a batch; see `Loss`."""
        if self.teacher is not None:
            with torch.no_grad():
                labels = (self.teacher(pictures) / self.temperature).softmax(dim=1)
        return functional.cross_entropy(network(pictures) / self.temperature, labels)


class Cooled(nn.Module):
    """A distilled network with its logits over T: the way around the masked gradient.

    Args:
        network: distilled.
        temperature: T.
    """

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network = network
        self._temperature = temperature

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of (B, 1, S, S) pictures; the order of the classes is unchanged."""
        answer: Tensor = self.network(pictures) / self._temperature
        return answer
