"""k-A3: deceive, and leave no output position to the true class (after Mygdalis et al. 2020).

The equations are not in the text at hand, so this is our own working form of what it says: the
probability of finding the true class is at most 1/k in every position of the ranked outputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from camfilter.errors import SettingError
from camfilter.lab.attacks.base import Attack, Classifier, Goal, clipped, require_no_target

__all__ = ["KA3", "similarity"]

_WINDOW_PX: Final = 7
_STEADY: Final = (0.01**2, 0.03**2)


@dataclass(frozen=True)
class KA3:
    """Share the answer evenly among k decoys, and put the true class behind them.

    Adam minimises KL(uniform over T || softmax f(x')) + l1 * max(0, f_y0 - min_T f + margin)
    + l2 * (1 - SSIM(x', x)); T are k classes without y0, drawn for each picture. This alone
    leaves y0 in the same rank k + 1 for most pictures. With `spread` its rank is drawn as well,
    evenly from the k ranks behind the decoys (fewer where there are not so many classes): the
    classes that must be before y0 join T in the margin, and the others get the same margin behind.
    The change of least loss among those that deceive is kept.

    Attributes:
        k: number of decoys, less than that of classes.
        spread: draw the rank of the true class.
        l1: weight of the margin.
        l2: weight of the likeness.
        margin: in logits.
        rate: of Adam, in pixels of [0, 1].
        steps: of Adam.
    """

    k: int = 3
    spread: bool = False
    l1: float = 1.0
    l2: float = 1.0
    margin: float = 0.5
    rate: float = 0.01
    steps: int = 60
    name: str = "k-a3"
    targeted: bool = False

    def perturb(self, classifier: Classifier, pictures: Tensor, goal: Goal) -> Tensor:
        """Change pictures; see `Attack`.

        Raises:
            SettingError: the goal aims at a class, or there are not more than k classes.
        """
        require_no_target(self, goal)
        decoys, ahead = self._drawn(classifier.classes, goal)
        leaf = pictures.detach().clone().requires_grad_(True)
        optimiser = torch.optim.Adam([leaf], lr=self.rate)
        best, least = pictures.clone(), torch.full((len(pictures),), torch.inf)
        for number in range(self.steps + 1):
            logits = classifier.logits(leaf)
            loss = self.loss(logits, decoys, ahead, goal.labels)
            loss = loss + self.l2 * (1 - similarity(leaf, pictures))
            with torch.no_grad():
                better = goal.reached(logits) & (loss < least)
                best[better], least[better] = leaf[better], loss[better]
            if number < self.steps:
                (leaf.grad,) = torch.autograd.grad(loss.sum(), leaf)
                optimiser.step()
                with torch.no_grad():
                    leaf.copy_(clipped(leaf))
        return best

    def loss(self, logits: Tensor, decoys: Tensor, ahead: Tensor, labels: Tensor) -> Tensor:
        """(B,) the loss without the likeness.

        Args:
            logits: (B, classes).
            decoys: (B, classes) bool, T.
            ahead: (B, classes) bool, that must be before the true class; holds T.
            labels: (B,) the true class.
        """
        share = decoys.float() / self.k
        uneven = (share * (share.clamp_min(1e-9).log() - logits.log_softmax(dim=1))).sum(dim=1)
        true = logits.gather(1, labels[:, None])[:, 0]
        last = logits.masked_fill(~ahead, torch.inf).min(dim=1).values
        loss = uneven + self.l1 * functional.relu(true - last + self.margin)
        if self.spread:
            behind = ~ahead & ~functional.one_hot(labels, logits.shape[1]).bool()
            first = logits.masked_fill(~behind, -torch.inf).max(dim=1).values
            loss = loss + self.l1 * functional.relu(first - true + self.margin)
        return loss

    def _drawn(self, classes: int, goal: Goal) -> tuple[Tensor, Tensor]:
        """(B, classes) bool: the decoys, and all that must be before the true class."""
        if not 1 <= self.k < classes:
            raise SettingError(f"k-A3 with k = {self.k} needs more than {self.k} classes.")
        chance = torch.Generator().manual_seed(goal.seed)
        count = len(goal.labels)
        order = torch.rand(count, classes, generator=chance)
        order[torch.arange(count), goal.labels] = 2  # the true class comes last
        rank = order.argsort(dim=1).argsort(dim=1)
        decoys = rank < self.k
        if not self.spread:
            return decoys, decoys
        ranks = min(self.k, classes - self.k)
        more = torch.randperm(count, generator=chance) % ranks
        return decoys, rank < self.k + more[:, None]


def similarity(first: Tensor, second: Tensor) -> Tensor:
    """(B,) mean SSIM (Wang et al. 2004) of (B, C, S, S) pictures in [0, 1], windows of 7 pixels.

    As in scikit-image, with gradients: only windows that lie in the picture count.
    """
    pixels = _WINDOW_PX**2

    def mean(pictures: Tensor) -> Tensor:
        return functional.avg_pool2d(pictures, _WINDOW_PX, stride=1)

    means = mean(first), mean(second)
    unbiased = pixels / (pixels - 1)
    variances = [
        unbiased * (mean(one * one) - own**2)
        for one, own in zip((first, second), means, strict=True)
    ]
    covariance = unbiased * (mean(first * second) - means[0] * means[1])
    likeness = (2 * means[0] * means[1] + _STEADY[0]) * (2 * covariance + _STEADY[1])
    scale = (means[0] ** 2 + means[1] ** 2 + _STEADY[0]) * (sum(variances) + _STEADY[1])
    return (likeness / scale).mean(dim=(1, 2, 3))


def offered() -> Iterable[Attack]:
    """What this module adds."""
    return [KA3()]
