"""Parts of the tray with hands of the test on their edges."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from camfilter.app.controller import Controller, Parts
from camfilter.app.settings import AppSettings, changed
from camfilter.app.status import Status
from camfilter.errors import SourceNotFound
from camfilter.frames import RawFrame
from camfilter.sources import Source
from camfilter.surrogate.reading import Reading
from camfilter.tray.question import Question
from fakes import FakeFilter, FakeSink, FakeSource, raw_frame

STATUS = Status(
    state="protected",
    reason="",
    settings=AppSettings(),
    fps=29.6,
    latency_ms=8.44,
    provider="cpu",
    faces=1,
    before=Reading("happiness", 0.93, 0.4),
    after=Reading("neutral", 0.41, 2.41),
    frames_out=100,
    watched=True,
    sink="virtual camera /dev/video10",
    sink_fault="",
)


def status(values: dict[str, Any] | None = None, **other: Any) -> Status:
    """A status with some settings and some fields changed."""
    return replace(STATUS, settings=changed(AppSettings(), values or {}), **other)


class Answers:
    """Stands for a person: keeps what was asked, and says what it was told to say."""

    def __init__(self, yes: bool = False) -> None:
        self.yes = yes
        self.asked: list[Question] = []

    def ask(self, question: Question) -> bool:
        self.asked.append(question)
        return self.yes


class Scripted(Controller):
    """The real controller, whose status a test may put in its place."""

    def __init__(self, settings: AppSettings, parts: Parts | None = None) -> None:
        super().__init__(settings, parts)
        self.said: dict[str, Any] = {}

    def status(self) -> Status:
        return replace(super().status(), **self.said)


class _NamedFilter(FakeFilter):
    provider = "cpu"
    eased = ""
    frames_eased = 0
    surrogate = "fake"


class Loop:
    """Makes controllers that run on fakes; the only cameras are those named."""

    def __init__(self, *cameras: str) -> None:
        self.cameras = cameras
        self.made: list[Controller] = []
        self.sinks: list[FakeSink] = []

    def make(self, settings: AppSettings) -> Controller:
        parts: dict[str, Any] = {
            "open_source": self._open_source,
            "open_sink": self._open_sink,
            "build_filter": lambda _settings: _NamedFilter(),
        }
        controller = Controller(settings, Parts(**parts))
        self.made.append(controller)
        return controller

    def _open_source(self, settings: AppSettings) -> Source:
        if settings.source not in self.cameras:
            raise SourceNotFound(f"There is no camera {settings.source}.")
        return FakeSource(_frames(), live=True)

    def _open_sink(self, *_: object) -> FakeSink:
        self.sinks.append(FakeSink())
        return self.sinks[-1]


def _frames() -> Iterator[RawFrame]:
    """Frames without end, at the pace of a camera."""
    index = 0
    while True:
        time.sleep(0.01)
        yield raw_frame(index)
        index += 1
