"""A universal perturbation: one change for all pictures (Moosavi-Dezfooli et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from camfilter.lab.attacks.base import Attack, Classifier, Goal, clipped, loss_gradient

__all__ = ["Universal"]


@dataclass(frozen=True)
class Universal:
    """One change in a cube, learnt by projected steps over many pictures.

    The steps are those of Shafahi et al. 2020 (algorithm 1: sign of the mean gradient of a batch).
    The loop of the 2017 paper, as ART has it, asks DeepFool picture by picture.

    Attributes:
        epsilon: greatest change of a pixel, in [0, 1].
        rounds: through all pictures.
        batch: pictures for one step.
    """

    epsilon: float = 8 / 255
    rounds: int = 8
    batch: int = 64
    name: str = "universal"
    targeted: bool = True

    def learnt(self, classifier: Classifier, pictures: Tensor, goal: Goal) -> Tensor:
        """The change, (1, C, S, S) within epsilon, learnt on some pictures.

        Args:
            classifier: attacked.
            pictures: (B, C, S, S) float32 in [0, 1].
            goal: what shall be read; its seed is that of the order.
        """
        chance = torch.Generator().manual_seed(goal.seed)
        delta = torch.zeros_like(pictures[:1])
        for number in range(self.rounds):
            step = 2 * self.epsilon / (number + 2)
            order = torch.randperm(len(pictures), generator=chance)
            for chosen in torch.split(order, self.batch):
                moved = clipped(pictures[chosen] + delta)
                gradient = loss_gradient(classifier, moved, goal.labels[chosen])
                delta += goal.sign * step * gradient.mean(dim=0, keepdim=True).sign()
                delta.clamp_(-self.epsilon, self.epsilon)
        return delta

    def perturb(self, classifier: Classifier, pictures: Tensor, goal: Goal) -> Tensor:
        """Change pictures; see `Attack`. The change is learnt on these very pictures."""
        return clipped(pictures + self.learnt(classifier, pictures, goal))


def offered() -> Iterable[Attack]:
    """What this module adds."""
    return [Universal()]
