"""A filter that follows the settings: what changes applies to the next frame."""

from __future__ import annotations

from collections.abc import Callable

from camfilter.app.settings import AppSettings
from camfilter.assembly import build_filter
from camfilter.chain import Chain
from camfilter.errors import SettingError
from camfilter.filter import FaceFilter
from camfilter.filtered import Filtered
from camfilter.frames import RawFrame
from camfilter.meter import FaceMeasure
from camfilter.surrogate.base import Surrogate
from camfilter.surrogate.onnx import OnnxSurrogate

__all__ = ["LiveFilter"]


def _open_surrogate(settings: AppSettings) -> Surrogate:
    return OnnxSurrogate(settings.surrogate, settings.provider, settings.threads)


class LiveFilter:
    """Filters each frame as the settings say at that moment.

    Args:
        settings: reads the settings that apply now.
        open_surrogate: loads the recogniser that the settings name.
        build: makes the filter around it.
    """

    def __init__(
        self,
        settings: Callable[[], AppSettings],
        open_surrogate: Callable[[AppSettings], Surrogate] = _open_surrogate,
        build: Callable[[AppSettings, Surrogate], FaceFilter] = lambda settings, surrogate: (
            build_filter(settings, surrogate, stills=False)
        ),
    ) -> None:
        self._settings = settings
        self._open_surrogate = open_surrogate
        self._applied = settings()
        self._surrogate = open_surrogate(self._applied)
        self._filter = build(self._applied, self._surrogate)

    @property
    def provider(self) -> str:
        """Hardware that the surrogate truly runs on."""
        return self._surrogate.provider

    def apply(self, raw: RawFrame) -> Filtered:
        """Filter one frame.

        Raises:
            SettingError: nothing of the settings would be left in an 8-bit picture.
        """
        settings = self._settings()
        if settings is not self._applied:
            self._follow(settings)
        if settings.vanishes:
            raise SettingError(settings.vanishes, "Raise epsilon.")
        return self._filter.apply(raw)

    def measure(self, raw: RawFrame, filtered: Filtered) -> list[FaceMeasure]:
        """What the surrogate reads in each face before and after."""
        return self._filter.measure(raw, filtered)

    def close(self) -> None:
        """Release models; closing twice does nothing."""
        self._filter.close()

    def _follow(self, settings: AppSettings) -> None:
        before = self._applied
        if (settings.surrogate, settings.provider, settings.threads) != (
            before.surrogate,
            before.provider,
            before.threads,
        ):
            self._surrogate = self._open_surrogate(settings)
        self._filter.chain = Chain(self._surrogate, settings)
        self._applied = settings
