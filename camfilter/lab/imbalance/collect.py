"""Figures of many networks to means with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import stats  # type: ignore[import-untyped]

from camfilter.lab.imbalance.options import IMBALANCED

__all__ = ["ROLES", "Mean", "Networks", "mean_of"]

ROLES: Final = ("small", "other")


@dataclass(frozen=True)
class Mean:
    """A mean over networks, and how far it may be off.

    Attributes:
        value: None where no network had it.
        half: half of the 95 % interval (Student's t); None with fewer than two networks.
        networks: that had it.
    """

    value: float | None
    half: float | None
    networks: int

    @property
    def sure(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.value is not None and self.half is not None and abs(self.value) > self.half

    def told(self, unit: str = "", digits: int = 2) -> str:
        """In words: the mean and the interval."""
        if self.value is None:
            return "unknown"
        if self.half is None:
            return f"{self.value:.{digits}f}{unit}"
        return f"{self.value:.{digits}f} ± {self.half:.{digits}f}{unit}"


def mean_of(values: Iterable[float | None]) -> Mean:
    """Mean of what there is, with a 95 % interval of Student's t."""
    known = np.array([value for value in values if value is not None], float)
    if known.size == 0:
        return Mean(None, None, 0)
    if known.size == 1:
        return Mean(float(known[0]), None, 1)
    half = stats.t.ppf(0.975, known.size - 1) * known.std(ddof=1) / math.sqrt(known.size)
    return Mean(float(known.mean()), float(half), int(known.size))


@dataclass(frozen=True)
class Networks:
    """All networks that were measured.

    Attributes:
        orders: what each one was trained on; see `measure_network`.
        figures: of each, by class.
        classes: number of them.
    """

    orders: Sequence[dict[str, Any]]
    figures: Sequence[dict[str, Any]]
    classes: int

    def each(self, ratio: int, role: str, what: str, arm: str = IMBALANCED) -> list[float | None]:
        """One value a network, in the same order for every ratio and arm.

        Args:
            ratio: of the networks.
            role: "small" is the small class, "other" the mean of the other classes.
            what: figure; see `measure_network`.
            arm: of the networks.
        """
        pairs = [
            (order, figures)
            for order, figures in zip(self.orders, self.figures, strict=True)
            if order["ratio"] == ratio and order["arm"] == arm
        ]
        pairs.sort(key=lambda pair: (pair[0]["run"], pair[0]["small"]))
        return [
            _mean([figures[str(index)][what] for index in self._roles(order, role)])
            for order, figures in pairs
        ]

    def mean(self, ratio: int, role: str, what: str, arm: str = IMBALANCED) -> Mean:
        """Of `each`."""
        return mean_of(self.each(ratio, role, what, arm))

    def balanced(self, ratio: int, what: str, arm: str = IMBALANCED) -> Mean:
        """Mean over the classes, each counting the same."""
        others = self.classes - 1
        small, other = (self.each(ratio, role, what, arm) for role in ROLES)
        return mean_of(
            None if a is None or b is None else (a + others * b) / self.classes
            for a, b in zip(small, other, strict=True)
        )

    def change(self, role: str, what: str, before: tuple[int, str], after: tuple[int, str]) -> Mean:
        """Difference network by network between two kinds of networks, each a ratio and an arm."""
        first = self.each(before[0], role, what, before[1])
        second = self.each(after[0], role, what, after[1])
        return mean_of(
            None if a is None or b is None else b - a for a, b in zip(first, second, strict=True)
        )

    def reach(self, ratios: Sequence[int], role: str, what: str) -> int:
        """The greatest ratio up to which every network has a figure; the least where none has."""
        known = [ratio for ratio in ratios if None not in self.each(ratio, role, what)]
        return max(known, default=min(ratios))

    def trend(self, ratios: Sequence[int], role: str, what: str) -> tuple[float, float] | None:
        """Spearman's rank correlation of a figure with the ratio over all networks, and its p."""
        pairs = [
            (ratio, value)
            for ratio in ratios
            for value in self.each(ratio, role, what)
            if value is not None
        ]
        if len({ratio for ratio, _ in pairs}) < 2 or len({value for _, value in pairs}) < 2:
            return None
        correlation = stats.spearmanr(*zip(*pairs, strict=True))
        return float(correlation.statistic), float(correlation.pvalue)

    def _roles(self, order: dict[str, Any], role: str) -> list[int]:
        chosen: Callable[[int], bool] = {
            "small": lambda index: index == order["small"],
            "other": lambda index: index != order["small"],
        }[role]
        return [index for index in range(self.classes) if chosen(index)]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
