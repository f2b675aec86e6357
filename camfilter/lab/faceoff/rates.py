"""Rates of several attacks, and words for how they stand to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from camfilter.lab.faceoff.plans import Attacked

__all__ = [
    "NOTABLE",
    "between",
    "labelled",
    "mean_rate",
    "more_or_less",
    "seconds_each",
    "spread_of",
    "with_interval",
]

NOTABLE: Final = 0.1
"""Differences of rates below this are called none: the pairs are few, four or five of them."""


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


def between(interval: tuple[float, float] | None) -> str:
    """An interval as a cell of a table; empty where there is none."""
    return "" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"


def with_interval(one: Attacked, figure: str, alpha: float, *, own: bool) -> str:
    """A rate with its 95 % interval, in words."""
    low, high = one.interval(figure, alpha, own=own) or (0.0, 1.0)
    return f"{mean_rate([one], figure, alpha, own=own):.0%} ({100 * low:.0f} to {100 * high:.0f})"


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
