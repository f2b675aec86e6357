"""The controller: owns the settings and the state; every face of the program talks to it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from camfilter.app.following import FollowingSource, PersistentSink
from camfilter.app.live_filter import LiveFilter
from camfilter.app.settings import AppSettings, changed
from camfilter.app.status import Status
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.guard import Guard, ProtectedFrame
from camfilter.pipeline import run_live
from camfilter.protector import Protector
from camfilter.report import RunReport
from camfilter.sinks import Sink, open_sink
from camfilter.sources import Source, open_source

__all__ = ["Controller", "Parts", "Preview"]

MEASURE_EVERY = 10


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """The newest picture before and after, (height, width, 3) uint8, BGR; for this screen only."""

    before: Pixels
    after: Pixels


def _open_source(settings: AppSettings) -> Source:
    wanted = None
    if settings.width_px and settings.height_px:
        wanted = Size(settings.width_px, settings.height_px)
    return open_source(settings.source, size=wanted, rate_hz=settings.rate_hz)


def _open_sink(settings: AppSettings, size: Size, rate_hz: float) -> Sink:
    return open_sink(settings.sink, size, rate_hz, source=settings.source)


@dataclass(frozen=True, slots=True)
class Parts:
    """How the controller gets its parts; tests put fakes at the edges.

    Attributes:
        open_source: opens the camera that the settings name.
        open_sink: opens the sink that they name, for a size and a rate.
        build_filter: makes the filter that follows the settings.
        watched: True while somebody watches the sink, or while nobody can know.
        clock: reads a monotonic time in seconds.
    """

    open_source: Callable[[AppSettings], Source] = _open_source
    open_sink: Callable[[AppSettings, Size, float], Sink] = _open_sink
    build_filter: Callable[[Callable[[], AppSettings]], LiveFilter] = LiveFilter
    watched: Callable[[], bool] = lambda: True
    clock: Callable[[], float] = time.monotonic


class Controller:
    """Runs the filter and changes its settings while it runs. All methods are thread-safe.

    Args:
        settings: to start with.
        parts: where its parts come from.
    """

    def __init__(self, settings: AppSettings, parts: Parts | None = None) -> None:
        self._parts = parts or Parts()
        self._lock = threading.Lock()
        self._settings = settings
        self._guard = Guard()
        self._guard.switch(settings.on)
        self._report = RunReport()
        self._stop = threading.Event()
        self._filter: LiveFilter | None = None
        self._sink: PersistentSink | None = None
        self._shown: ProtectedFrame | None = None
        self._written_s: deque[float] = deque(maxlen=240)
        self._raw: RawFrame | None = None

    @property
    def settings(self) -> AppSettings:
        """What applies to the next frame."""
        with self._lock:
            return self._settings

    @property
    def report(self) -> RunReport:
        """Figures since the start."""
        return self._report

    def change(self, values: Mapping[str, Any]) -> AppSettings:
        """Change some settings, from the next frame on.

        Raises:
            SettingError: a value cannot be used; then nothing has changed.
        """
        with self._lock:
            self._settings = changed(self._settings, values)
            self._guard.switch(self._settings.on)
            return self._settings

    def toggle(self) -> bool:
        """Turn protection on or off; the new state."""
        return self.change({"on": not self.settings.on}).on

    def status(self) -> Status:
        """What is going on now."""
        now_s = self._parts.clock()
        shown, latest, sink = self._shown, self._report.latest, self._sink
        return Status(
            state=shown.state.value if shown else "placeholder",
            reason=shown.reason if shown else "Starting.",
            settings=self.settings,
            fps=float(sum(now_s - written_s <= 1 for written_s in tuple(self._written_s))),
            latency_ms=self._report.latency_ms,
            provider=self._filter.provider if self._filter else "",
            faces=len(latest),
            before=latest[0].before if latest else None,
            after=latest[0].after if latest else None,
            frames_out=self._report.frames_out,
            watched=self._parts.watched(),
            sink=sink.name if sink else self.settings.sink,
            sink_fault=sink.fault if sink else "",
        )

    def preview(self) -> Preview | None:
        """The newest picture before and after; None unless the setting `preview` is on."""
        raw, shown = self._raw, self._shown
        if not self.settings.preview or raw is None or shown is None:
            return None
        return Preview(raw.pixels, shown.pixels)

    def stop(self) -> None:
        """End `run`; from any thread, more than once if need be."""
        self._stop.set()

    def run(self, on_frame: Callable[[ProtectedFrame], None] = lambda _frame: None) -> None:
        """Keep the sink fed until `stop`, or until the source ends.

        Args:
            on_frame: called with each frame that was written.

        Raises:
            SourceError: the camera cannot be opened at the start.
            SinkError: the sink cannot be opened at the start.
        """
        parts = self._parts

        def settings() -> AppSettings:
            return self.settings

        def build() -> LiveFilter:
            self._filter = parts.build_filter(settings)
            return self._filter

        def written(frame: ProtectedFrame) -> None:
            self._shown = frame
            self._written_s.append(parts.clock())
            on_frame(frame)

        protector = _Watched(
            build, self._guard, self._report, self._keep_raw, measure_every=MEASURE_EVERY
        )
        with FollowingSource(settings, parts.open_source, parts.watched) as source:
            info = source.info
            with PersistentSink(
                lambda: parts.open_sink(self.settings, info.size, info.rate_hz), parts.clock
            ) as sink:
                self._sink = sink
                run_live(
                    source,
                    protector,
                    self._guard,
                    sink,
                    self._report,
                    self._stop,
                    on_frame=written,
                    clock=parts.clock,
                )
        protector.close()

    def _keep_raw(self, raw: RawFrame) -> None:
        self._raw = raw if self.settings.preview else None


class _Watched(Protector):
    """A protector that also hands raw frames to the preview on this screen."""

    def __init__(
        self,
        build: Callable[[], LiveFilter],
        guard: Guard,
        report: RunReport,
        keep_raw: Callable[[RawFrame], None],
        *,
        measure_every: int,
    ) -> None:
        super().__init__(build, guard, report, measure_every=measure_every)
        self._keep_raw = keep_raw

    def take(self, raw: RawFrame) -> None:
        self._keep_raw(raw)
        super().take(raw)
