"""PGD: many small steps, each projected back on a ball around the picture (Madry et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from camfilter.lab.attacks.base import Attack, Classifier, Goal
from camfilter.lab.attacks.through_foolbox import foolbox_attacks, within

__all__ = ["L2PGD", "PGD"]


@dataclass(frozen=True)
class PGD:
    """Steps by the sign of the gradient in a cube, from a random start; foolbox' code.

    Attributes:
        epsilon: greatest change of a pixel, in [0, 1].
        steps: number of them.
        relative_step: size of a step over epsilon; None takes 2.5 / steps.
        random_start: anywhere in the cube, not at the picture.
    """

    epsilon: float = 8 / 255
    steps: int = 10
    relative_step: float | None = None
    random_start: bool = True
    name: str = "pgd"
    targeted: bool = True

    def perturb(self, classifier: Classifier, pictures: Tensor, goal: Goal) -> Tensor:
        """Change pictures; see `Attack`."""
        attack = foolbox_attacks().LinfPGD(
            rel_stepsize=self.relative_step or 2.5 / self.steps,
            steps=self.steps,
            random_start=self.random_start,
        )
        return within(attack, classifier, pictures, goal, self.epsilon)


@dataclass(frozen=True)
class L2PGD:
    """Steps along the gradient in a ball, from a random start; foolbox' code.

    Attributes:
        radius: greatest L2 norm of the change of a picture, pixels in [0, 1].
        steps: number of them.
        relative_step: length of a step over the radius; None takes 2.5 / steps.
        random_start: anywhere in the ball, not at the picture.
    """

    radius: float = 1.0
    steps: int = 10
    relative_step: float | None = None
    random_start: bool = True
    name: str = "pgd-l2"
    targeted: bool = True

    def perturb(self, classifier: Classifier, pictures: Tensor, goal: Goal) -> Tensor:
        """Change pictures; see `Attack`."""
        attack = foolbox_attacks().L2PGD(
            rel_stepsize=self.relative_step or 2.5 / self.steps,
            steps=self.steps,
            random_start=self.random_start,
        )
        return within(attack, classifier, pictures, goal, self.radius)


def offered() -> Iterable[Attack]:
    """What this module adds."""
    return [PGD(), L2PGD()]
