"""Time several calls against each other, in turns, so that noise hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Laps", "race"]


@dataclass(frozen=True, slots=True, eq=False)
class Laps:
    """How long one call took, round after round.

    Attributes:
        wall_ms: (rounds,) time on the wall.
        cpu_ms: (rounds,) time that all threads of this process computed.
    """

    wall_ms: NDArray[np.float64]
    cpu_ms: NDArray[np.float64]

    @property
    def p50_ms(self) -> float:
        """Median time on the wall."""
        return float(np.percentile(self.wall_ms, 50))

    @property
    def p99_ms(self) -> float:
        """The time on the wall that one round in a hundred exceeds."""
        return float(np.percentile(self.wall_ms, 99))

    @property
    def undisturbed_ms(self) -> float:
        """The time on the wall that one round in ten stays under; a busy machine's own speed."""
        return float(np.percentile(self.wall_ms, 10))

    @property
    def mean_cpu_ms(self) -> float:
        """Mean computing time; a shared machine disturbs it least."""
        return float(self.cpu_ms.mean())

    def times_slower_than(self, other: Laps) -> float:
        """Median over the rounds of this time over the other's in the same round."""
        return float(np.median(self.wall_ms / other.wall_ms))

    def cpu_times_slower_than(self, other: Laps) -> float:
        """The same by computing time, which waiting for a turn on a busy core leaves alone."""
        return float(np.median(self.cpu_ms / np.maximum(other.cpu_ms, 1e-6)))


def race(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    warm_ups: int = 2,
    clock: Callable[[], float] = time.perf_counter,
    cpu_clock: Callable[[], float] = time.process_time,
) -> dict[str, Laps]:
    """Call each contender once a round; who starts changes from round to round.

    Args:
        contenders: what to call, by name.
        rounds: how many rounds count.
        warm_ups: calls of each before the first round; they do not count.
        clock: reads a monotonic time in seconds.
        cpu_clock: reads the computing time of this process in seconds.
    """
    for call in contenders.values():
        for _ in range(warm_ups):
            call()
    names = list(contenders)
    wall_ms = {name: np.zeros(rounds) for name in names}
    cpu_ms = {name: np.zeros(rounds) for name in names}
    for turn in range(rounds):
        first = turn % max(1, len(names))
        for name in names[first:] + names[:first]:
            call = contenders[name]
            start_cpu_s, start_s = cpu_clock(), clock()
            call()
            end_s, end_cpu_s = clock(), cpu_clock()
            wall_ms[name][turn] = 1e3 * (end_s - start_s)
            cpu_ms[name][turn] = 1e3 * (end_cpu_s - start_cpu_s)
    return {name: Laps(wall_ms[name], cpu_ms[name]) for name in names}
