"""A filtered picture between the filter and the guard."""

from __future__ import annotations

from dataclasses import dataclass, field

from camfilter.faces.base import Face
from camfilter.frames import Pixels

__all__ = ["Filtered", "PartTimes"]


@dataclass(frozen=True, slots=True)
class PartTimes:
    """How long each part took for one frame, in milliseconds.

    Attributes:
        detect_ms: finding the faces.
        chain_ms: finding their change.
        compose_ms: putting it into the frame.
        after_ms: what was done once the frame before was out; nobody waited for it.
    """

    detect_ms: float
    chain_ms: float
    compose_ms: float
    after_ms: float = 0.0

    @property
    def total_ms(self) -> float:
        """All parts that the frame waited for."""
        return self.detect_ms + self.chain_ms + self.compose_ms


@dataclass(frozen=True, slots=True, eq=False)
class Filtered:
    """A filtered picture on its way to the guard, which proves it before anyone sees it.

    Attributes:
        pixels: (height, width, 3) uint8, BGR.
        faces: the faces that were changed.
        budget_levels: greatest change that was allowed, in levels.
        times: how long the parts took.
    """

    pixels: Pixels = field(repr=False)
    faces: tuple[Face, ...]
    budget_levels: int
    times: PartTimes
