"""Which surrogate takes the next stage: those that are not yet turned for sure come oftener."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Turns"]

_LEAST: Final = 0.25
_DECAY: Final = 0.7


class Turns:
    """Turns of some surrogates on one face, dealt out by need.

    Each surrogate saves up credit at every turn: a quarter, and up to one more the oftener it
    was not turned for sure. The richest is next and pays what all have saved, so every one comes
    again and again.

    Args:
        count: of surrogates, one or more.
    """

    def __init__(self, count: int) -> None:
        self._need = np.ones(count)
        self._credit = np.zeros(count)

    def take(self) -> int:
        """Index of the surrogate whose turn it is."""
        gain = _LEAST + self._need
        self._credit += gain
        chosen = int(self._credit.argmax())
        self._credit[chosen] -= gain.sum()
        return chosen

    @property
    def need(self) -> float:
        """How many of the surrogates were not turned for sure lately, as a share."""
        return float(self._need.mean())

    def hear(self, surrogate: int, *, turned: bool) -> None:
        """Learn whether it read in the newest stage what it shall read, and that for sure."""
        self._need[surrogate] = _DECAY * self._need[surrogate] + (1 - _DECAY) * (not turned)

    def doubt(self, which: NDArray[np.bool_]) -> None:
        """Take some surrogates for not turned: what they read in the clean face is new.

        Args:
            which: (count,) True for those.
        """
        self._need[which] = 1.0
