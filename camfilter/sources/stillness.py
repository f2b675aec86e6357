"""Tells a frozen camera from a still scene."""

from __future__ import annotations

from typing import Final

import cv2

from camfilter.frames import Pixels

__all__ = ["Stillness"]

_LONGEST_PATIENCE_S: Final = 60.0
_PROBE_ROWS: Final = 16
"""Rows compared first: the noise of a real sensor shows at once."""


class Stillness:
    """Suspects a camera that sends the identical picture for too long, once a picture.

    The caller reopens the camera on suspicion. A picture that is still the same
    after that is a still scene and no longer suspect; each such false alarm
    doubles the patience, so that a slide show is left in peace.

    Args:
        patience_s: how long the identical picture may come before it is suspect, in seconds.
    """

    def __init__(self, patience_s: float = 2.0) -> None:
        self._first_patience_s = patience_s
        self._patience_s = patience_s
        self._seen: Pixels | None = None
        self._since_s = 0.0
        self._suspect = False
        self._accepted = False

    @property
    def accepted(self) -> bool:
        """True while the identical picture comes and was found to be a still scene."""
        return self._accepted

    def suspicious(self, pixels: Pixels, now_s: float) -> bool:
        """Look at the next picture; True when the camera should be reopened."""
        if self._seen is None or not _same(pixels, self._seen):
            if self._suspect and not self._accepted:
                self._patience_s = self._first_patience_s
            self._seen, self._since_s = pixels, now_s
            self._suspect = self._accepted = False
            return False
        if self._suspect:
            if not self._accepted:
                self._patience_s = min(2 * self._patience_s, _LONGEST_PATIENCE_S)
                self._accepted = True
            return False
        self._suspect = now_s - self._since_s > self._patience_s
        return self._suspect


def _same(a: Pixels, b: Pixels) -> bool:
    if a.shape != b.shape:
        return False
    step = max(1, a.shape[0] // _PROBE_ROWS)
    if (a[::step] != b[::step]).any():
        return False
    return cv2.norm(a, b, cv2.NORM_INF) == 0
