"""Frames for the tests of sinks: let out by the real guard, as there is no other way."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from camfilter.frames import RawFrame, Size
from camfilter.guard import Guard, ProtectedFrame


def let_through(pixels: np.ndarray, index: int = 0, time_s: float = 0.0) -> ProtectedFrame:
    """A protected frame that shows exactly these pixels."""
    shown = np.ascontiguousarray(pixels).copy()
    guard = Guard()
    guard.admit(RawFrame(shown ^ 1, index, time_s), shown, faces=[], budget_levels=1)
    return guard.frame(time_s, index, Size.of(shown))


def names_in(folder: Path) -> list[str]:
    """Names of everything in a folder, hidden files too."""
    return sorted(entry.name for entry in folder.iterdir())
