"""The controller: owns the settings and the state; every face of the program talks to it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from camfilter.app.feedback import refuse_own_camera
from camfilter.app.following import FollowingSource
from camfilter.app.live_filter import LiveFilter, PatientOpener
from camfilter.app.pacing import PacedSource
from camfilter.app.persistent import PersistentSink
from camfilter.app.settings import AppSettings, changed
from camfilter.app.status import Status
from camfilter.errors import SettingError, SinkError
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.guard import Guard, GuardState, ProtectedFrame
from camfilter.meter import ASK_EVERY_FRAMES
from camfilter.pipeline import run_live
from camfilter.protector import Protector
from camfilter.report import RunReport
from camfilter.sinks import PreviewClosed, Sink, open_sink, refuse_same
from camfilter.sinks.watchers import Watchers, watchers_of
from camfilter.sources import Camera, Source, list_cameras, open_source
from camfilter.verdict import judge

__all__ = ["Controller", "Parts", "Preview"]

_STUCK_S = 3.0
"""A sink that took no frame for so long hangs; even cards come oftener."""


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """The newest picture before and after, (height, width, 3) uint8, BGR; for this screen only."""

    before: Pixels = field(repr=False)
    after: Pixels = field(repr=False)


def _open_source(settings: AppSettings) -> Source:
    wanted = None
    if settings.width_px and settings.height_px:
        wanted = Size(settings.width_px, settings.height_px)
    source = open_source(settings.source, size=wanted, rate_hz=settings.rate_hz)
    return source if source.info.live else PacedSource(source)


def _open_sink(settings: AppSettings, size: Size, rate_hz: float) -> Sink:
    return open_sink(settings.sink, size, rate_hz, source=settings.source)


def _patient_filters() -> Callable[[Callable[[], AppSettings]], LiveFilter]:
    return partial(LiveFilter, open_surrogate=PatientOpener())


@dataclass(frozen=True, slots=True)
class Parts:
    """How the controller gets its parts; tests put fakes at the edges.

    Attributes:
        open_source: opens the camera that the settings name.
        open_sink: opens the sink that they name, for a size and a rate.
        build_filter: makes the filter that follows the settings.
        watchers_of: says who watches a virtual camera, from its device.
        cameras: lists the cameras of this machine.
        clock: reads a monotonic time in seconds.
        wait: waits for an event, but no longer than some seconds.
        run: repeats reading, filtering and writing until it is told to stop; see `run_live`.
    """

    open_source: Callable[[AppSettings], Source] = _open_source
    open_sink: Callable[[AppSettings, Size, float], Sink] = _open_sink
    build_filter: Callable[[Callable[[], AppSettings]], LiveFilter] = field(
        default_factory=_patient_filters
    )
    watchers_of: Callable[[str], Watchers] = watchers_of
    cameras: Callable[[], Sequence[Camera]] = list_cameras
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[threading.Event, float], object] = threading.Event.wait
    run: Callable[..., None] = run_live


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
        self._wake = threading.Event()
        self._filter: LiveFilter | None = None
        self._ran_on = _RanOn()
        self._sink: PersistentSink | None = None
        self._watchers: Watchers | None = None
        self._watched_device = ""
        self._asking = threading.Lock()
        self._shown: ProtectedFrame | None = None
        self._written_s: deque[float] = deque(maxlen=240)
        self._raw: RawFrame | None = None
        self._config_fault = ""

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

        When protection is switched on, no raw frame is written after this returns.

        Raises:
            SettingError: a value cannot be used, or the sink is in use; nothing has changed.
        """
        with self._lock:
            settings = self._change(values)
        self._settle(settings)
        return settings

    def toggle(self) -> bool:
        """Turn protection on or off; the new state."""
        with self._lock:
            settings = self._change({"on": not self._settings.on})
        self._settle(settings)
        return settings.on

    def note_config_fault(self, fault: str) -> None:
        """Say in the status what is wrong with the config file; empty when all is well."""
        self._config_fault = fault

    def status(self) -> Status:
        """What is going on now."""
        now_s = self._parts.clock()
        shown, sink, live = self._shown, self._sink, self._filter
        changes = shown is not None and shown.state in (GuardState.PROTECTED, GuardState.HOLDING)
        latest = self._report.latest[0] if changes and self._report.latest else None
        ran_on = _RanOn.of(live) if live else self._ran_on
        attacked = latest.attacked if latest else None
        held_out = latest.held_out if latest else None
        state, reason = self._seen(shown, now_s)
        return Status(
            state=state,
            reason=reason,
            settings=self.settings,
            fps=float(sum(now_s - written_s <= 1 for written_s in tuple(self._written_s))),
            latency_ms=self._report.latency_ms,
            provider=ran_on.provider,
            faces=self._report.faces_now if changes else 0,
            before=attacked.before if attacked else None,
            after=attacked.after if attacked else None,
            frames_out=self._report.frames_out,
            watched=self._watched(),
            sink=sink.name if sink else self.settings.sink,
            sink_fault=sink.fault if sink else "",
            surrogate=ran_on.surrogate,
            config_fault=self._config_fault,
            held_out_before=held_out.before if held_out else None,
            held_out_after=held_out.after if held_out else None,
            eased=live.eased if live else "",
            frames_eased=ran_on.frames_eased,
            verdict=judge(latest, self.settings).text if latest else "",
        )

    def _seen(self, shown: ProtectedFrame | None, now_s: float) -> tuple[str, str]:
        """What the far end sees, and why; a sink that hangs leaves it with the last picture."""
        if shown is None:
            return GuardState.PLACEHOLDER.value, "Starting."
        if shown.state is GuardState.OFF and self._guard.enabled:
            return GuardState.PLACEHOLDER.value, "Protection is starting."
        silent_s = now_s - max(tuple(self._written_s), default=now_s)
        if silent_s < _STUCK_S or self._stop.is_set():
            return shown.state.value, shown.reason
        current = shown.state is GuardState.PROTECTED
        state = GuardState.HOLDING if current else shown.state
        return state.value, f"The sink has taken no picture for {silent_s:.0f} s."

    def preview(self) -> Preview | None:
        """The newest picture before and after; None unless the setting `preview` is on."""
        raw, shown = self._raw, self._shown
        if not self.settings.preview or raw is None or shown is None:
            return None
        return Preview(raw.pixels, shown.pixels)

    def stop(self) -> None:
        """End `run`; from any thread, more than once if need be."""
        self._stop.set()
        self._wake.set()

    def run(self, on_frame: Callable[[ProtectedFrame], None] = lambda _frame: None) -> None:
        """Keep the sink fed until `stop`, until the source ends or the preview is closed.

        Args:
            on_frame: called with each frame that was written.

        Raises:
            SourceError: the camera cannot be opened at the start.
            SinkError: the sink cannot be opened at the start, or a file cannot be written.
        """
        protector = _Watched(
            self._build_filter,
            self._guard,
            self._report,
            self._keep_raw,
            lambda: self.settings.budget_levels,
        )
        try:
            with FollowingSource(
                lambda: self.settings, self._open_source, self._watched, self._pause
            ) as source:
                self._feed(source, protector, on_frame)
        finally:
            protector.close()
            self._ran_on = _RanOn.of(self._filter)
            self._filter = None  # its models are not kept until the collector comes by

    def _feed(
        self,
        source: FollowingSource,
        protector: Protector,
        on_frame: Callable[[ProtectedFrame], None],
    ) -> None:
        info, clock = source.info, self._parts.clock

        def written(frame: ProtectedFrame) -> None:
            self._shown = frame
            self._written_s.append(clock())
            on_frame(frame)

        with PersistentSink(
            lambda: self._parts.open_sink(self.settings, info.size, info.rate_hz),
            clock,
            reopens=_kind(self.settings.sink) == "virtual",
            protected=lambda: self._guard.enabled,
        ) as sink:
            with self._lock:
                self._sink = sink
            try:
                self._parts.run(
                    source, protector, self._guard, sink, self._report, self._stop,
                    on_frame=written, clock=clock,
                )  # fmt: skip
            except PreviewClosed:
                return

    def _change(self, values: Mapping[str, Any]) -> AppSettings:
        settings = changed(self._settings, values)
        if self._sink is not None and settings.sink != self._settings.sink:
            raise SettingError("The sink cannot change while it is in use.", "Stop, start again.")
        if settings.source != self._settings.source:
            try:
                refuse_same(settings.source, settings.sink)
            except SinkError as error:
                raise SettingError(error.what, error.hint) from error
        self._settings = settings
        self._guard.switch(settings.on)
        return settings

    def _settle(self, settings: AppSettings) -> None:
        self._wake.set()
        sink = self._sink
        if settings.on and sink is not None:
            sink.settle()

    def _build_filter(self) -> LiveFilter:
        self._filter = None  # two would take twice the memory
        self._filter = self._parts.build_filter(lambda: self.settings)
        return self._filter

    def _open_source(self, settings: AppSettings) -> Source:
        device = self._sink.device if self._sink else settings.sink.partition(":")[2]
        if _kind(settings.sink) == "virtual":
            refuse_own_camera(settings.source, device, self._parts.cameras)
        return self._parts.open_source(settings)

    def _watched(self) -> bool:
        device = self._sink.device if self._sink else ""
        if not device:
            return True
        with self._asking:
            if self._watchers is None or device != self._watched_device:
                # A sink that was opened again may have had to take another device.
                self._watchers, self._watched_device = self._parts.watchers_of(device), device
            return self._watchers.watched(self._parts.clock())

    def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until the settings change or the run ends."""
        self._parts.wait(self._wake, seconds)
        if not self._stop.is_set():
            self._wake.clear()

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
        budget_levels: Callable[[], int],
    ) -> None:
        super().__init__(
            build, guard, report, measure_every=ASK_EVERY_FRAMES, budget_levels=budget_levels
        )
        self._keep_raw = keep_raw

    def take(self, raw: RawFrame) -> None:
        self._keep_raw(raw)
        super().take(raw)


@dataclass(frozen=True, slots=True)
class _RanOn:
    """What a filter ran on, and how often it spent less; known once the run is over, too."""

    provider: str = ""
    surrogate: str = ""
    frames_eased: int = 0

    @classmethod
    def of(cls, live: LiveFilter | None) -> _RanOn:
        """What a filter runs on now; nothing where there is none."""
        return cls(live.provider, live.surrogate, live.frames_eased) if live else cls()


def _kind(sink: str) -> str:
    return sink.partition(":")[0]
