"""L-BFGS: the least change in L2 that reaches a class (Szegedy et al. 2013, section 4.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn import functional

from camfilter.lab.attacks.base import Attack, Classifier, Goal

__all__ = ["LBFGS"]


@dataclass(frozen=True)
class LBFGS:
    """Minimise ||p||^2 + c * J(f(x + p), t) with x + p in [0, 1], for the least c that succeeds.

    Without a target, t is the likeliest of the other classes.

    Attributes:
        first_weight: c is sought by powers of ten from here on, then by halving.
        raises: powers of ten that are tried.
        halvings: of the gap between the last c that failed and the first that succeeded.
        iterations: of L-BFGS for one c.
    """

    first_weight: float = 0.1
    raises: int = 4
    halvings: int = 3
    iterations: int = 20
    name: str = "lbfgs"
    targeted: bool = True

    def perturb(self, classifier: Classifier, pictures: Tensor, goal: Goal) -> Tensor:
        """Change pictures; see `Attack`. A picture where every c fails stays as it is."""
        targets = goal.labels if goal.targeted else _runners_up(classifier, pictures, goal.labels)
        pairs = zip(pictures, targets.tolist(), strict=True)
        return torch.stack([self._one(classifier, picture, target) for picture, target in pairs])

    def _one(self, classifier: Classifier, picture: Tensor, target: int) -> Tensor:
        best = picture
        if _reads(classifier, picture, target):
            return best
        failed, weight = 0.0, self.first_weight
        for _ in range(self.raises):
            found = self._minimised(classifier, picture, target, weight)
            if _reads(classifier, found, target):
                best = found
                break
            failed, weight = weight, 10 * weight
        else:
            return best
        for _ in range(self.halvings):
            middle = (failed + weight) / 2
            found = self._minimised(classifier, picture, target, middle)
            if _reads(classifier, found, target):
                best, weight = found, middle
            else:
                failed = middle
        return best

    def _minimised(
        self, classifier: Classifier, picture: Tensor, target: int, weight: float
    ) -> Tensor:
        wanted = torch.tensor([target])

        def value(flat: NDArray[Any]) -> tuple[float, NDArray[Any]]:
            leaf = torch.from_numpy(flat).float().view(1, *picture.shape).requires_grad_(True)
            loss = functional.cross_entropy(classifier.logits(leaf), wanted)
            total = (leaf - picture).square().sum() + weight * loss
            (gradient,) = torch.autograd.grad(total, leaf)
            return total.item(), gradient.numpy().ravel().astype(np.float64)

        start = picture.numpy().ravel().astype(np.float64)
        found = optimize.minimize(
            value, start, jac=True, method="L-BFGS-B", bounds=[(0, 1)] * start.size,
            options={"maxiter": self.iterations},
        )  # fmt: skip
        return torch.from_numpy(found.x).float().view(picture.shape).clamp(0, 1)


def _reads(classifier: Classifier, picture: Tensor, label: int) -> bool:
    return int(classifier.read(picture[None]).argmax()) == label


def _runners_up(classifier: Classifier, pictures: Tensor, labels: Tensor) -> Tensor:
    """(B,) the likeliest class beside the label."""
    logits = classifier.read(pictures)
    logits[torch.arange(len(logits)), labels] = -torch.inf
    return logits.argmax(dim=1)


def offered() -> Iterable[Attack]:
    """What this module adds."""
    return [LBFGS()]
