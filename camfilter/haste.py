"""How many stages a face is given beyond its turn: more when it has just taken on an expression."""

from __future__ import annotations

from typing import Final

__all__ = ["Haste"]

_MOST_STAGES: Final = 3
_FULL_FROM_NEED: Final = 2 / 3
_SAVED_IN_FRAMES: Final = 60


class Haste:
    """The stages that one face may take in haste.

    A new expression is worked on with up to three stages a frame more, fewer the more surrogates
    are turned. They are taken from savings, which fill up within two seconds: a smile is hidden
    at once, and a face that never rests, whose texture has learned all it shows, costs little.

    Args:
        savings: the most that can be saved, in stages; so many there are at first.
    """

    def __init__(self, savings: float) -> None:
        self._most = self._saved = savings
        self._ends_at_stage = 0
        self._frame = 0
        self.begun_at_stage = 0

    def begin(self, stage: int) -> None:
        """The face, which has had so many stages, takes on another expression."""
        self.begun_at_stage = stage
        self._ends_at_stage = stage + round(self._most)

    def goes_on(self, stage: int) -> bool:
        """Whether its newest expression is new, after so many stages in all."""
        return stage < self._ends_at_stage

    def stages(self, stage: int, need: float) -> int:
        """How many stages it may take now.

        Args:
            stage: how many it has had.
            need: share of the surrogates that are not turned, 0 to 1.
        """
        if not self.goes_on(stage):
            return 0
        wanted = round(_MOST_STAGES * min(1.0, need / _FULL_FROM_NEED))
        return min(wanted, int(self._saved))

    def spend(self, stages: int, frame: int, pace: float) -> None:
        """Take stages from the savings, which have grown since the frame before.

        Args:
            stages: how many; 0 only lets them grow.
            frame: number of this frame.
            pace: how fast they grow, 0 to 1; a machine that is short of time saves up slowly.
        """
        grown = pace * self._most * (frame - self._frame) / _SAVED_IN_FRAMES
        self._saved = min(self._most, self._saved + grown) - stages
        self._frame = frame
