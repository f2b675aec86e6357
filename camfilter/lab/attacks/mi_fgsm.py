"""MI-FGSM: steps by the sign of a momentum of gradients (Dong et al. 2018, equations 6 and 7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from camfilter.lab.attacks.base import Attack, Classifier, Goal, clipped, loss_gradient

__all__ = ["MIFGSM"]


@dataclass(frozen=True)
class MIFGSM:
    """Steps of epsilon / steps; g <- decay g + grad / ||grad||_1, x <- x + step sign g.

    Own code: foolbox sums the signs of the gradients in place of the gradients over their norm.

    Attributes:
        epsilon: greatest change of a pixel, in [0, 1].
        steps: number of them.
        decay: share of the momentum that is kept, the paper's mu.
    """

    epsilon: float = 8 / 255
    steps: int = 10
    decay: float = 1.0
    name: str = "mi-fgsm"
    targeted: bool = True

    def perturb(self, classifier: Classifier, pictures: Tensor, goal: Goal) -> Tensor:
        """Change pictures; see `Attack`."""
        changed, momentum = pictures, torch.zeros_like(pictures)
        for _ in range(self.steps):
            gradient = loss_gradient(classifier, changed, goal.labels)
            norms = gradient.abs().sum(dim=(1, 2, 3), keepdim=True)
            momentum = self.decay * momentum + gradient / norms.clamp_min(1e-30)
            changed = clipped(changed + goal.sign * self.epsilon / self.steps * momentum.sign())
        return changed


def offered() -> Iterable[Attack]:
    """What this module adds."""
    return [MIFGSM()]
