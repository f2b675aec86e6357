"""A dry run of the real filter: does it protect, and does it keep up?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from camfilter.doctor.child import ask_child
from camfilter.doctor.finding import Finding, fail, ok, warn
from camfilter.doctor.system import System

__all__ = ["START_S", "FilterRun"]

START_S: Final = 10.0
"""Longest time for the filter to load, in seconds."""

_RATE_HZ: Final = 30
_PERIOD_MS: Final = 1e3 / _RATE_HZ


@dataclass(frozen=True, slots=True)
class FilterRun:
    """Runs the filter on the demo's moving portrait; opens no camera and writes nothing.

    Attributes:
        run_s: how long, in seconds, once it is loaded.
    """

    run_s: float

    def __call__(self, system: System) -> Finding:
        """Run it."""
        said = ask_child(system, ("filter", f"{self.run_s:g}"), START_S + self.run_s)
        detail = (
            f"{said['protected']} of {said['frames']} demo frames of {said['size']} protected, "
            f"{said['p50_ms']:.1f} ms a frame (p95 {said['p95_ms']:.1f}) on {said['provider']}"
        )
        if said["protected"] < said["frames"] or not said["faces"]:
            reason = said["fault"] or "no face was found"
            return fail(f"{detail}: {reason}", "Run: camfilter demo")
        if said["p50_ms"] > _PERIOD_MS:
            return warn(f"{detail}: too slow for {_RATE_HZ} fps", _SLOW_HINT)
        if said["p95_ms"] > _PERIOD_MS:
            return warn(f"{detail}: {_RATE_HZ} fps with frames dropped now and then", _SLOW_HINT)
        return ok(f"{detail}: keeps {_RATE_HZ} fps")


_SLOW_HINT: Final = (
    "Close what else is busy, or choose a smaller picture: camfilter run --size 640x360."
)
