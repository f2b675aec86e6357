"""I-FGVM: steps by the gradient itself, not its sign (Chatzikyriakidis et al. 2019)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from camfilter.lab.attacks.base import Attack, Classifier, Goal, clipped, loss_gradient

__all__ = ["IFGVM"]


@dataclass(frozen=True)
class IFGVM:
    """Iterative fast gradient value method: x <- clip(x - a * grad J(f(x), t)).

    Pixels with a small gradient change little, so the change is less noisy than with signs.
    A picture that is read as wanted is left as it is.

    Attributes:
        step: a, times the gradient of the cross-entropy of one picture.
        steps: at most so many.
    """

    step: float = 0.2
    steps: int = 30
    name: str = "ifgvm"
    targeted: bool = True

    def perturb(self, classifier: Classifier, pictures: Tensor, goal: Goal) -> Tensor:
        """Change pictures; see `Attack`."""
        changed = pictures.clone()
        for _ in range(self.steps):
            left = (~goal.reached(classifier.read(changed))).nonzero()[:, 0]
            if len(left) == 0:
                break
            gradient = loss_gradient(classifier, changed[left], goal.labels[left])
            changed[left] = clipped(changed[left] + goal.sign * self.step * gradient)
        return changed


def offered() -> Iterable[Attack]:
    """What this module adds."""
    return [IFGVM()]
