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

LAST_RESORT: Final = "neutral"
"""For a face that some surrogate reads as the one, and some as the other."""

_FIRST_SHARE: Final = 0.5
_LIKELY: Final = 0.2
_PATIENCE_STAGES: Final = 24
_REACH_DECAY: Final = 0.6
_MOST_CHANGES: Final = 2
_REACHED: Final = 0.3


class Decoys:
    """The decoy of one face: stays the same until somebody reads it in the clean face.

    Args:
        random: draws the first.
    """

    def __init__(self, random: np.random.Generator) -> None:
        names = DECOYS if random.random() < _FIRST_SHARE else DECOYS[::-1]
        self._order = [EXPRESSIONS.index(name) for name in names]
        self._last = EXPRESSIONS.index(LAST_RESORT)
        self._reached: dict[int, float] = {}
        self._tried = 0
        self._changes = 0
        self._first_least = 0.0

    def away_from(self, beliefs: NDArray[np.float32]) -> int:
        """Index of the decoy, which no surrogate takes for the truth.

        Args:
            beliefs: (surrogates, 8) probabilities that each gives the clean face.
        """
        read = set(beliefs.argmax(axis=1).tolist())
        mean = beliefs.mean(axis=0)
        held, other = self._order
        if held in read or mean[held] >= _LIKELY > mean[other]:
            if other in read and self._last not in read:
                return self._last
            if other not in read or mean[other] < mean[held]:
                self._take_next()
        return self._order[0]

    def hear(self, surrogate: int, probability: float) -> None:
        """Learn what a surrogate gave the decoy in the newest stage.

        A decoy that stays out of one surrogate's reach on this face gives way to the other.
        Should that do no better it comes back, and stays: a change that never settles would be
        seen.

        Args:
            surrogate: its index.
            probability: 0 to 1.
        """
        self._tried += 1
        before = self._reached.get(surrogate, probability)
        self._reached[surrogate] = _REACH_DECAY * before + (1 - _REACH_DECAY) * probability
        least = min(self._reached.values())
        if self._tried < _PATIENCE_STAGES or least >= _REACHED or self._changes == _MOST_CHANGES:
            return
        self._changes += 1
        first_least, self._first_least = self._first_least, least
        if self._changes == 1 or first_least > least:
            self._take_next()

    def _take_next(self) -> None:
        self._order.append(self._order.pop(0))
        self._tried, self._reached = 0, {}


def goal(
    settings: ChainSettings, beliefs: NDArray[np.float32], decoys: Decoys | None, stage: int
) -> NDArray[np.float32]:
    """The label whose cross-entropy a stage descends.

    Args:
        settings: mode and targets.
        beliefs: (surrogates, 8) probabilities that each gives the clean face.
        decoys: of this face; None only leaves the truth.
        stage: how many stages the face has had.

    Returns:
        (8,) float32. For untargeted 2 decoy - truth: its cross-entropy
        approaches one and leaves the other, and never saturates.
    """
    one_hot: NDArray[np.float32] = np.asarray(np.eye(len(EXPRESSIONS)), np.float32)
    belief = beliefs.mean(axis=0)
    truth = int(belief.argmax())
    if settings.mode is Mode.UNTARGETED:
        if decoys is None:
            return np.asarray(-one_hot[truth])
        return np.asarray(2 * one_hot[decoys.away_from(beliefs)] - one_hot[truth])
    if settings.mode is Mode.HIDE:
        return np.full(len(EXPRESSIONS), 1 / len(EXPRESSIONS), np.float32)
    if settings.mode is Mode.NEUTRAL:
        return np.asarray(one_hot[0])
    stage = min(stage, settings.chain_length - 1)
    target = scheduled_target(settings.targets, stage, settings.chain_length)
    if target == LEAST_LIKELY:
        return np.asarray(one_hot[int(belief.argmin())])
    return np.asarray(one_hot[EXPRESSIONS.index(target)])
