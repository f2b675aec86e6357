"""Figures of a run, in bounded memory however long it lasts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from camfilter.filtered import Filtered, PartTimes
from camfilter.guard import GuardState, ProtectedFrame
from camfilter.meter import FaceMeasure
from camfilter.surrogate.reading import Reading

__all__ = ["LatencyHistogram", "RunReport"]

_PARTS: Final = ("detect", "chain", "compose", "total", "after")


class LatencyHistogram:
    """Percentiles of durations to 1 %, in 14 kB: bins on a logarithmic scale from 1 us to 100 s."""

    _LOWEST_MS: Final = 1e-3
    _GROWTH: Final = math.log(1.01)
    _BINS: Final = 1852

    def __init__(self) -> None:
        self._counts = np.zeros(self._BINS, np.int64)

    def add(self, duration_ms: float) -> None:
        """Count one duration."""
        place = math.log(max(duration_ms, self._LOWEST_MS) / self._LOWEST_MS) / self._GROWTH
        self._counts[min(int(place), self._BINS - 1)] += 1

    def percentile_ms(self, percent: float) -> float:
        """The duration that `percent` of all lie under, in ms; 0 when there are none."""
        total = int(self._counts.sum())
        if total == 0:
            return 0.0
        place = int(np.searchsorted(np.cumsum(self._counts), total * percent / 100))
        return self._LOWEST_MS * math.exp((place + 0.5) * self._GROWTH)

    def summary(self) -> dict[str, float]:
        """p50, p95 and p99 in ms."""
        return {f"p{p}": round(self.percentile_ms(p), 3) for p in (50, 95, 99)}


class RunReport:
    """Counts what went in and out, how long it took and what was read in the faces."""

    def __init__(self) -> None:
        self.frames_in = 0
        self.frames_out = 0
        self.frames_dropped = 0
        self.frames_with_face = 0
        self.faces = 0
        self.faces_held = 0
        self.faces_now = 0
        self.faults: Counter[str] = Counter()
        self.latest: tuple[FaceMeasure, ...] = ()
        self._states: Counter[GuardState] = Counter()
        self._linf_levels = 0
        self._budget_levels = 0
        self._times = {part: LatencyHistogram() for part in _PARTS}
        self._measured = 0
        self._fooled = 0
        self._squared_error = 0.0
        self._samples = 0
        self._before = _ReadingMean()
        self._after = _ReadingMean()
        self._held_out_fooled = 0
        self._held_out_before = _ReadingMean()
        self._held_out_after = _ReadingMean()

    def filtered(self, filtered: Filtered, linf_levels: int) -> None:
        """Count a frame that passed the filter and the guard's proof."""
        self.faces_now = len(filtered.faces)
        self.faces += self.faces_now
        seen = sum(face.missed_frames == 0 for face in filtered.faces)
        self.faces_held += len(filtered.faces) - seen
        self.frames_with_face += bool(seen)
        self._linf_levels = max(self._linf_levels, linf_levels)
        self._budget_levels = max(self._budget_levels, filtered.budget_levels)
        self._add_times(filtered.times)

    def measured(self, measures: Sequence[FaceMeasure]) -> None:
        """Count what was read in the faces of a frame."""
        self.latest = tuple(measures)
        for face in measures:
            self._measured += 1
            self._fooled += face.attacked.fooled
            self._squared_error += face.squared_error
            self._samples += face.samples
            self._before.add(face.attacked.before)
            self._after.add(face.attacked.after)
            if face.held_out is not None:
                self._held_out_fooled += face.held_out.fooled
                self._held_out_before.add(face.held_out.before)
                self._held_out_after.add(face.held_out.after)

    def emitted(self, frame: ProtectedFrame) -> None:
        """Count a frame that went to the sink."""
        self.frames_out += 1
        self._states[frame.state] += 1

    def count(self, state: GuardState) -> int:
        """How many frames left in this state."""
        return self._states[state]

    @property
    def latency_ms(self) -> float:
        """Median time of the filter for a frame, in ms; 0 before the first."""
        return self._times["total"].percentile_ms(50)

    @property
    def fooled_share(self) -> float | None:
        """Share of measured faces whose reading changed; None when none was measured."""
        return self._fooled / self._measured if self._measured else None

    @property
    def psnr_face_db(self) -> float | None:
        """Peak signal to noise ratio in the faces' boxes; None without a change."""
        if not self._squared_error:
            return None
        return 10 * math.log10(255**2 * self._samples / self._squared_error)

    def as_json(self, elapsed_s: float) -> dict[str, Any]:
        """All figures as plain values; `docs/json.md` explains each."""
        fooled, psnr = self.fooled_share, self.psnr_face_db
        return {
            "frames_in": self.frames_in,
            "frames_out": self.frames_out,
            "frames_dropped": self.frames_dropped,
            "frames_with_face": self.frames_with_face,
            "faces": self.faces,
            "faces_held": self.faces_held,
            "protected": self._states[GuardState.PROTECTED],
            "held": self._states[GuardState.HOLDING],
            "placeholder": self._states[GuardState.PLACEHOLDER],
            "off": self._states[GuardState.OFF],
            "faults": dict(self.faults.most_common(20)),
            "fps": round(self.frames_out / elapsed_s, 2) if elapsed_s > 0 else None,
            "latency_ms": {part: times.summary() for part, times in self._times.items()},
            "linf_levels": self._linf_levels,
            "budget_levels": self._budget_levels,
            "psnr_face_db": None if psnr is None else round(psnr, 2),
            "faces_measured": self._measured,
            "before": self._before.as_json(),
            "after": self._after.as_json(),
            "fooled_share": None if fooled is None else round(fooled, 4),
            "held_out": self._held_out(),
        }

    def _held_out(self) -> dict[str, Any] | None:
        """What the recogniser read that is never attacked; None where it was not asked."""
        before, after = self._held_out_before.as_json(), self._held_out_after.as_json()
        if before is None:
            return None
        share = self._held_out_fooled / self._held_out_before.count
        return {"before": before, "after": after, "fooled_share": round(share, 4)}

    def _add_times(self, times: PartTimes) -> None:
        self._times["detect"].add(times.detect_ms)
        if times.chain_ms:
            self._times["chain"].add(times.chain_ms)
            self._times["compose"].add(times.compose_ms)
        self._times["total"].add(times.total_ms)
        self._times["after"].add(times.after_ms)


class _ReadingMean:
    """Most frequent label, mean confidence and mean entropy of many readings."""

    def __init__(self) -> None:
        self._labels: Counter[str] = Counter()
        self._confidence = 0.0
        self._entropy_bits = 0.0

    def add(self, reading: Reading) -> None:
        self._labels[reading.label] += 1
        self._confidence += reading.confidence
        self._entropy_bits += reading.entropy_bits

    @property
    def count(self) -> int:
        return self._labels.total()

    def as_json(self) -> dict[str, Any] | None:
        count = self.count
        if not count:
            return None
        return {
            "label": self._labels.most_common(1)[0][0],
            "labels": dict(self._labels.most_common()),
            "confidence": round(self._confidence / count, 4),
            "entropy_bits": round(self._entropy_bits / count, 4),
        }
