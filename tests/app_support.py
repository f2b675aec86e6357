"""A controller that runs in a thread, fed one frame at a time, so that no test depends on time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from queue import Queue
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from camfilter.app.controller import Controller, Parts
from camfilter.app.live_filter import LiveFilter, PatientOpener
from camfilter.app.settings import AppSettings, changed
from camfilter.errors import SinkError, SourceNotFound
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.guard import GuardState, ProtectedFrame
from camfilter.sinks.base import pixels_of
from camfilter.sinks.watchers import UnknownWatchers
from camfilter.sources import Camera
from camfilter.sources.base import SourceInfo
from camfilter.sources.demo import DemoSource

WAIT_S = 30.0
SIZE = Size(320, 240)


class Clock:
    """Time that moves only when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def demo_pictures(count: int = 40, seed: int = 0) -> list[Pixels]:
    """Pictures of a moving face; another seed mirrors them, so that they can be told apart."""
    source = DemoSource(SIZE, 30.0, count)
    pictures = []
    while (frame := source.read()) is not None:
        pictures.append(frame.pixels if seed == 0 else np.ascontiguousarray(frame.pixels[:, ::-1]))
    return pictures


class _Block:
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class SteppedCamera(_Block):
    """A live source that waits until the test lets a frame out.

    Each frame has a corner of its own, which no filter touches, so that it can be told
    from every other one wherever it comes out.
    """

    def __init__(self, pictures: Sequence[Pixels], mark: int = 0) -> None:
        self.info = SourceInfo("stepped", Size.of(pictures[0]), 30.0, None, True, False)
        self._pictures = pictures
        self._mark = mark
        self._let_out: Queue[RawFrame | None] = Queue()
        self._next = 0
        self.closed = threading.Event()

    def let_out(self) -> Pixels:
        """Let one frame out; its pixels."""
        index, self._next = self._next, self._next + 1
        pixels = self._pictures[index % len(self._pictures)].copy()
        pixels[0, 0] = (index % 256, index // 256, self._mark)
        self._let_out.put(RawFrame(pixels, index, index / 30))
        return pixels

    def read(self) -> RawFrame | None:
        return self._let_out.get(timeout=WAIT_S)

    def close(self) -> None:
        self.closed.set()
        self._let_out.put(None)


def same_frame(raw: Pixels, shown: Pixels) -> bool:
    """Whether a picture was made from this raw one."""
    return bool((raw[0, 0] == shown[0, 0]).all())


class WatchedSink(_Block):
    """Keeps every frame with a copy of its pixels, and lets a test wait for one."""

    name = "watched"

    def __init__(self, device: str = "") -> None:
        self.device = device
        self.shown: list[tuple[ProtectedFrame, Pixels]] = []
        self.ended_by = ""
        self.ended = threading.Event()
        self._fails = False
        self._came = threading.Condition()

    def fail(self) -> None:
        """From now on it takes no frame."""
        self._fails = True

    def write(self, frame: ProtectedFrame) -> None:
        if self._fails:
            raise SinkError("The device is gone.")
        with self._came:
            self.shown.append((frame, pixels_of(frame).copy()))
            self._came.notify_all()

    def wait_for(
        self, wanted: Callable[[ProtectedFrame], bool], after: int = 0
    ) -> tuple[ProtectedFrame, Pixels]:
        def found() -> tuple[ProtectedFrame, Pixels] | None:
            return next((shown for shown in self.shown[after:] if wanted(shown[0])), None)

        with self._came:
            came = self._came.wait_for(lambda: found() is not None, WAIT_S)
            assert came, (
                f"no such frame came, but: {[shown.reason for shown, _ in self.shown[-3:]]}"
            )
            shown = found()
        assert shown is not None
        return shown

    def close(self) -> None:
        self.ended_by = self.ended_by or "close"
        self.ended.set()

    def abort(self) -> None:
        self.ended_by = self.ended_by or "abort"
        self.ended.set()


class Run:
    """A controller at work, and the hands of the test on its edges."""

    def __init__(
        self,
        values: dict[str, Any],
        cameras: dict[str, list[Pixels]],
        *,
        device: str = "",
        listed: Sequence[Camera] = (),
        **parts: Any,
    ) -> None:
        self.clock = Clock()
        self.sink = WatchedSink(device)
        self.cameras: dict[str, SteppedCamera] = {}
        self.opened: list[str] = []
        self._pictures = cameras
        opener = PatientOpener(clock=self.clock)
        known: dict[str, Any] = {
            "open_source": self._open_source,
            "open_sink": lambda settings, size, rate_hz: self.sink,
            "build_filter": partial(LiveFilter, open_surrogate=opener),
            "cameras": lambda: listed,
            "watchers_of": lambda _device: UnknownWatchers(),
            "clock": self.clock,
        }
        settings = changed(AppSettings(source="a", sink="null", provider="cpu"), values)
        self.controller = Controller(settings, Parts(**{**known, **parts}))

    def _open_source(self, settings: AppSettings) -> SteppedCamera:
        self.opened.append(settings.source)
        if settings.source not in self._pictures:
            raise SourceNotFound(f"There is no camera {settings.source}.")
        camera = SteppedCamera(self._pictures[settings.source], mark=len(self.opened))
        self.cameras[settings.source] = camera
        return camera

    def let_out(self, source: str = "a") -> Pixels:
        """Let the camera send one frame; its pixels."""
        return self.cameras[source].let_out()

    def protected(self, source: str = "a") -> tuple[Pixels, Pixels]:
        """Let one frame through; before and after."""
        before = self.let_out(source)
        return before, self.shown(before, GuardState.PROTECTED)

    def shown(self, raw: Pixels, state: GuardState) -> Pixels:
        """What is shown of a raw frame, once it comes out in this state."""
        with_it = self.sink.wait_for(
            lambda frame: frame.state is state and same_frame(raw, frame.pixels)
        )
        return with_it[1]

    def settle(self) -> None:
        """Wait until the controller knows of everything that was written so far."""
        self.sink.wait_for(lambda _frame: True, after=len(self.sink.shown))


@contextmanager
def running(
    values: dict[str, Any] | None = None,
    cameras: dict[str, list[Pixels]] | None = None,
    **parts: Any,
) -> Iterator[Run]:
    """Run a controller in a thread, and end it well."""
    run = Run(values or {}, cameras or {"a": demo_pictures()}, **parts)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            run.controller.run()
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        run.sink.wait_for(lambda _frame: True)
        yield run
    finally:
        run.controller.stop()
        for camera in list(run.cameras.values()):
            camera.let_out()
        thread.join(WAIT_S)
        assert not thread.is_alive()
    if failed:
        raise failed[0]


def linf(before: Pixels, after: Pixels) -> int:
    """Greatest change of any pixel, in levels."""
    return int(cv2.norm(before, after, cv2.NORM_INF))
