"""A filter that follows the settings: what changes applies to the next frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from camfilter.app.memory import give_back_memory
from camfilter.app.settings import AppSettings
from camfilter.assembly import build_chain, build_filter, open_held_out
from camfilter.assembly import open_surrogate as open_by_name
from camfilter.errors import CamfilterError, SettingError
from camfilter.filter import FaceFilter
from camfilter.filtered import Filtered
from camfilter.frames import RawFrame
from camfilter.governor import FULL_EFFORT, Effort, Governor
from camfilter.meter import FaceMeasure, InTurns
from camfilter.over_time import ChainOverTime
from camfilter.surrogate.base import Surrogate

__all__ = ["LiveFilter", "PatientOpener", "open_surrogate"]

_RETRY_S: Final = 1.0


def open_surrogate(settings: AppSettings) -> Surrogate:
    """Load the recogniser that the settings name.

    Raises:
        SurrogateError: it cannot be used.
        ProviderUnavailable: the provider does not run here.
    """
    return open_by_name(settings.surrogate, settings.provider, settings.threads)


class PatientOpener:
    """Opens surrogates, and does not try one that was refused again for a second.

    It is asked for each frame as long as it fails, and trying may cost much.

    Args:
        open_surrogate: opens the surrogate that the settings name.
        clock: reads a monotonic time in seconds.
    """

    def __init__(
        self,
        open_surrogate: Callable[[AppSettings], Surrogate] = open_surrogate,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open = open_surrogate
        self._clock = clock
        self._refused: CamfilterError | None = None
        self._refused_as: tuple[object, ...] = ()
        self._again_at_s = 0.0

    def __call__(self, settings: AppSettings) -> Surrogate:
        """Open it.

        Raises:
            CamfilterError: it was refused, now or less than a second ago.
        """
        wanted = _surrogate_of(settings)
        refused = self._refused
        if refused and wanted == self._refused_as and self._clock() < self._again_at_s:
            raise refused.with_traceback(None)
        try:
            surrogate = self._open(settings)
        except CamfilterError as error:
            self._refused, self._refused_as = error, wanted
            self._again_at_s = self._clock() + _RETRY_S
            raise
        self._refused = None
        give_back_memory()  # that of loading, and that of the surrogate before
        return surrogate


class LiveFilter:
    """Filters each frame as the settings say at that moment.

    Args:
        settings: reads the settings that apply now.
        open_surrogate: loads the recogniser that the settings name.
        build: makes the filter around it; None takes the real parts.
        clock: reads a monotonic time in seconds.
    """

    def __init__(
        self,
        settings: Callable[[], AppSettings],
        open_surrogate: Callable[[AppSettings], Surrogate] = open_surrogate,
        build: Callable[[AppSettings, Surrogate], FaceFilter] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._settings = settings
        self._open_surrogate = open_surrogate
        self._applied = settings()
        self._clock = clock
        self._governor = Governor()
        self._spent = FULL_EFFORT
        self._took: tuple[RawFrame, float] | None = None
        self._surrogate = open_surrogate(self._applied)
        self._filter = (build or self._built)(self._applied, self._surrogate)

    @property
    def provider(self) -> str:
        """Hardware that the surrogate truly runs on."""
        return self._surrogate.provider

    @property
    def surrogate(self) -> str:
        """Name of the surrogate that is truly in use."""
        return self._surrogate.name

    @property
    def eased(self) -> str:
        """What is spent less on a slow machine, in words; empty when nothing is."""
        return self._governor.words

    @property
    def frames_eased(self) -> int:
        """Frames filtered with less than full effort."""
        return self._governor.frames_eased

    def apply(self, raw: RawFrame) -> Filtered:
        """Filter one frame.

        Raises:
            SettingError: nothing of the settings would be left in an 8-bit picture.
        """
        self.catch_up()
        settings = self._settings()
        effort = self._governor.effort
        if settings is not self._applied or effort is not self._spent:
            self._follow(settings, effort)
        if settings.vanishes:
            raise SettingError(settings.vanishes, "Raise epsilon.")
        start_s = self._clock()
        filtered = self._filter.apply(raw)
        self._took = raw, self._clock() - start_s
        return filtered

    def catch_up(self) -> None:
        """Do what may wait until the newest frame is out, and count what the frame took in all."""
        took, self._took = self._took, None
        if took is None:
            return
        start_s = self._clock()
        self._filter.catch_up()
        self._governor.note(took[0], took[1] + self._clock() - start_s)

    def measure(self, raw: RawFrame, filtered: Filtered) -> list[FaceMeasure]:
        """What recognisers read in the largest face before and after; it counts for the frame."""
        start_s = self._clock()
        try:
            return self._filter.measure(raw, filtered)
        finally:
            if self._took is not None:
                self._took = self._took[0], self._took[1] + self._clock() - start_s

    def close(self) -> None:
        """Release models; closing twice does nothing."""
        self._filter.close()

    def _built(self, settings: AppSettings, surrogate: Surrogate) -> FaceFilter:
        return build_filter(
            settings,
            surrogate,
            stills=False,
            meter=InTurns(open_held_out()),
            find_every=lambda: self._governor.effort.find_every,
        )

    def _follow(self, settings: AppSettings, effort: Effort) -> None:
        another = _surrogate_of(settings) != _surrogate_of(self._applied)
        if another:
            self._surrogate = self._open_surrogate(settings)
        chain, eased = self._filter.chain, effort.applied(settings)
        if isinstance(chain, ChainOverTime) and settings.over_time and not another:
            chain.follow(eased)
        else:
            self._filter.chain = build_chain(eased, self._surrogate, stills=False)
        self._applied, self._spent = settings, effort


def _surrogate_of(settings: AppSettings) -> tuple[object, ...]:
    return settings.surrogate, settings.provider, settings.threads
