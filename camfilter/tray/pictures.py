"""Which pictures the preview shows. They stay in memory; nothing here writes to disk."""

from __future__ import annotations

from collections import deque
from typing import Final

import cv2

from camfilter.app.controller import Preview
from camfilter.frames import Pixels

__all__ = ["MAGNIFIED", "PairKeeper", "magnified_difference"]

MAGNIFIED: Final = 20
_GREY: Final = 128
_PATIENCE_S: Final = 0.5
_RECENT: Final = 4


def magnified_difference(before: Pixels, after: Pixels) -> Pixels:
    """What was changed, 20 times magnified around grey; (height, width, 3) uint8, BGR."""
    return cv2.addWeighted(after, MAGNIFIED, before, -MAGNIFIED, _GREY).astype("uint8", copy=False)


class PairKeeper:
    """Keeps the newest pair that shows one moment twice.

    The controller may hand out a newer picture before than after: the filter
    takes its time. Two pictures of one moment differ by no more than the filter
    may change, so the picture before is looked for among the last few.
    """

    def __init__(self) -> None:
        self._recent: deque[Pixels] = deque(maxlen=_RECENT)
        self._kept: Preview | None = None
        self._kept_s = float("-inf")
        self._fits = False

    def newest(
        self, pair: Preview | None, greatest_levels: int | None, now_s: float, *, strict: bool
    ) -> Preview | None:
        """What to show now.

        Args:
            pair: what the controller hands out.
            greatest_levels: greatest difference of one moment; None where there is no limit.
            now_s: a monotonic time in seconds.
            strict: wait for two pictures of one moment for as long as it takes; else half
                a second.
        """
        if pair is None:
            self._recent.clear()
            self._kept = None
            return None
        if not self._recent or self._recent[0] is not pair.before:
            self._recent.appendleft(pair.before)
        before = self._partner(pair.after, greatest_levels)
        late = self._kept is None or now_s - self._kept_s > _PATIENCE_S
        if before is not None:
            self._kept, self._kept_s, self._fits = Preview(before, pair.after), now_s, True
        elif late and not strict:
            self._kept, self._kept_s, self._fits = pair, now_s, False
        return self._kept if self._fits or not strict else None

    def _partner(self, after: Pixels, greatest_levels: int | None) -> Pixels | None:
        if greatest_levels is None:
            return self._recent[0]
        for before in self._recent:
            if before.shape != after.shape:
                continue
            if cv2.norm(before, after, cv2.NORM_INF) <= greatest_levels:
                return before
        return None
