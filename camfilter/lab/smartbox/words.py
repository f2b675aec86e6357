"""Small parts of sentences, and the families of attacks that the paper speaks of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Final

import numpy as np

from camfilter.lab.smartbox.bench import Outcome

__all__ = ["GRADIENT", "LEAST_CHANGE", "against", "begun", "headed", "listed", "means"]

LEAST_CHANGE: Final = frozenset({"deepfool", "ead-l1", "ead-en", "cw-l2"})
GRADIENT: Final = frozenset({"fgsm"})
_CHANCE: Final = 5.0


def means(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Mean of the values of each name, in the order of the names."""
    grouped: dict[str, list[float]] = defaultdict(list)
    for name, value in pairs:
        grouped[name].append(value)
    return {name: float(np.mean(values)) for name, values in grouped.items()}


def listed(parts: Iterable[str]) -> str:
    """Parts with commas and a last "and"."""
    *most, last = [*parts] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def begun(text: str) -> str:
    """The text with a capital letter."""
    return text[:1].upper() + text[1:]


def headed(head: str, outcome: Outcome) -> str:
    """The head of a paragraph; it names the subject where that is not people."""
    subject = "" if outcome.subject == "identity" else f", {outcome.subject}s"
    return f"**{head}{subject}.** "


def against(ours: Mapping[str, float], theirs: Mapping[str, float]) -> str:
    """Whether our order of some names is the paper's, greatest value first.

    Args:
        ours: in percent; may have more names.
        theirs: the paper's, in percent.
    """
    paper = sorted(theirs, key=lambda name: -theirs[name])
    swapped = [(a, b) for a, b in combinations(paper, 2) if ours[a] < ours[b]]
    if not swapped:
        return f" The order is the paper's: {listed(paper)}."
    gap = max(ours[b] - ours[a] for a, b in swapped)
    chance = ", which may be chance" if gap < _CHANCE else ""
    places = listed(f"{b} before {a}" for a, b in swapped)
    return (
        f" The paper's order is {listed(paper)}; here {places}, by at most {gap:.1f} points"
        f"{chance}."
    )
