"""m-SVDD: one sphere for each class in place of the linear layer (Mygdalis et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from camfilter.lab.defences.network import SmallNet

__all__ = ["Refusing", "SphereLoss", "Spheres"]


class Spheres(nn.Module):
    """Scores R_k^2 - ||g(x) - c_k||^2: positive inside the sphere of a class.

    Args:
        centres: (classes, width) to start from.
        radii_squared: (classes,) to start from, positive.
    """

    def __init__(self, centres: Tensor, radii_squared: Tensor) -> None:
        super().__init__()
        self.centres = nn.Parameter(centres.clone())
        self.log_radii_squared = nn.Parameter(radii_squared.log())

    @property
    def radii_squared(self) -> Tensor:
        """(classes,) R_k^2."""
        return self.log_radii_squared.exp()

    def forward(self, features: Tensor) -> Tensor:
        """(B, classes) scores of (B, width) features."""
        squares = (features[:, None] - self.centres[None]).square().sum(dim=2)
        return self.radii_squared - squares


@dataclass(frozen=True)
class SphereLoss:
    """Own pictures inside, those of others outside, by a margin, and small spheres.

    The text at hand has no equations; these hinges are the soft-margin form of support vector
    data description with other classes as outliers (Tax & Duin 2004), summed over the classes.

    Attributes:
        margin: of the scores.
        small: weight of the mean R_k^2.
    """

    margin: float = 1.0
    small: float = 0.01

    def __call__(self, network: SmallNet, pictures: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of a batch; see `Loss`."""
        spheres = network.head
        if not isinstance(spheres, Spheres):
            raise TypeError("The network's head must be Spheres.")
        scores = network(pictures)
        own = functional.one_hot(labels.argmax(dim=1), scores.shape[1]).bool()
        inside = functional.relu(self.margin - scores[own]).mean()
        outside = functional.relu(self.margin + scores).masked_fill(own, 0).sum(dim=1).mean()
        loss: Tensor = inside + outside + self.small * spheres.radii_squared.mean()
        return loss


class Refusing(nn.Module):
    """A network of spheres with one more output, of score zero: it wins where all are negative.

    Args:
        network: whose scores they are.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, classes + 1) scores of (B, 1, S, S) pictures; the last one refuses."""
        scores: Tensor = self.network(pictures)
        return torch.cat([scores, torch.zeros(len(scores), 1)], dim=1)
