"""EAD: the least change in elastic net or in L1, which touches few pixels (Chen et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from camfilter.lab.attacks.base import Attack, Classifier, Goal
from camfilter.lab.attacks.through_foolbox import foolbox_attacks, least_change

__all__ = ["ElasticNet"]


@dataclass(frozen=True)
class ElasticNet:
    """FISTA on c * margin + ||change||^2 + beta ||change||_1, with a search for c; foolbox' code.

    Attributes:
        rule: which of the changes found is kept: the least elastic net (EN) or the least L1.
        searches: for the constant c.
        steps: of FISTA in each search.
        step_size: of the first step; it falls with the root of the steps that are left.
        beta: weight of the L1 norm; also the least change of a pixel, in [0, 1].
        confidence: margin of logits that is wanted, the paper's kappa.
        first_constant: c of the first search.
        name: ead-en or ead-l1.
    """

    rule: Literal["EN", "L1"] = "EN"
    searches: int = 4
    steps: int = 40
    step_size: float = 0.01
    beta: float = 0.01
    confidence: float = 0.0
    first_constant: float = 0.1
    name: str = "ead-en"
    targeted: bool = True

    def perturb(self, classifier: Classifier, pictures: Tensor, goal: Goal) -> Tensor:
        """Change pictures; see `Attack`."""
        attack = foolbox_attacks().EADAttack(
            binary_search_steps=self.searches,
            steps=self.steps,
            initial_stepsize=self.step_size,
            confidence=self.confidence,
            initial_const=self.first_constant,
            regularization=self.beta,
            decision_rule=self.rule,
        )
        return least_change(attack, classifier, pictures, goal, margin=self.confidence > 0)


def offered() -> Iterable[Attack]:
    """What this module adds."""
    return [ElasticNet(), ElasticNet(rule="L1", name="ead-l1")]
