"""Protect one recording: what each worker does, on this machine or on another."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from camfilter.assembly import build_filter, open_surrogate
from camfilter.atomic import one_line
from camfilter.batch.sound import with_sound
from camfilter.batch.tasks import Task
from camfilter.errors import CamfilterError, NothingProtected, SinkError
from camfilter.filter import FrameFilter
from camfilter.filtered import Filtered
from camfilter.frames import RawFrame
from camfilter.guard import Guard, GuardState, ProtectedFrame
from camfilter.meter import FaceMeasure
from camfilter.pipeline import run_every_frame
from camfilter.protector import Protector
from camfilter.report import RunReport
from camfilter.settings import ChainSettings
from camfilter.sinks import open_sink
from camfilter.sources import open_source
from camfilter.surrogate.base import Surrogate
from camfilter.surrogate.provider import Provider
from camfilter.thread_limits import keep_to_one_thread

__all__ = ["Outcome", "Worker"]

_TELL_EVERY: Final = 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended.

    Attributes:
        task: which one.
        error: why there is no result, in one line; empty when it is done.
        figures: frames, faces, protected, held, placeholder, seconds, cpu_seconds and sound.
    """

    task: Task
    error: str
    figures: dict[str, Any]


class Worker:
    """Protects recordings one after the other, and loads the models once. Its process has one core.

    Args:
        settings: of the chain.
        provider: hardware to run on.

    Raises:
        SurrogateError: the surrogate cannot be used.
        ProviderUnavailable: the provider does not run here.
    """

    def __init__(self, settings: ChainSettings, provider: Provider) -> None:
        keep_to_one_thread()
        self._settings = settings
        self._surrogate: Surrogate = open_surrogate(settings.surrogate, provider)
        self._for_stills: FrameFilter | None = None

    def protect(self, task: Task, on_frames: Callable[[int], None] = lambda _: None) -> Outcome:
        """Protect one recording; the result appears whole or not at all. Never raises.

        Args:
            task: what, and where to.
            on_frames: called now and then with the number of frames done since the last call.
        """
        start_s, start_cpu_s = time.monotonic(), time.process_time()
        shutil.rmtree(task.stage, ignore_errors=True)  # of one who was killed at it
        try:
            figures = self._into_place(task, on_frames)
        except CamfilterError as error:
            return Outcome(task, str(error), {})
        except Exception as error:  # noqa: BLE001 - one recording must not end the others
            return Outcome(task, f"{type(error).__name__}: {one_line(error)}.", {})
        finally:
            shutil.rmtree(task.stage, ignore_errors=True)
        figures["seconds"] = round(time.monotonic() - start_s, 3)
        figures["cpu_seconds"] = round(time.process_time() - start_cpu_s, 3)
        return Outcome(task, "", figures)

    def close(self) -> None:
        """Release models; closing twice does nothing."""
        kept, self._for_stills = self._for_stills, None
        if kept is not None:
            kept.close()

    def _into_place(self, task: Task, on_frames: Callable[[int], None]) -> dict[str, Any]:
        try:
            task.stage.mkdir(parents=True)
            task.output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"{task.out} cannot be written: {one_line(error)}.") from error
        staged = task.stage / task.output.name
        figures = self._filtered(task.source, staged, on_frames)
        if not figures.pop("stills"):
            figures["sound"] = with_sound(staged, task.source)
        try:
            staged.replace(task.output)
        except OSError as error:
            raise SinkError(f"{task.output} cannot be written: {one_line(error)}.") from error
        return figures

    def _filtered(
        self, source_path: Path, staged: Path, on_frames: Callable[[int], None]
    ) -> dict[str, Any]:
        guard, report, pending = Guard(), RunReport(), 0

        def on_frame(_raw: RawFrame, frame: ProtectedFrame) -> None:
            nonlocal pending
            if stills and frame.state is not GuardState.PROTECTED:
                raise NothingProtected(frame.reason)
            pending += 1
            if pending >= _TELL_EVERY:
                on_frames(pending)
                pending = 0

        with open_source(str(source_path)) as source:
            info = source.info
            stills = info.stills
            protector = Protector(
                lambda: self._filter(stills),
                guard,
                report,
                measure_every=0,
                budget_levels=lambda: self._settings.budget_levels,
            )
            try:
                protector.prepare()
                with open_sink(str(staged), info.size, info.rate_hz) as sink:
                    run_every_frame(source, protector, guard, sink, report, on_frame=on_frame)
                    if not report.count(GuardState.PROTECTED):
                        reason = next(iter(report.faults), "no frame came")
                        raise NothingProtected(f"Not one frame could be protected: {reason}")
            finally:
                protector.close()
        on_frames(pending)
        return {
            "stills": stills,
            "frames": report.frames_out,
            "faces": report.faces,
            "protected": report.count(GuardState.PROTECTED),
            "held": report.count(GuardState.HOLDING),
            "placeholder": report.count(GuardState.PLACEHOLDER),
        }

    def _filter(self, stills: bool) -> FrameFilter:
        if not stills:
            return self._built(stills)
        if self._for_stills is None:
            self._for_stills = self._built(stills)
        return _Lent(self._for_stills)

    def _built(self, stills: bool) -> FrameFilter:
        return build_filter(self._settings, self._surrogate, stills=stills)


class _Lent:
    """A filter that outlives whoever closes it: pictures share one, as they share no past."""

    def __init__(self, inner: FrameFilter) -> None:
        self._inner = inner

    def apply(self, raw: RawFrame) -> Filtered:
        return self._inner.apply(raw)

    def measure(self, raw: RawFrame, filtered: Filtered) -> list[FaceMeasure]:
        return self._inner.measure(raw, filtered)

    def catch_up(self) -> None:
        self._inner.catch_up()

    def close(self) -> None:
        """Stay open."""
