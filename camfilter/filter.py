"""One frame's way through the filter: find faces, run the chain, put the change back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from camfilter.chain import FaceChain
from camfilter.compose import compose
from camfilter.faces.base import Face, FaceFinder
from camfilter.filtered import Filtered, PartTimes
from camfilter.frames import RawFrame, Size
from camfilter.meter import AtOnce, FaceMeasure, Meter

__all__ = ["FaceFilter", "FrameFilter"]

# Nothing can be read from less of a face, and its change could not be proved.
_LEAST_SHARE_IN_VIEW = 0.15


class FrameFilter(Protocol):
    """Turns a raw frame into a filtered picture. May raise anything: the guard stands behind it."""

    def apply(self, raw: RawFrame) -> Filtered:
        """Filter one frame; frames come in order."""

    def measure(self, raw: RawFrame, filtered: Filtered) -> list[FaceMeasure]:
        """What recognisers read in the faces before and after."""

    def catch_up(self) -> None:
        """Do what may wait until the newest frame is out; `apply` does it else, before the next."""

    def close(self) -> None:
        """Release models; closing twice does nothing."""


class FaceFilter:
    """The real filter.

    Args:
        finder: finds faces.
        chain: finds the perturbation; another one may take its place between two frames.
        meter: says what recognisers read; None asks the surrogate alone.
        clock: reads a monotonic time in seconds.
    """

    def __init__(
        self,
        finder: FaceFinder,
        chain: FaceChain,
        *,
        meter: Meter | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._finder = finder
        self.chain = chain
        self._meter = meter or AtOnce()
        self._clock = clock
        self._after_ms = 0.0

    def apply(self, raw: RawFrame) -> Filtered:
        """Filter one frame; frames come in order."""
        after_ms, self._after_ms = self._after_ms, 0.0
        start = self._clock()
        found_faces = self._finder.find(raw.pixels)
        faces = tuple(face for face in found_faces if _in_view(face, raw.size))
        found = self._clock()
        budget_levels = self.chain.settings.budget_levels
        if not faces:
            times = PartTimes(1e3 * (found - start), 0.0, 0.0, after_ms)
            return Filtered(raw.pixels.copy(), (), budget_levels, times)
        perturbation = self.chain.perturb_faces(raw.pixels, faces)
        chained = self._clock()
        pixels = compose(raw.pixels, faces, perturbation, budget_levels)
        composed = self._clock()
        times = PartTimes(
            1e3 * (found - start), 1e3 * (chained - found), 1e3 * (composed - chained), after_ms
        )
        return Filtered(pixels, faces, budget_levels, times)

    def measure(self, raw: RawFrame, filtered: Filtered) -> list[FaceMeasure]:
        """What recognisers read in the faces before and after; see `camfilter.meter`."""
        start = self._clock()
        measures = self._meter.measure(raw.pixels, filtered, self.chain.surrogate)
        self._after_ms += 1e3 * (self._clock() - start)
        return measures

    def catch_up(self) -> None:
        """Take the stages that wait, and look for faces in the newest frame where that is due."""
        start = self._clock()
        self.chain.catch_up()
        self._finder.catch_up()
        self._after_ms += 1e3 * (self._clock() - start)

    def close(self) -> None:
        """Release models; closing twice does nothing."""
        self._finder.close()


def _in_view(face: Face, size: Size) -> bool:
    return face.box.within(size).area > _LEAST_SHARE_IN_VIEW * face.box.area
