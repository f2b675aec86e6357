"""FGSM: one step along the sign of the gradient (Goodfellow et al. 2015, equation in section 4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from camfilter.lab.attacks.base import Attack, Classifier, Goal, clipped, loss_gradient

__all__ = ["FGSM"]


@dataclass(frozen=True)
class FGSM:
    """One step of a fixed size.

    Attributes:
        epsilon: greatest change of a pixel, in [0, 1].
    """

    epsilon: float = 8 / 255
    name: str = "fgsm"
    targeted: bool = True

    def perturb(self, classifier: Classifier, pictures: Tensor, goal: Goal) -> Tensor:
        """Change pictures; see `Attack`."""
        gradient = loss_gradient(classifier, pictures, goal.labels)
        return clipped(pictures + goal.sign * self.epsilon * gradient.sign())


def offered() -> Iterable[Attack]:
    """What this module adds."""
    return [FGSM()]
