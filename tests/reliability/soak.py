"""Hours of a live run at the pace of the machine, and whether anything grows.

The steps of the run are taken one after another in one thread, on a clock of its own. Real are:
the controller, guard, held faces, chain over time with the shipped surrogates, compose, the
control socket with its threads, and the config file. Not real are the camera, the sink and the
finder, which knows where the faces are.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from camfilter.app.client import ControlClient
from camfilter.app.config import Layers
from camfilter.app.config_file import FileSettings
from camfilter.app.config_follower import ConfigFollower
from camfilter.app.control import ControlServer
from camfilter.app.controller import Controller, Parts
from camfilter.app.live_filter import LiveFilter, PatientOpener, open_surrogate
from camfilter.app.settings import AppSettings
from camfilter.app.sockets import SocketTransport
from camfilter.assembly import build_chain
from camfilter.errors import CameraLost, ControlError, SinkError, SourceNotFound
from camfilter.faces.base import Face
from camfilter.faces.hold import HeldFaces
from camfilter.filter import FaceFilter
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.guard import GuardState, ProtectedFrame
from camfilter.pipeline import LiveRun
from camfilter.sinks.base import pixels_of
from camfilter.sinks.watchers import UnknownWatchers
from camfilter.sources.base import SourceInfo
from camfilter.sources.demo import portrait_path
from camfilter.sources.pictures import read_picture
from camfilter.surrogate.base import Crops, Stage, StageResult, Surrogate
from fakes import FakeSink, FakeSource, face_at, noise

SIZES: Final = (Size(320, 240), Size(480, 270))
"""Sizes of the runs, in turn."""

CAMERA_SIZES: Final = ((320, 240), (480, 270), (240, 320))
"""Sizes that the camera is asked for within a run."""

_PERIODS: Final = 5
_GRAINS: Final = 8
_REMEMBERED: Final = 24
_CONFIGS: Final = (b'epsilon = "4/255"\n', b'epsilon = "9/255"\n', b"epsilon = \n", b"")
_LEAST_CHANGED: Final = 0.05
_MOST_LEVELS: Final = 9
_MARKED: Final = 199


@dataclass
class Measured:
    """What a soak measured.

    Attributes:
        memory_mb, threads, files: readings, one for each sixtieth of the time.
        cpu_ms, wall_ms: for each frame from reading to writing.
        states: frames that reached the sink, by state.
        leaks: frames that should not have reached it, one line each.
        happened: events by name.
    """

    memory_mb: list[float] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)

    def stray(self) -> float:
        """Greatest distance of a reading of memory from the median of all but the first tenth."""
        settled = np.array(self.memory_mb[len(self.memory_mb) // 10 :])
        return float(np.abs(settled / np.median(settled) - 1).max())

    def growth(self, readings: list[int]) -> int:
        """How much more the last quarter has at least than the first; clients come and go."""
        quarter = max(1, len(readings) // 4)
        return min(readings[-quarter:]) - min(readings[:quarter])

    def p99(self, times_ms: list[float]) -> tuple[float, float]:
        """99th percentile over the first and the last quarter, in ms."""
        quarter = max(1, len(times_ms) // 4)
        first, last = times_ms[:quarter], times_ms[-quarter:]
        return float(np.percentile(first, 99)), float(np.percentile(last, 99))


class View:
    """A wall, and up to eight copies of a face that sway, each frame with a mark of its own."""

    def __init__(self, size: Size) -> None:
        self._wall = cv2.resize(noise(16, 12), (size.width, size.height))
        self._side = min(size.width, size.height) // 4 - 6
        face = read_picture(portrait_path())
        self._face = cv2.resize(face[60:420, 90:430], (self._side, self._side))
        self._grain = [noise(size.width, size.height, seed, 0, 5) for seed in range(_GRAINS)]
        self._size = size

    def draw(self, index: int, count: int) -> tuple[Pixels, list[Face]]:
        """The picture of a frame, and where its faces are."""
        pixels, faces, side = self._wall.copy(), [], self._side
        for number in range(count):
            column, row = number % 4, number // 4
            x = round(self._size.width * (column + 0.5) / 4 + 2 * np.sin(index / 9 + number))
            y = round(self._size.height * (row + 0.55) / 2 + 2 * np.sin(index / 7 + number))
            left, top = x - side // 2, y - side // 2
            pixels[top : top + side, left : left + side] = self._face
            faces.append(face_at(x, y, 0.8 * side))
        pixels = cv2.add(pixels, self._grain[index % _GRAINS])
        pixels[0, 0] = (index % 251, index // 251 % 251, _MARKED)
        return pixels, faces


class Mortal:
    """A surrogate that can be killed; only a new one works again."""

    def __init__(self, inner: Surrogate, soak: Soak) -> None:
        self._inner, self._soak, self._dead = inner, soak, False
        self.name, self.size_px, self.provider = inner.name, inner.size_px, inner.provider

    def read(self, pictures: Crops) -> Any:
        return self._inner.read(pictures)

    def take(self, stage: Stage) -> StageResult:
        self._dead = self._dead or self._soak.kills
        if self._dead:
            raise RuntimeError("CUDA failure 999")
        return self._inner.take(stage)


class Soak:
    """One soak.

    Args:
        folder: for the control socket and the config file.
        minutes: of stream time.
        rate_hz: frames a second of stream time.
        parts: runs one after another, in turn of each size.
        tell: is called with a line at each reading.
    """

    def __init__(
        self,
        folder: Path,
        minutes: float,
        rate_hz: float,
        parts: int = 8,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.measured = Measured()
        self.kills = False
        self._folder, self._rate_hz, self._tell = folder, rate_hz, tell
        self._parts, self._part_frames = parts, round(minutes * 60 * rate_hz / parts)
        self._every = max(1, self._parts * self._part_frames // 60)
        self._now_s, self._free_s, self._frame = 100.0, 0.0, 0
        self._count, self._phase = 0, 0.0
        self._lost = self._sink_fails = False
        self._views = {Size(*size): View(Size(*size)) for size in CAMERA_SIZES}
        self._recent: dict[int, tuple[Pixels, list[Face]]] = {}
        self._finder_sees: list[Face] = []

    def run(self) -> Measured:
        """Do all runs."""
        for number in range(self._parts):
            self._size = SIZES[number % len(SIZES)]
            self._one_run()
        return self.measured

    # One run, and its steps.

    def _one_run(self) -> None:
        config = self._folder / "config.toml"
        settings = AppSettings(
            source="camera", sink="virtual", provider="cpu", surrogate=None,
            width_px=self._size.width, height_px=self._size.height,
        )  # fmt: skip
        opener = PatientOpener(self._open_surrogate, clock=lambda: self._now_s)
        parts = Parts(
            open_source=self._open_source,
            open_sink=lambda *_: self._open_sink(),
            build_filter=lambda read: LiveFilter(
                read, opener, self._filter, clock=lambda: self._now_s
            ),
            watchers_of=lambda _device: UnknownWatchers(),
            cameras=list,
            clock=lambda: self._now_s,
            wait=self._wait,
            run=self._steps,
        )
        self._recent.clear()
        self._finder_sees = []
        self._lost = self._sink_fails = self.kills = False
        self._controller = Controller(settings, parts)
        layers = Layers(settings, config, FileSettings(), {}, {})
        self._follower = ConfigFollower(self._controller, layers, every_s=3600)
        self._transport = SocketTransport(self._folder)
        with (
            self._follower,
            ControlServer(self._controller, self._transport.listen("control")),
            ExitStack() as self._watching,
        ):
            self._controller.run()
        config.unlink(missing_ok=True)

    def _steps(self, *arguments: Any, **options: Any) -> None:
        run = LiveRun(*arguments, **options)
        period = self._part_frames // _PERIODS
        for frame in range(self._part_frames):
            self._phase = frame % period / period
            self._now_s += 1 / self._rate_hz
            self._happen(frame % period, period)
            cpu_s, wall_s = time.thread_time(), time.perf_counter()
            if self._now_s >= self._free_s:
                self._free_s = self._now_s + run.read()
            run.protect(timeout_s=0)
            run.write()
            self.measured.cpu_ms.append(1e3 * (time.thread_time() - cpu_s))
            self.measured.wall_ms.append(1e3 * (time.perf_counter() - wall_s))
            self._frame += 1
            if self._frame % self._every == 0:
                self._read_the_machine()

    def _happen(self, frame: int, period: int) -> None:
        """What happens at this place of a period; some seconds each at most."""
        self._count = int(self._phase * 27) % 9
        lasting = max(3, min(round(2.5 * self._rate_hz), period // 12))
        self._lost = self._during("camera lost", frame, period, 0.45, lasting)
        self.kills = self._during("session died", frame, period, 0.75, 3)
        self._sink_fails = self._during("sink failed", frame, period, 0.82, lasting)
        moments: dict[float, Callable[[], object]] = {
            0.30: self._ask, 0.52: self._resize, 0.55: lambda: self._set({"on": False}),
            0.58: lambda: self._set({"on": True}), 0.60: self._edit, 0.65: self._edit,
            0.85: self._ask, 0.90: self._watch, 0.95: self._watching.close,
        }  # fmt: skip
        for at, act in moments.items():
            if frame == round(at * period):
                act()

    def _during(self, name: str, frame: int, period: int, at: float, frames: int) -> bool:
        start = round(at * period)
        self.measured.happened[name] += frame == start
        return start <= frame < start + frames

    def _set(self, values: dict[str, Any]) -> None:
        self._controller.change(values)
        self.measured.happened["toggle"] += "on" in values

    def _resize(self) -> None:
        width, height = CAMERA_SIZES[self.measured.happened["another size"] % len(CAMERA_SIZES)]
        self._set({"width_px": width, "height_px": height})
        self.measured.happened["another size"] += 1

    def _edit(self) -> None:
        number = self.measured.happened["config edited"]
        (self._folder / "config.toml").write_bytes(_CONFIGS[number % len(_CONFIGS)])
        self._follower.look()
        self.measured.happened["config edited"] += 1

    def _ask(self) -> None:
        """Another client asks for the status, and says something that cannot be understood."""
        with ControlClient(self._transport.connect("control")) as client:
            client.ask("status")
        channel = self._transport.connect("control")
        channel.send(b"\xff{" * 100, 5)
        answer = json.loads(channel.receive(5) or b"{}")
        channel.close()
        if answer.get("ok") is not False:
            raise ControlError("A request that is none was not refused.")
        self.measured.happened["clients"] += 2

    def _watch(self) -> None:
        client = self._watching.enter_context(ControlClient(self._transport.connect("control")))
        next(iter(client.watch()))
        self.measured.happened["clients"] += 1

    # The parts that are not real.

    def _wait(self, _event: threading.Event, seconds: float) -> None:
        self._free_s = max(self._free_s, self._now_s + seconds)

    def _open_source(self, settings: AppSettings) -> FakeSource:
        if self._lost:
            raise SourceNotFound("There is no camera.")
        assert settings.width_px is not None
        assert settings.height_px is not None
        size = Size(settings.width_px, settings.height_px)
        source = FakeSource([], live=True, rate_hz=30, size=size)
        source.info = SourceInfo("camera", size, 30, None, True, False)
        source.read = lambda: self._take(size)  # type: ignore[method-assign]
        return source

    def _take(self, size: Size) -> RawFrame:
        if self._lost:
            raise CameraLost("The camera was unplugged.")
        pixels, faces = self._views[size].draw(self._frame, self._count)
        self._finder_sees = faces if size == self._size else []  # others are fitted, and smaller
        return RawFrame(pixels, self._frame, self._now_s)

    def find(self, pixels: Pixels) -> list[Face]:
        """The finder of faces: it knows the newest frame, and remembers it for the proof."""
        mark = tuple(pixels[0, 0])
        self._recent[mark] = (pixels, self._finder_sees)
        while len(self._recent) > _REMEMBERED:
            del self._recent[next(iter(self._recent))]
        return list(self._finder_sees)

    def catch_up(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """The finder has nothing to close."""

    def _filter(self, settings: AppSettings, surrogate: Surrogate) -> FaceFilter:
        return FaceFilter(HeldFaces(self), build_chain(settings, surrogate, stills=False))

    def _open_surrogate(self, settings: AppSettings) -> Surrogate:
        self.measured.happened["surrogate opened"] += 1
        return Mortal(open_surrogate(settings), self)

    def _open_sink(self) -> FakeSink:
        if self._sink_fails:
            raise SinkError("The device is gone.")
        sink = FakeSink()
        sink.write = self._look  # type: ignore[method-assign]
        return sink

    def _look(self, frame: ProtectedFrame) -> None:
        """The sink: it looks at every frame and keeps none."""
        if self._sink_fails:
            raise SinkError("The device is gone.")
        pixels = pixels_of(frame)
        self.measured.states[frame.state.value] += 1
        on = self._controller.settings.on
        if (frame.state is GuardState.OFF) is on and frame.state is not GuardState.PLACEHOLDER:
            self._leak(f"{frame.state.value}, but protection is {'on' if on else 'off'}")
        if frame.state not in (GuardState.PROTECTED, GuardState.HOLDING):
            return
        if pixels[0, 0, 2] != _MARKED:  # of another size, and fitted: it has a bar there, no face
            return
        raw, faces = self._recent.get(tuple(pixels[0, 0]), (None, []))
        if raw is None:
            self._leak("made from no frame of the last seconds")
            return
        if cv2.norm(raw, pixels, cv2.NORM_INF) > _MOST_LEVELS:
            self._leak("over the budget")
        for face in faces:
            part = face.box.within(frame.size).slices()
            if np.mean(raw[part] != pixels[part]) < _LEAST_CHANGED:
                self._leak("a face is bare")

    def _leak(self, what: str) -> None:
        self.measured.leaks.append(f"frame {self._frame}: {what}")

    def _read_the_machine(self) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.measured.memory_mb.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
        self.measured.threads.append(len(list(Path("/proc/self/task").iterdir())))
        self.measured.files.append(len(list(Path("/proc/self/fd").iterdir())))
        self._tell(
            f"{self._frame / self._rate_hz / 60:6.1f} min  {self.measured.memory_mb[-1]:7.1f} MB  "
            f"{self.measured.threads[-1]} threads  {self.measured.files[-1]} files"
        )
