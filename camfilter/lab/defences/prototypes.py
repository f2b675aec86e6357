"""Prototype conformity loss: classes apart in the hidden layers (Mustafa et al. 2019)."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from camfilter.lab.defences.network import SmallNet

__all__ = ["PrototypeConformity"]

_AWAY: Final = 1e-4


class PrototypeConformity(nn.Module):
    """Cross-entropy, plus for each hidden layer the pull to the own centre and push from others.

    J + sum over layers of mean_i ||f_i - c_yi||^2 - 1e-4 * mean_i mean_{j != yi} ||f_i - c_j||^2,
    the centres c learnt. y is the likeliest class of a label.

    Args:
        centres: of each layer, (classes, width) to start from.
        pull: weight of the first term; the push has 1e-4 of it.
    """

    def __init__(self, centres: list[Tensor], pull: float = 1.0) -> None:
        super().__init__()
        self.centres = nn.ParameterList([centre.clone() for centre in centres])
        self._pull = pull

    def forward(self, network: SmallNet, pictures: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of a batch; see `Loss`."""
        features = network.features(pictures)
        loss = functional.cross_entropy(network.judged(features), labels)
        return loss + self._pull * self.conformity(features, labels.argmax(dim=1))

    def conformity(self, features: list[Tensor], labels: Tensor) -> Tensor:
        """The pulls less the pushes, summed over the layers."""
        total = torch.zeros(())
        for feature, centres in zip(features, self.centres, strict=True):
            squares = (feature[:, None] - centres[None]).square().sum(dim=2)
            own = squares.gather(1, labels[:, None])[:, 0]
            others = (squares.sum(dim=1) - own) / (len(centres) - 1)
            total = total + own.mean() - _AWAY * others.mean()
        return total
