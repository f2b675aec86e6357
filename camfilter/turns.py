"""Which surrogate takes the next stage: those that still read the truth come oftener."""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ["Turns"]

_LEAST: Final = 0.25
_DECAY: Final = 0.7


class Turns:
    """Turns of some surrogates on one face, dealt out by need.

    Each surrogate saves up credit at every turn: a quarter, and up to one more the oftener it
    reads the truth all the same. The richest is next and pays what all have saved, so every one
    comes again and again.

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

    def hear(self, surrogate: int, *, truth_is_read: bool) -> None:
        """Learn whether it read the truth in the newest stage all the same."""
        self._need[surrogate] = _DECAY * self._need[surrogate] + (1 - _DECAY) * truth_is_read
