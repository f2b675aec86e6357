"""DeepFool: to the nearest linearised boundary, again and again (Moosavi-Dezfooli et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from camfilter.lab.attacks.base import Attack, Classifier, Goal, require_no_target
from camfilter.lab.attacks.through_foolbox import foolbox_attacks, least_change

__all__ = ["DeepFool"]


@dataclass(frozen=True)
class DeepFool:
    """The least change in L2 that leaves a class; foolbox' code.

    Attributes:
        steps: at most so many.
        candidates: so many of the likeliest classes are looked at.
        overshoot: how far beyond the boundary, as a share of the change.
    """

    steps: int = 30
    candidates: int = 8
    overshoot: float = 0.02
    name: str = "deepfool"
    targeted: bool = False

    def perturb(self, classifier: Classifier, pictures: Tensor, goal: Goal) -> Tensor:
        """Change pictures; see `Attack`."""
        require_no_target(self, goal)
        attack = foolbox_attacks().L2DeepFoolAttack(
            steps=self.steps, candidates=self.candidates, overshoot=self.overshoot
        )
        return least_change(attack, classifier, pictures, goal)


def offered() -> Iterable[Attack]:
    """What this module adds."""
    return [DeepFool()]
