"""How often a recogniser's answer changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from camfilter.surrogate.reading import Reading

__all__ = ["SURE", "Tally"]

SURE: Final = 0.5
"""Confidence in the unfiltered face from which a reading counts as sure."""


@dataclass(slots=True)
class Tally:
    """Pairs of readings of the same face, before and after.

    Attributes:
        pairs: how many.
        fooled: those with another most probable expression.
        sure: pairs whose first reading was sure.
        sure_fooled: those of them with another most probable expression.
        labels: what was read after, counted.
    """

    pairs: int = 0
    fooled: int = 0
    sure: int = 0
    sure_fooled: int = 0
    labels: Counter[str] = field(default_factory=Counter)

    def add(self, before: Reading, after: Reading) -> None:
        """Count one pair."""
        fooled, sure = before.label != after.label, before.confidence >= SURE
        self.pairs += 1
        self.fooled += fooled
        self.sure += sure
        self.sure_fooled += fooled and sure
        self.labels[after.label] += 1

    @property
    def fool_rate(self) -> float | None:
        """Share of pairs that were fooled; None without pairs."""
        return round(self.fooled / self.pairs, 4) if self.pairs else None

    @property
    def sure_fool_rate(self) -> float | None:
        """The same where the first reading was sure."""
        return round(self.sure_fooled / self.sure, 4) if self.sure else None

    def as_json(self) -> dict[str, Any]:
        """All figures as plain values."""
        return {
            "pairs": self.pairs,
            "agree_share": None if self.fool_rate is None else round(1 - self.fool_rate, 4),
            "fool_rate": self.fool_rate,
            "sure_pairs": self.sure,
            "sure_fool_rate": self.sure_fool_rate,
            "labels": dict(self.labels.most_common()),
        }
