"""How sure a share is that was counted on few pictures."""

from __future__ import annotations

from typing import Final

__all__ = ["wilson"]

_NORMAL_95: Final = 1.959963984540054


def wilson(hits: float, trials: float) -> tuple[float, float]:
    """95 % confidence interval of a share (Wilson 1927).

    Args:
        hits: number of successes; a fraction where it is a mean over several readers.
        trials: number of them; none at all gives [0, 1].
    """
    if trials == 0:
        return 0.0, 1.0
    share, square = hits / trials, _NORMAL_95**2
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    root = (share * (1 - share) / trials + square / (4 * trials**2)) ** 0.5
    reach = _NORMAL_95 * root / (1 + square / trials)
    return max(0.0, middle - reach), min(1.0, middle + reach)
