"""Takes raw frames to the guard, through the filter, whatever the filter does."""

from __future__ import annotations

from collections.abc import Callable

from camfilter.errors import CamfilterError
from camfilter.filter import FrameFilter
from camfilter.frames import RawFrame
from camfilter.guard import Guard
from camfilter.report import RunReport

__all__ = ["Protector"]


class Protector:
    """Filters frames and hands the result, or the reason why there is none, to the guard.

    The filter is built on the first frame and built again after `rebuild_after`
    faults in a row, so that a dead inference session does not stay dead.

    Args:
        build_filter: makes the filter; may take seconds and may fail.
        guard: proves each result.
        report: counts.
        measure_every: frames from one measurement of the readings to the next; 0 measures none.
        rebuild_after: faults in a row after which the filter is thrown away.
    """

    def __init__(
        self,
        build_filter: Callable[[], FrameFilter],
        guard: Guard,
        report: RunReport,
        *,
        measure_every: int = 1,
        rebuild_after: int = 5,
    ) -> None:
        self._build_filter = build_filter
        self._guard = guard
        self._report = report
        self._measure_every = measure_every
        self._rebuild_after = rebuild_after
        self._filter: FrameFilter | None = None
        self._faults_in_a_row = 0

    def prepare(self) -> None:
        """Build the filter now, so that what is wrong with it is known before the first frame."""
        if self._filter is None:
            self._filter = self._build_filter()

    def take(self, raw: RawFrame) -> None:
        """Bring one frame to the guard. Never raises for what the filter does."""
        self._report.frames_in += 1
        if not self._guard.enabled:
            self._guard.pass_raw(raw)
            return
        try:
            self._protect(raw)
        except Exception as error:  # noqa: BLE001 - whatever failed, the guard stands in for it
            self._fail(error)
        else:
            self._faults_in_a_row = 0

    def close(self) -> None:
        """Release the filter; closing twice does nothing."""
        if self._filter is not None:
            self._filter.close()
            self._filter = None

    def _protect(self, raw: RawFrame) -> None:
        self.prepare()
        assert self._filter is not None
        filtered = self._filter.apply(raw)
        linf_levels = self._guard.admit(
            raw, filtered.pixels, filtered.faces, filtered.budget_levels
        )
        self._report.filtered(filtered, linf_levels)
        if self._measure_every and raw.index % self._measure_every == 0:
            self._report.measured(self._filter.measure(raw, filtered))

    def _fail(self, error: Exception) -> None:
        reason = (
            error.what
            if isinstance(error, CamfilterError)
            else f"{type(error).__name__} in the filter."
        )
        self._guard.fault(reason)
        self._report.faults[reason] += 1
        self._faults_in_a_row += 1
        if self._faults_in_a_row >= self._rebuild_after:
            self._faults_in_a_row = 0
            try:
                self.close()
            except Exception:  # noqa: BLE001 - a filter too broken to be closed is dropped
                self._filter = None
