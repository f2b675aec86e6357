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

__all__ = ["DECOYS", "Decoys", "goal", "is_turned"]

DECOYS: Final = ("sadness", "anger")
"""Rare in calls, so that not being the truth tells little, and in reach of a small change."""

LAST_RESORT: Final = "neutral"
"""For a face that some surrogate reads as the one, and some as the other."""

_NO_DECOY: Final = -1
"""Only leave the truth: whatever is not the truth is better than the truth."""

_FIRST_SHARE: Final = 0.5
_NEARLY: Final = 0.7
_SECOND: Final = 0.5
_LIKELY: Final = 0.2
_WARM_UP_STAGES: Final = 8
_PATIENCE_STAGES: Final = 24
_DECAY: Final = 0.85
_UNMOVED: Final = 0.33
"""Share of the surrogates that still read the truth, over time, above which a decoy gives way."""
_BETTER: Final = 0.1
_SURE_LOGITS: Final = 2.0
_FLAT_LOGITS: Final = 1.0


class Decoys:
    """The decoy of one face: stays until somebody reads it in the clean face, or it moves too few.

    Args:
        random: draws the first.
    """

    def __init__(self, random: np.random.Generator) -> None:
        names = DECOYS if random.random() < _FIRST_SHARE else DECOYS[::-1]
        self._order = [EXPRESSIONS.index(name) for name in names]
        self._last = EXPRESSIONS.index(LAST_RESORT)
        self._held = self._order[0]
        self._read: set[int] = set()
        self._found_better: int | None = None
        self._shares: dict[int, float] = {}
        self._unmoved: dict[int, float] = {}
        self._tried = 0

    def away_from(self, beliefs: NDArray[np.float32]) -> int | None:
        """Index of the decoy, which no surrogate might take for the truth; None: none is in reach.

        Args:
            beliefs: (surrogates, 8) probabilities that each gives the clean face.
        """
        self._read = _nearly_read(beliefs)
        decoy = self._found_better
        if decoy is None or decoy in self._read:
            decoy = self._usual(beliefs.mean(axis=0))
        if decoy != self._held:
            self._held, self._tried, self._unmoved = decoy, 0, {}
        return None if decoy == _NO_DECOY else decoy

    def hear(self, surrogate: int, *, truth_is_read: bool) -> None:
        """Learn whether a surrogate read the truth in the newest stage all the same.

        What leaves a third of them unmoved on this face gives way to the other decoy, and that to
        none. Each was tried then, and whichever leaves fewest unmoved is held, and judged on: a
        head that turns, or an hour, may bring another one into reach.

        Args:
            surrogate: its index.
            truth_is_read: whether it did.
        """
        self._tried += 1
        if self._tried <= _WARM_UP_STAGES:  # the texture is still that of what was held before
            return
        before = self._unmoved.get(surrogate, float(truth_is_read))
        self._unmoved[surrogate] = _DECAY * before + (1 - _DECAY) * truth_is_read
        if self._tried < _PATIENCE_STAGES:
            return
        share = sum(self._unmoved.values()) / len(self._unmoved)
        self._shares[self._held] = share
        options = [option for option in (*self._order, _NO_DECOY) if option not in self._read]
        best = min(options, key=lambda option: self._shares.get(option, 0.0))
        if share >= _UNMOVED and self._shares.get(best, 0.0) < share - _BETTER:
            self._found_better = best

    def _usual(self, mean: NDArray[np.float32]) -> int:
        held, other = self._order
        if held in self._read or mean[held] >= _LIKELY > mean[other]:
            if other in self._read and self._last not in self._read:
                return self._last
            if other not in self._read or mean[other] < mean[held]:
                self._order.reverse()
        return self._order[0]


def goal(
    settings: ChainSettings,
    beliefs: NDArray[np.float32],
    surrogate: int,
    decoys: Decoys | None,
    stage: int,
) -> NDArray[np.float32]:
    """The label whose cross-entropy a stage descends.

    Args:
        settings: mode and targets.
        beliefs: (surrogates, 8) probabilities that each gives the clean face.
        surrogate: index of the one that takes the stage; the truth is what it reads itself.
        decoys: of this face; None only leaves the truth.
        stage: how many stages the face has had.

    Returns:
        (8,) float32. For untargeted decoy - truth: logits are pushed along it whatever they are,
        so it never saturates. More force on the truth fools some more and leaves more bits,
        as each truth then has followers of its own. A surrogate whose second choice in the clean
        face is near its first has two truths, each with half of the weight.
    """
    one_hot: NDArray[np.float32] = np.asarray(np.eye(len(EXPRESSIONS)), np.float32)
    belief = beliefs.mean(axis=0)
    truth = int(beliefs[surrogate].argmax())
    if settings.mode is Mode.UNTARGETED:
        decoy = None if decoys is None else decoys.away_from(beliefs)
        if decoy is None:
            return np.asarray(-one_hot[truth])
        second = int(beliefs[surrogate].argsort()[-2])
        away = one_hot[truth]
        if second != decoy and beliefs[surrogate, second] > _SECOND * beliefs[surrogate, truth]:
            away = (one_hot[truth] + one_hot[second]) / 2
        return np.asarray(one_hot[decoy] - away, np.float32)
    if settings.mode is Mode.HIDE:
        return np.full(len(EXPRESSIONS), 1 / len(EXPRESSIONS), np.float32)
    if settings.mode is Mode.NEUTRAL:
        return np.asarray(one_hot[0])
    stage = min(stage, settings.chain_length - 1)
    target = scheduled_target(settings.targets, stage, settings.chain_length)
    if target == LEAST_LIKELY:
        return np.asarray(one_hot[int(belief.argmin())])
    return np.asarray(one_hot[EXPRESSIONS.index(target)])


def is_turned(mode: Mode, logits: NDArray[np.float32], truth: int, aim: int) -> bool:
    """Whether a surrogate reads what it shall, and will on another picture of the face, too.

    Args:
        mode: what shall be read.
        logits: (8,) its answer to the protected face.
        truth: index of what it reads in the clean face.
        aim: index of what the stages approach.
    """
    if mode is Mode.HIDE:
        return float(logits.max() - np.median(logits)) < _FLAT_LOGITS
    if mode is Mode.UNTARGETED:
        return float(np.delete(logits, truth).max() - logits[truth]) > _SURE_LOGITS
    return float(logits[aim] - np.delete(logits, aim).max()) > _SURE_LOGITS


def _nearly_read(beliefs: NDArray[np.float32]) -> set[int]:
    """What some surrogate reads in the clean face, or would in the next frame as easily."""
    near = beliefs > _NEARLY * beliefs.max(axis=1, keepdims=True)
    return set(np.flatnonzero(near.any(axis=0)).tolist())
