"""The losses of Face-Off (section II-B), on one network or on several at once.

All are made of d'(x, A_y): the mean distance of an embedding from the pictures of person y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from camfilter.lab.networks import size_of

__all__ = ["Loss", "Member", "Objective", "mean_distances"]

_TINY = 1e-12


class Loss(StrEnum):
    """What is made small.

    TARGET: d'(x, A_t).
    HINGE: [d'(x, A_t) - d'(x, A_s) + kappa]+, with the source set, as in the authors' code.
    HINGE_FARTHEST: [d'(x, A_t) - max over y != t of d'(x, A_y) + kappa]+, as printed.
    UNTARGETED: -d'(x, A_s).
    """

    TARGET = "target"
    HINGE = "hinge"
    HINGE_FARTHEST = "hinge-farthest"
    UNTARGETED = "untargeted"


def mean_distances(embeddings: Tensor, anchors: Tensor) -> Tensor:
    """d'(x, A_y) for every person.

    Args:
        embeddings: (B, D).
        anchors: (P, A, D) embeddings of A pictures of each of P people.

    Returns:
        (B, P).
    """
    apart = embeddings[:, None, None, :] - anchors[None]
    # The root of 0 has no gradient.
    return (apart.square().sum(dim=3) + _TINY).sqrt().mean(dim=2)


@dataclass(frozen=True)
class Member:
    """A network that is attacked, and where it has the people.

    Attributes:
        network: maps (B, 1, S, S) to (B, D) of length 1.
        anchors: (P, A, D) embeddings of pictures that the attacker has of each person.
    """

    network: nn.Module
    anchors: Tensor

    def distances(self, pictures: Tensor) -> Tensor:
        """(B, P) distances d' of pictures of any size; those of another are resized."""
        size = size_of(self.network)
        if pictures.shape[-1] != size:
            pictures = F.interpolate(pictures, (size, size), mode="bilinear", align_corners=False)
        return mean_distances(self.network(pictures), self.anchors)


@dataclass(frozen=True)
class Objective:
    """What an attack makes small, for each picture.

    Attributes:
        members: attacked together; the mean of their losses counts.
        sources: (B,) int64, who is in each picture.
        targets: (B,) int64, who shall be seen in it.
        loss: which.
        kappa: margin of the hinge losses, in distances of unit embeddings (0 to 2).
    """

    members: Sequence[Member]
    sources: Tensor
    targets: Tensor
    loss: Loss
    kappa: float = 0.0

    def __call__(self, pictures: Tensor) -> Tensor:
        """(B,) losses; gradients flow to the pictures."""
        return self.judged(pictures)[0]

    def judged(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) losses, and (B,) bool: every member is where the loss wants it.

        A hinge loss is reached where it is 0, the target loss where the target is the nearest
        person, the untargeted one where the source is not.
        """
        distances = [member.distances(pictures) for member in self.members]
        losses = torch.stack([self._loss(each) for each in distances])
        with torch.no_grad():
            reached = torch.stack([self._reached(each) for each in distances])
        return losses.mean(dim=0), reached.all(dim=0)

    def _loss(self, distances: Tensor) -> Tensor:
        to_source = distances.gather(1, self.sources[:, None])[:, 0]
        to_target = distances.gather(1, self.targets[:, None])[:, 0]
        if self.loss is Loss.TARGET:
            return to_target
        if self.loss is Loss.UNTARGETED:
            return -to_source
        if self.loss is Loss.HINGE:
            return (to_target - to_source + self.kappa).clamp_min(0)
        others = distances.scatter(1, self.targets[:, None], -torch.inf)
        return (to_target - others.amax(dim=1) + self.kappa).clamp_min(0)

    def _reached(self, distances: Tensor) -> Tensor:
        nearest = distances.argmin(dim=1)
        if self.loss is Loss.TARGET:
            return nearest == self.targets
        if self.loss is Loss.UNTARGETED:
            return nearest != self.sources
        return self._loss(distances) <= 0
