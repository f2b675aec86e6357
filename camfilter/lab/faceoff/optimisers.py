"""PGD by foolbox, and C&W in two norms, on any objective that embeddings allow.

foolbox's PGD takes a loss of one's own. The C&W attacks of foolbox and ART take logits only, so
they are written out here (Carlini & Wagner 2017, sections VI-A and VI-C).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import torch
from torch import Tensor

from camfilter.lab.attacks.through_foolbox import foolbox_attacks
from camfilter.lab.faceoff.losses import Objective

__all__ = ["Norm", "Optimiser", "Plan", "perturbed"]

_STRIDE: Final = 2.5
_GROWTH: Final = 10.0
_SHRINK: Final = 0.7
_FIRST_LIMIT: Final = 0.1


class Optimiser(StrEnum):
    """PGD within a ball, or C&W that looks for the smallest change."""

    PGD = "pgd"
    CW = "cw"


class Norm(StrEnum):
    """How the change is measured."""

    L2 = "l2"
    LINF = "linf"


@dataclass(frozen=True)
class Plan:
    """How an objective is made small; the defaults are those of the paper's table I.

    Attributes:
        optimiser: which.
        norm: which.
        steps: of PGD, or of each search of C&W.
        epsilon: radius of PGD's ball, on pixels in [0, 1].
        searches: of C&W, for its constant (L2) or its limit (Linf).
        learning_rate: of C&W's Adam.
        first_constant: of C&W.
    """

    optimiser: Optimiser = Optimiser.PGD
    norm: Norm = Norm.L2
    steps: int = 20
    epsilon: float = 0.1
    searches: int = 8
    learning_rate: float = 0.1
    first_constant: float = 0.3


def perturbed(objective: Objective, pictures: Tensor, plan: Plan) -> Tensor:
    """Change pictures so that the objective falls.

    Args:
        objective: made for these pictures.
        pictures: (B, 1, S, S) float32 in [0, 1]; not written to.
        plan: how.

    Returns:
        (B, 1, S, S) in [0, 1]. Where C&W never reaches the objective, the picture with its least
        value.
    """
    if plan.optimiser is Optimiser.PGD:
        return _pgd(objective, pictures, plan)
    if plan.norm is Norm.L2:
        return _carlini_wagner_l2(objective, pictures, plan)
    return _carlini_wagner_linf(objective, pictures, plan)


def _pgd(objective: Objective, pictures: Tensor, plan: Plan) -> Tensor:
    attacks = foolbox_attacks()
    from eagerpy.astensor import astensor  # noqa: PLC0415 - only foolbox needs it
    from foolbox.criteria import Misclassification  # noqa: PLC0415
    from foolbox.models.pytorch import PyTorchModel  # noqa: PLC0415

    def with_objective(_self: Any, _model: Any, _labels: Any) -> Any:
        return lambda inputs: astensor(-objective(inputs.raw).sum())

    base = {Norm.L2: attacks.L2PGD, Norm.LINF: attacks.LinfPGD}[plan.norm]
    kind: Any = type("EmbeddingPGD", (base,), {"get_loss_fn": with_objective})
    stride = min(1.0, _STRIDE / plan.steps)
    attack = kind(rel_stepsize=stride, steps=plan.steps, random_start=False)
    # Only the bounds of this model are asked for, and nobody's label.
    model: Any = PyTorchModel(torch.nn.Identity().eval(), bounds=(0, 1), device="cpu")
    nobody: Any = Misclassification(torch.zeros(len(pictures), dtype=torch.int64))
    result: Tensor = attack.run(model, pictures, nobody, epsilon=plan.epsilon)
    return result.detach()


class _Best:
    """The best pictures so far: reached with the least size, else the least loss."""

    def __init__(self, pictures: Tensor) -> None:
        self.pictures = pictures.clone()
        self.size = torch.full((len(pictures),), torch.inf)
        self.loss = torch.full((len(pictures),), torch.inf)
        self.reached = torch.zeros(len(pictures), dtype=torch.bool)

    def take(self, pictures: Tensor, size: Tensor, loss: Tensor, reached: Tensor) -> None:
        """Keep those that are better."""
        smaller = reached & (size < self.size)
        nearer = ~reached & ~self.reached & (loss < self.loss)
        better = smaller | nearer
        self.pictures[better] = pictures[better]
        self.size[smaller] = size[smaller]
        self.loss[better] = loss[better]
        self.reached |= reached


def _inward(pictures: Tensor) -> Tensor:
    """From pixels to all numbers: the inverse of `_outward`."""
    return torch.atanh((pictures * 2 - 1) * (1 - 1e-6))


def _outward(free: Tensor) -> Tensor:
    return (torch.tanh(free) + 1) / 2


def _carlini_wagner_l2(objective: Objective, pictures: Tensor, plan: Plan) -> Tensor:
    best = _Best(pictures)
    constant = torch.full((len(pictures),), plan.first_constant)
    low, high = torch.zeros(len(pictures)), torch.full((len(pictures),), torch.inf)
    for _ in range(plan.searches):
        free = _inward(pictures).requires_grad_(True)
        optimiser = torch.optim.Adam([free], plan.learning_rate)
        worked = torch.zeros(len(pictures), dtype=torch.bool)
        for _ in range(plan.steps):
            changed = _outward(free)
            size = (changed - pictures).square().sum(dim=(1, 2, 3))
            loss, reached = objective.judged(changed)
            best.take(changed.detach(), size.detach(), loss.detach(), reached)
            worked |= reached
            optimiser.zero_grad()
            (size + constant * loss).sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        high = torch.where(worked, torch.minimum(high, constant), high)
        low = torch.where(worked, low, torch.maximum(low, constant))
        constant = torch.where(high.isinf(), constant * _GROWTH, (low + high) / 2)
    return best.pictures


def _carlini_wagner_linf(objective: Objective, pictures: Tensor, plan: Plan) -> Tensor:
    """What lies above a limit costs; the limit falls where the objective was reached."""
    best = _Best(pictures)
    constant = torch.full((len(pictures),), plan.first_constant)
    limit = torch.full((len(pictures),), _FIRST_LIMIT)
    for _ in range(plan.searches):
        free = _inward(pictures).requires_grad_(True)
        optimiser = torch.optim.Adam([free], plan.learning_rate)
        worked = torch.zeros(len(pictures), dtype=torch.bool)
        for _ in range(plan.steps):
            changed = _outward(free)
            change = (changed - pictures).abs()
            size = change.amax(dim=(1, 2, 3))
            loss, reached = objective.judged(changed)
            best.take(changed.detach(), size.detach(), loss.detach(), reached)
            worked |= reached & (size <= limit)
            above = (change - limit[:, None, None, None]).clamp_min(0).sum(dim=(1, 2, 3))
            optimiser.zero_grad()
            (above + constant * loss).sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        limit = torch.where(worked, torch.minimum(limit, best.size) * _SHRINK, limit)
        constant = torch.where(worked, constant, constant * 2)
    return best.pictures
