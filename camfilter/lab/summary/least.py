"""The least change that deceives, by bisecting the radius of PGD."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from camfilter.lab.attacks.base import loss_gradient
from camfilter.lab.defences.base import Defended
from camfilter.lab.experiment.made import Made
from camfilter.lab.summary.subjects import UNDEFENDED, subject

__all__ = ["Norm", "Search", "margin_gradient", "measure_least", "norms"]

Norm = Literal["linf", "l2"]
Slope = Callable[[Tensor, Tensor], Tensor]
"""Pictures and labels to the direction in which to go."""


@dataclass(frozen=True)
class Search:
    """PGD in a ball of each picture's own radius, which is bisected.

    A round goes on from the best change so far, shrunk to the new radius.

    Attributes:
        norm: of the ball.
        greatest: radius that is tried first.
        rounds: of bisection.
        steps: of PGD in each.
    """

    norm: Norm
    greatest: float
    rounds: int
    steps: int

    def least(
        self, target: Defended, slope: Slope, pictures: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Norms of the least changes that were found.

        Args:
            target: to be deceived.
            slope: by which the steps are steered; of the target or of another network.
            pictures: (B, C, S, S) in [0, 1].
            labels: (B,) the true classes.

        Returns:
            (B,) in float, and (B,) after rounding to 8 bits; infinite where none was found, and
            0 where the picture itself is misread.
        """
        low, best = torch.zeros(len(pictures)), torch.zeros_like(pictures)
        exact, rounded = (torch.full((len(pictures),), torch.inf) for _ in range(2))
        for least in (exact, rounded):
            least[target.deceived(target.answers.read(pictures), labels)] = 0
        for _ in range(self.rounds):
            radius = torch.where(exact.isfinite(), (low + exact) / 2, self.greatest)
            change = self._kept(best, radius)
            reached = self._note(target, pictures, change, labels, exact)
            best[reached] = change[reached]
            for _step in range(self.steps):
                direction = self._unit(slope((pictures + change).clamp(0, 1), labels))
                length = _wide(2.5 * radius / self.steps)
                change = self._kept(change + length * direction, radius)
                change = (pictures + change).clamp(0, 1) - pictures
                better = self._note(target, pictures, change, labels, exact)
                best[better] = change[better]
                reached |= better
            shown = ((pictures + best) * 255).round() / 255
            self._note(target, pictures, shown - pictures, labels, rounded)
            # Where no radius was ever enough, the greatest is tried again, from the same start.
            low = torch.where(reached | exact.isinf(), low, radius)
        return exact, rounded

    def _note(
        self, target: Defended, pictures: Tensor, change: Tensor, labels: Tensor, least: Tensor
    ) -> Tensor:
        """Note the norms of changes that deceive and are less than the least; where."""
        size = norms(change, self.norm)
        deceived = target.deceived(target.answers.read(pictures + change), labels)
        better: Tensor = deceived & (size < least)
        least[better] = size[better]
        return better

    def _unit(self, gradient: Tensor) -> Tensor:
        if self.norm == "linf":
            return gradient.sign()
        return gradient / _wide(gradient.flatten(1).norm(dim=1).clamp_min(1e-20))

    def _kept(self, change: Tensor, radius: Tensor) -> Tensor:
        if self.norm == "linf":
            return torch.minimum(torch.maximum(change, -_wide(radius)), _wide(radius))
        return change * _wide((radius / norms(change, self.norm).clamp_min(1e-20)).clamp(max=1))


def margin_gradient(target: Defended) -> Slope:
    """Steers by the margin of a wrong class over the true one and over refusal.

    Unlike that of the cross-entropy, its gradient does not vanish where a softmax saturates.
    """

    def slope(pictures: Tensor, labels: Tensor) -> Tensor:
        leaf = pictures.detach().clone().requires_grad_(True)
        margin = target.margin(target.answers.logits(leaf), labels).sum()
        (gradient,) = torch.autograd.grad(margin, leaf)
        return gradient

    return slope


def measure_least(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """The least changes of some faces for one network, one way of steering and one norm.

    Args:
        order: name, way (naive: cross-entropy of what an attacker sees who does not know the
            defence; knowing: margin of what it answers; transfer: margin of the undefended
            network), norm, greatest, rounds, steps, faces, and what `subject` needs.
        given: faces, and the trained networks by name.

    Returns:
        float and rounded: (faces,) norms; see `Search.least`. right: (faces,) bool, where the
        face itself is read right.
    """
    arrays = given["faces"].arrays
    pictures = torch.from_numpy(arrays["test"][: order["faces"]])[:, None].float() / 255
    labels = torch.from_numpy(arrays["labels"][: order["faces"]])
    target = subject(order["name"], order, given)
    slope = margin_gradient(target)
    if order["way"] == "transfer":
        slope = margin_gradient(subject(UNDEFENDED, order, given))
    elif order["way"] == "naive" and target.naive is not None:
        seen = target.naive

        def slope(pictures: Tensor, labels: Tensor) -> Tensor:
            return loss_gradient(seen, pictures, labels)

    search = Search(order["norm"], order["greatest"], order["rounds"], order["steps"])
    exact, rounded = search.least(target, slope, pictures, labels)
    right = target.labels(target.answers.read(pictures)) == labels
    found = {"float": exact, "rounded": rounded, "right": right}
    return Made({}, {key: values.numpy() for key, values in found.items()})


def norms(change: Tensor, norm: Norm) -> Tensor:
    """(B,) norms of (B, ...) changes."""
    flat = change.flatten(1)
    return flat.abs().max(dim=1).values if norm == "linf" else flat.norm(dim=1)


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None, None]
