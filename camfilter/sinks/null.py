"""A sink that keeps nothing but a count."""

from __future__ import annotations

from collections import Counter

from camfilter.guard import GuardState, ProtectedFrame
from camfilter.sinks.base import pixels_of
from camfilter.sinks.closing import ClosedOnExit

__all__ = ["NullSink"]


class NullSink(ClosedOnExit):
    """Counts frames and drops them; for measuring and trying out.

    Attributes:
        states: how many frames came in each state of the guard.
    """

    def __init__(self) -> None:
        self.states: Counter[GuardState] = Counter()

    @property
    def name(self) -> str:
        """What a person would call the sink."""
        return "nowhere"

    @property
    def frames(self) -> int:
        """How many frames came."""
        return self.states.total()

    def write(self, frame: ProtectedFrame) -> None:
        """Count one frame.

        Raises:
            UnguardedFrame: the frame was not made by the guard.
        """
        pixels_of(frame)
        self.states[frame.state] += 1

    def close(self) -> None:
        """Nothing to release."""
