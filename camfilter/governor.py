"""Spends less on a frame before frames come late, and says so.

A machine that is slow, or busy with something else, would drop frames. Before that, fewer stages
are taken, so a face is protected a little later in full; then the finder looks less often, and a
face is carried by the motion of its texture in between; at last nothing is done in haste, not even
for a new expression. Every frame is protected all the same. When there is time again, everything
goes back to what was set.

What counts is the load over two seconds. Frames cost unlike much: in one the finder looks, in
another a smile is hidden in haste. That is no trouble as long as those beside it are done sooner.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final, TypeVar

from camfilter.frames import RawFrame
from camfilter.settings import ChainSettings

__all__ = ["FULL_EFFORT", "Effort", "Governor"]

_WINDOW_FRAMES: Final = 60
"""Two seconds, mostly: a smile that comes is worked on in haste for less than half of one."""
_PERIOD_FRAMES: Final = 12
"""Fewer: a camera that slows down in the dark does so at once."""
_LATE_IN_WINDOW: Final = 9
_JUDGED_FROM_FRAMES: Final = 30
_MOST_SHARE: Final = 3.0
"""No frame counts for more: one that hung for seconds is chance."""
_FULL_LOAD: Final = 0.7
"""Of the time from frame to frame, on average; others need the rest."""
_EASY_LOAD: Final = 0.5
_PATIENCE_S: Final = 3.0
_LONGEST_PATIENCE_S: Final = 60.0
_RELAPSE_S: Final = 10.0
_USUAL_PERIOD_S: Final = 1 / 30
_LONGEST_PERIOD_S: Final = 0.5
_LEAST_STAGES_PER_FRAME: Final = 0.1

_Settings = TypeVar("_Settings", bound=ChainSettings)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is spent on a frame.

    Attributes:
        stage_share: of the stages that were set, 0 to 1. A chain in every frame keeps one; over
            time less than one a frame is one every few frames, and less than a quarter of one
            leaves nothing to be done in haste.
        find_every: frames from one that the finder sees to the next.
    """

    stage_share: float = 1.0
    find_every: int = 3

    def applied(self, settings: _Settings) -> _Settings:
        """The settings with as many stages as the effort allows; the budget stays as it was."""
        if self.stage_share == 1:
            return settings
        if settings.over_time:
            share = max(_LEAST_STAGES_PER_FRAME, self.stage_share * settings.stages_per_frame)
            return settings.model_copy(update={"stages_per_frame": share})
        fewer = max(1, round(settings.chain_length * self.stage_share))
        eased = settings.model_copy(update={"chain_length": fewer})
        # Fewer stages without a projection also change less: then they must stay.
        return eased if eased.budget_levels == settings.budget_levels else settings


FULL_EFFORT: Final = Effort()

_LEVELS: Final = (
    FULL_EFFORT, Effort(0.5), Effort(0.25), Effort(0.25, 4), Effort(0.25, 6), Effort(0.2, 6),
)  # fmt: skip


class Governor:
    """Chooses the effort for the next frame from how long the last ones took.

    It reads no clock: whoever filters says when a frame came and how long it took.

    Args:
        levels: efforts from full to least.
    """

    def __init__(self, levels: Sequence[Effort] = _LEVELS) -> None:
        self._levels = tuple(levels)
        self._level = 0
        self._shares: deque[float] = deque(maxlen=_WINDOW_FRAMES)
        self._periods_s: deque[float] = deque(maxlen=_PERIOD_FRAMES)
        self._before: RawFrame | None = None
        self._easy_since_s: float | None = None
        self._raised_s: float | None = None
        self._patience_s = _PATIENCE_S
        self._frames_eased = 0

    @property
    def effort(self) -> Effort:
        """What to spend on the next frame."""
        return self._levels[self._level]

    @property
    def frames_eased(self) -> int:
        """How many frames were filtered with less than full effort."""
        return self._frames_eased

    @property
    def words(self) -> str:
        """What is spent less, for the person to read; empty at full effort."""
        if self._level == 0:
            return ""
        effort = self.effort
        told = f"{effort.stage_share:.0%} of the stages"
        if effort.find_every > self._levels[0].find_every:
            told += f", faces looked for in every {effort.find_every}th"
        return f"This machine is slow or busy: {told}."

    def note(self, raw: RawFrame, took_s: float) -> bool:
        """Count one frame.

        Args:
            raw: the frame, with its running number and the time at which it was read.
            took_s: how long it took to filter, in seconds.

        Returns:
            Whether the effort changed.
        """
        self._frames_eased += self._level > 0
        before, self._before = self._before, raw
        if before is None or raw.index <= before.index:
            return False  # the first one also loads what is loaded once
        skipped = raw.index - before.index - 1
        self._periods_s.append((raw.time_s - before.time_s) / (skipped + 1))
        share = min(took_s / self._period_s(), _MOST_SHARE)
        slow_before = bool(self._shares) and self._shares[-1] > 1  # and counted already
        self._shares.append(max(share, 1.0) if skipped and not slow_before else share)
        if self._are_late() or self._load() > _FULL_LOAD:
            return self._lower(raw.time_s)
        return self._raise_when_easy(raw.time_s)

    def _period_s(self) -> float:
        """Time from one frame of the camera to the next."""
        period_s = median(self._periods_s)
        return min(period_s, _LONGEST_PERIOD_S) if period_s > 0 else _USUAL_PERIOD_S

    def _are_late(self) -> bool:
        """Whether many of the last frames made the next one wait; a few come with a new face."""
        return sum(share >= 1 for share in self._shares) >= _LATE_IN_WINDOW

    def _load(self) -> float:
        """Share of the time that the last frames took, mean; 0 while there are too few to say."""
        few = len(self._shares) < _JUDGED_FROM_FRAMES
        return 0.0 if few else fmean(self._shares)

    def _lower(self, now_s: float) -> bool:
        self._easy_since_s = None
        if self._level == len(self._levels) - 1:
            return False
        if self._raised_s is not None and now_s - self._raised_s < _RELAPSE_S:
            self._patience_s = min(2 * self._patience_s, _LONGEST_PATIENCE_S)
        self._raised_s = None
        self._go_to(self._level + 1)
        return True

    def _raise_when_easy(self, now_s: float) -> bool:
        if self._level == 0:
            self._settle(now_s)
            return False
        if not 0 < self._load() <= _EASY_LOAD:
            self._easy_since_s = None
            return False
        if self._easy_since_s is None:
            self._easy_since_s = now_s
        if now_s - self._easy_since_s < self._patience_s:
            return False
        self._raised_s, self._easy_since_s = now_s, None
        self._go_to(self._level - 1)
        return True

    def _settle(self, now_s: float) -> None:
        """Full effort has held for long enough: the next trouble is a new one."""
        if self._raised_s is not None and now_s - self._raised_s > _LONGEST_PATIENCE_S:
            self._raised_s, self._patience_s = None, _PATIENCE_S

    def _go_to(self, level: int) -> None:
        """Change the effort; what was measured before says nothing about it."""
        self._level = level
        self._shares.clear()
