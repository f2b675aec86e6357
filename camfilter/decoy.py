"""What a recogniser shall read: the goal of a stage, as a label for its cross-entropy.

In mode untargeted over time the truth gives way to a decoy drawn at random. Leaving the truth
by the shortest way would send each expression to a neighbour of its own, and who knows the
neighbours reads the truth again; a decoy that is never the truth, but does not depend on it
otherwise, says almost nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from camfilter.chain import scheduled_target
from camfilter.expressions import EXPRESSIONS
from camfilter.settings import LEAST_LIKELY, ChainSettings, Mode

__all__ = ["DECOYS", "Decoys", "goal"]

DECOYS: Final = ("sadness", "anger")
"""Rare in calls, so that not being the truth tells little, and in reach of a small change."""

_FIRST_SHARE: Final = 0.5
_LIKELY: Final = 0.2
_PATIENCE_STAGES: Final = 24
_REACH_DECAY: Final = 0.9
_REACHED: Final = 0.3


class Decoys:
    """The decoy of one face: stays the same until the truth becomes it, or it proves out of reach.

    Args:
        random: draws the first.
    """

    def __init__(self, random: np.random.Generator) -> None:
        names = DECOYS if random.random() < _FIRST_SHARE else DECOYS[::-1]
        self._order = [EXPRESSIONS.index(name) for name in names]
        self._reached = 0.0
        self._tried = 0
        self._changes = 0

    def away_from(self, belief: NDArray[np.float32]) -> int:
        """Index of the decoy, which is never the truth, nor what may well be taken for it.

        Args:
            belief: (8,) probabilities of the clean face.
        """
        held, other = belief[self._order[0]], belief[self._order[1]]
        if held >= _LIKELY and held > other:
            self._take_next()
        return self._order[0]

    def hear(self, probability: float) -> None:
        """Learn what a surrogate gave the decoy in the newest stage, 0 to 1.

        A decoy that stays out of reach on this face gives way to another; after each has
        had its turn the last one stays, as a change that never settles would be seen.
        """
        self._tried += 1
        self._reached = _REACH_DECAY * self._reached + (1 - _REACH_DECAY) * probability
        out_of_reach = self._tried >= _PATIENCE_STAGES and self._reached < _REACHED
        if out_of_reach and self._changes < len(DECOYS):
            self._changes += 1
            self._take_next()

    def _take_next(self) -> None:
        self._order.append(self._order.pop(0))
        self._tried, self._reached = 0, 0.0


def goal(
    settings: ChainSettings, belief: NDArray[np.float32], decoys: Decoys | None, stage: int
) -> NDArray[np.float32]:
    """The label whose cross-entropy a stage descends.

    Args:
        settings: mode and targets.
        belief: (8,) probabilities of the clean face.
        decoys: of this face; None only leaves the truth.
        stage: how many stages the face has had.

    Returns:
        (8,) float32. For untargeted 2 decoy - truth: its cross-entropy
        approaches one and leaves the other, and never saturates.
    """
    one_hot: NDArray[np.float32] = np.asarray(np.eye(len(EXPRESSIONS)), np.float32)
    truth = int(belief.argmax())
    if settings.mode is Mode.UNTARGETED:
        if decoys is None:
            return np.asarray(-one_hot[truth])
        return np.asarray(2 * one_hot[decoys.away_from(belief)] - one_hot[truth])
    if settings.mode is Mode.HIDE:
        return np.full(len(EXPRESSIONS), 1 / len(EXPRESSIONS), np.float32)
    if settings.mode is Mode.NEUTRAL:
        return np.asarray(one_hot[0])
    stage = min(stage, settings.chain_length - 1)
    target = scheduled_target(settings.targets, stage, settings.chain_length)
    if target == LEAST_LIKELY:
        return np.asarray(one_hot[int(belief.argmin())])
    return np.asarray(one_hot[EXPRESSIONS.index(target)])
