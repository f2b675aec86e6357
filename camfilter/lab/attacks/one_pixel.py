"""One pixel, found by differential evolution from the answers alone (Su et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize  # type: ignore[import-untyped]
from torch import Tensor

from camfilter.lab.attacks.base import Attack, Classifier, Goal

__all__ = ["OnePixel"]


@dataclass(frozen=True)
class OnePixel:
    """The place and the value of one pixel, by scipy's differential evolution.

    It sees the probability of the label only, and ends early once it is read as wanted.

    Attributes:
        population: candidates of one generation, for each of place (two) and values (channels).
        generations: at most so many.
    """

    population: int = 16
    generations: int = 12
    name: str = "one-pixel"
    targeted: bool = True

    def perturb(self, classifier: Classifier, pictures: Tensor, goal: Goal) -> Tensor:
        """Change pictures; see `Attack`."""
        pairs = zip(pictures, goal.labels.tolist(), strict=True)
        return torch.stack(
            [
                self._one(classifier, picture, label, goal, goal.seed + number)
                for number, (picture, label) in enumerate(pairs)
            ]
        )

    def _one(
        self, classifier: Classifier, picture: Tensor, label: int, goal: Goal, seed: int
    ) -> Tensor:
        def probability(candidates: NDArray[Any]) -> NDArray[Any]:
            """(N,) of the label, for (2 + C, N) candidates; small is good."""
            read = classifier.read(_changed(picture, candidates.T)).softmax(dim=1)[:, label]
            return np.asarray(goal.sign * read.numpy())

        def done(best: NDArray[Any], convergence: float) -> bool:  # noqa: ARG001 - scipy gives it
            answer = classifier.read(_changed(picture, best[None]))
            return bool(Goal(torch.tensor([label]), goal.targeted).reached(answer))

        size = picture.shape[-1]
        found = optimize.differential_evolution(
            probability, [(0, size - 1)] * 2 + [(0, 1)] * len(picture), maxiter=self.generations,
            popsize=self.population, init="sobol", polish=False, updating="deferred",
            vectorized=True, seed=seed, callback=done, tol=0,
        )  # fmt: skip
        return _changed(picture, found.x[None])[0]


def _changed(picture: Tensor, candidates: NDArray[Any]) -> Tensor:
    """(N, C, S, S): a picture with one pixel of each of (N, 2 + C) candidates."""
    places = torch.from_numpy(candidates[:, :2].round().astype(np.int64))
    pictures = picture.repeat(len(candidates), 1, 1, 1)
    values = torch.from_numpy(candidates[:, 2:]).float().clamp(0, 1)
    pictures[torch.arange(len(candidates)), :, places[:, 0], places[:, 1]] = values
    return pictures


def offered() -> Iterable[Attack]:
    """What this module adds."""
    return [OnePixel()]
