"""Rates of several attacks, and words for how they stand to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from camfilter.lab.faceoff.plans import Attacked

__all__ = ["NOTABLE", "labelled", "mean_rate", "more_or_less", "seconds_each", "spread_of"]

NOTABLE: Final = 0.05
"""Differences of rates below this are called none: the pairs are few."""


def labelled(attacked: Sequence[Attacked], label: str) -> Attacked:
    """The attack of a label."""
    return next(one for one in attacked if one.wish.label == label)


def mean_rate(
    attacked: Sequence[Attacked], figure: str, alpha: float, channel: str | None = None, *,
    own: bool | None = None,
) -> float:  # fmt: skip
    """Mean over attacks and judges; 0 where no face was recognised before."""
    way = () if channel is None else (channel,)
    rates = [rate for one in attacked for rate in one.rates(figure, alpha, *way, own=own)]
    return sum(rates) / len(rates) if rates else 0.0


def seconds_each(attacked: Sequence[Attacked]) -> float:
    """Mean CPU time of attacks for a picture, in seconds."""
    return float(sum(one.made.figures["seconds"] for one in attacked) / max(1, len(attacked)))


def spread_of(values: Sequence[float]) -> float:
    """Greatest difference."""
    return max(values) - min(values)


def more_or_less(value: float, other: float) -> str:
    """How a rate stands to another, in words that end with "as" or "than"."""
    if abs(value - other) < NOTABLE:
        return "about as much as"
    return "more than" if value > other else "less than"
