"""Takes raw frames to the guard, through the filter, whatever the filter does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from camfilter.errors import CamfilterError, SettingError
from camfilter.filter import FrameFilter
from camfilter.filtered import Filtered
from camfilter.frames import RawFrame
from camfilter.guard import Guard
from camfilter.report import RunReport

__all__ = ["Protector"]

_ANY_LEVELS: Final = 255
_MOST_REASONS: Final = 100
_OTHER_REASONS: Final = "Other faults."


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
        budget_levels: greatest change that the settings in force allow, in levels; None
            believes the filter.
    """

    def __init__(
        self,
        build_filter: Callable[[], FrameFilter],
        guard: Guard,
        report: RunReport,
        *,
        measure_every: int = 1,
        rebuild_after: int = 5,
        budget_levels: Callable[[], int] | None = None,
    ) -> None:
        self._build_filter = build_filter
        self._guard = guard
        self._report = report
        self._measure_every = measure_every
        self._rebuild_after = rebuild_after
        self._budget_levels = budget_levels
        self._filter: FrameFilter | None = None
        self._filtering = threading.Lock()
        self._faults_in_a_row = 0
        self._waiting: tuple[FrameFilter, RawFrame, Filtered] | None = None
        self._falls_behind = False

    def prepare(self) -> None:
        """Build the filter now, so that what is wrong with it is known before the first frame."""
        self._prepared()

    def take(self, raw: RawFrame) -> None:
        """Bring one frame to the guard. Never raises for what the filter does."""
        self.catch_up()
        self._report.frames_in += 1
        try:
            self._guard.expect(raw)
            if not self._guard.enabled:
                self._guard.pass_raw(raw)
                return
            with self._filtering:
                self._protect(raw)
        except Exception as error:  # noqa: BLE001 - whatever failed, the guard stands in for it
            self._fail(error)
        else:
            if not self._falls_behind:
                self._faults_in_a_row = 0

    def catch_up(self) -> None:
        """Do what may wait until the newest frame is out: ask recognisers, look for faces again.

        Who does not call it after a frame pays for it before the next one. Never raises for what
        the filter does.
        """
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        try:
            with self._filtering:
                self._finish(*waiting)
        except Exception as error:  # noqa: BLE001 - the next frame must not trust this filter
            self._falls_behind = True
            self._fail(error)
        else:
            self._falls_behind = False

    def close(self) -> None:
        """Release the filter; closing twice does nothing.

        One that hangs in a frame of another thread is left to it: nobody can end it from here.
        """
        if not self._filtering.acquire(blocking=False):
            self._filter = None
            return
        try:
            filter_, self._filter = self._filter, None
            if filter_ is not None:
                filter_.close()
        finally:
            self._filtering.release()

    def _prepared(self) -> FrameFilter:
        filter_ = self._filter
        if filter_ is None:
            filter_ = self._filter = self._build_filter()
        return filter_

    def _protect(self, raw: RawFrame) -> None:
        filter_ = self._prepared()
        allowed_before = self._allowed_levels()
        filtered = filter_.apply(raw)
        allowed_levels = max(allowed_before, self._allowed_levels())  # they may have just changed
        linf_levels = self._guard.admit(
            raw, filtered.pixels, filtered.faces, min(allowed_levels, filtered.budget_levels)
        )
        self._report.filtered(filtered, linf_levels)
        self._waiting = filter_, raw, filtered

    def _finish(self, filter_: FrameFilter, raw: RawFrame, filtered: Filtered) -> None:
        if filter_ is not self._filter:
            return  # it was closed meanwhile
        if self._measure_every and raw.index % self._measure_every == 0:
            self._report.measured(filter_.measure(raw, filtered))
        filter_.catch_up()

    def _allowed_levels(self) -> int:
        return _ANY_LEVELS if self._budget_levels is None else self._budget_levels()

    def _fail(self, error: Exception) -> None:
        reason = (
            error.what
            if isinstance(error, CamfilterError)
            else f"{type(error).__name__} in the filter."
        )
        self._guard.fault(reason)
        known = self._report.faults
        known[reason if reason in known or len(known) < _MOST_REASONS else _OTHER_REASONS] += 1
        if isinstance(error, SettingError):
            return  # another filter would be told the same
        self._faults_in_a_row += 1
        if self._faults_in_a_row >= self._rebuild_after:
            self._faults_in_a_row = 0
            with suppress(Exception):  # a filter too broken to be closed is dropped
                self.close()
