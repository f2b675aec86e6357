"""A whole run, made of the real parts, whose every step is taken by hand in one thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camfilter.app.config import Layers
from camfilter.app.config_file import FileSettings
from camfilter.app.config_follower import ConfigFollower
from camfilter.app.controller import Controller, Parts
from camfilter.app.live_filter import LiveFilter, PatientOpener
from camfilter.app.requests import fulfil
from camfilter.app.settings import AppSettings, changed
from camfilter.assembly import build_chain
from camfilter.card import draw_card
from camfilter.errors import SettingError, UnknownSurrogate
from camfilter.faces.base import Face
from camfilter.faces.hold import HeldFaces
from camfilter.filter import FaceFilter
from camfilter.filtered import Filtered
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.guard import GuardState, ProtectedFrame
from camfilter.meter import FaceMeasure
from camfilter.pipeline import LiveRun
from camfilter.sinks.base import pixels_of
from camfilter.sinks.watchers import UnknownWatchers
from camfilter.sources.base import SourceInfo
from camfilter.surrogate.base import Crops, Stage, StageResult
from fakes import FakeSink, FakeSource, LinearSurrogate
from reliability.faults import WAIT_S, Fault, Hang, Seams
from reliability.oracle import Oracle
from reliability.scene import SIZE, Scene, mark_of

RATE_HZ = 30.0


class World:
    """Source, filter, guard and sink around a controller; time passes when the test says so.

    The three steps of a live run are `read`, `protect` and `write`. A step that hangs is
    taken in a thread of its own, which waits until it is let go, as in a real run.

    Args:
        seed: of the scene.
        values: settings to start with.
    """

    def __init__(self, seed: int = 0, values: dict[str, Any] | None = None) -> None:
        self.now_s = 100.0
        self.seams = Seams()
        self.scene = Scene(seed)
        self.oracle = Oracle(self.scene, lambda: self.now_s)
        self.states: list[GuardState] = []
        self._reader_free_s = 0.0
        self._hung: threading.Thread | None = None
        self._hang: Hang | None = None
        self._last: RawFrame | None = None
        self._schedule: Callable[[World], None] = lambda _world: None
        self._opener = PatientOpener(self._open_surrogate, clock=lambda: self.now_s)
        settings = changed(AppSettings(source="demo", sink="virtual"), values or {})
        self.controller = Controller(
            settings,
            Parts(
                open_source=lambda _settings: self.seams.through("opening", self._open_source),
                open_sink=lambda *_: self.seams.through("opening the sink", self._open_sink),
                build_filter=lambda read: self.seams.through(
                    "building", lambda: _Filter(self, read)
                ),
                watchers_of=lambda _device: UnknownWatchers(),
                cameras=list,
                clock=lambda: self.now_s,
                wait=self._wait,
                run=self._run,
            ),
        )
        self.controller._guard._draw_card = self._card
        self._config: bytes | None = None
        self._follower = ConfigFollower(
            self.controller,
            Layers(settings, Path("config.toml"), FileSettings(), {}, {}),
            read=lambda _path: self._config,
        )
        self.note_budget()

    def play(self, schedule: Callable[[World], None]) -> None:
        """Start the run, take the steps of a schedule, and end it."""
        self._schedule = schedule
        self.controller.run()

    # The steps.

    def read(self) -> None:
        if self.now_s >= self._reader_free_s:
            pause_s = self.run.read()
            self._reader_free_s = max(self._reader_free_s, self.now_s + pause_s)

    def protect(self) -> None:
        """Filter the newest frame; a filter that hangs is left to itself until `let_go`."""
        if self._hung is not None:
            return
        if self._hang is None:
            self.run.protect(timeout_s=0)
            return
        self._hung = threading.Thread(target=self.run.protect, args=(0,))
        self._hung.start()
        while self._hung.is_alive() and not self._hang.entered.wait(0.001):
            pass
        if not self._hang.entered.is_set():
            self._hung.join()
            self._hung = None

    def write(self) -> None:
        """Write, and see whether the status tells the truth about it."""
        self.run.write()
        status = self.controller.status()
        if self.states and not status.sink_fault and status.state != self.states[-1].value:
            shown = self.states[-1].value
            self.oracle.broken.append(f"status says {status.state}, shown was {shown}")

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        self.note_budget()

    def tick(self, rate_hz: float = RATE_HZ) -> None:
        """What happens between two frames of the camera."""
        self.pass_time(1 / rate_hz)
        self.read()
        self.protect()
        self.write()

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.tick()

    def change(self, values: dict[str, Any]) -> None:
        """Change settings, whether they can be used or not."""
        with suppress(SettingError):
            self._look_after(lambda: self.controller.change(values))

    def edit_config(self, content: bytes | None) -> None:
        """Somebody saves the config file, or removes it."""
        self._config = content
        self._look_after(self._follower.look)

    def ask(self, line: bytes) -> None:
        """A client of the control socket says something, sensible or not."""
        self._look_after(lambda: fulfil(self.controller, line))

    def _look_after(self, act: Callable[[], object]) -> None:
        self.note_budget()
        act()
        self.oracle.on = self.controller.settings.on
        self.note_budget()

    # Faults.

    def hang(self, seam: str) -> None:
        """From now on the filter hangs at a seam, in the next frame that comes there."""
        if self._hang is None:
            self._hang = Hang()
            self.seams.active[seam] = Fault("hang", self._hang)

    def hangs_at(self, seam: str) -> bool:
        """Whether the fault at a seam is the one that hangs."""
        return self._hang is not None and self.seams.active[seam].act is self._hang

    def let_go(self) -> None:
        """What hung goes on."""
        if self._hang is None:
            return
        for seam in [seam for seam in self.seams.active if self.hangs_at(seam)]:
            del self.seams.active[seam]
        self._hang.go.set()
        if self._hung is not None:
            self._hung.join(WAIT_S)
            assert not self._hung.is_alive()
        self._hung = self._hang = None

    def heal(self) -> float:
        """End every fault; how long until the newest frame is shown as it should be, in s."""
        self.let_go()
        self.seams.active.clear()
        self.change({"epsilon": "6/255", "surrogate": ""})
        start_s = self.now_s
        wanted = GuardState.PROTECTED if self.oracle.on else GuardState.OFF
        for _ in range(int(4 * RATE_HZ)):
            self.tick()
            newest = self.states[-1] if self.states else None
            if newest is wanted and self._shown == self._newest_mark():
                return self.now_s - start_s
        return float("inf")

    # The parts.

    def _run(self, *arguments: Any, **options: Any) -> None:
        self.run = LiveRun(*arguments, **options)
        try:
            self._schedule(self)
        finally:
            self.let_go()

    def _wait(self, _event: threading.Event, seconds: float) -> None:
        """The reader waits: it takes no step until then, while the others go on."""
        self._reader_free_s = max(self._reader_free_s, self.now_s + seconds)

    def _open_source(self) -> FakeSource:
        source = FakeSource([], live=True, rate_hz=RATE_HZ, size=SIZE)
        source.info = SourceInfo("camera 0", SIZE, RATE_HZ, None, True, False)
        source.read = lambda: self.seams.through("source", self._take)  # type: ignore[method-assign]
        return source

    def _take(self) -> RawFrame:
        stale = self.seams.active.get("stale")
        if stale is not None and self._last is not None:
            self.scene.again(self._last.index, self.now_s)
            return self._last
        self._last = self.scene.take(self.now_s)
        return self._last

    def _open_sink(self) -> FakeSink:
        return _Sink(self)

    def _open_surrogate(self, settings: AppSettings) -> _Surrogate:
        if settings.surrogate:
            raise UnknownSurrogate(f"There is no surrogate {settings.surrogate!r}.")
        return self.seams.through("building", lambda: _Surrogate(self.seams))

    def _card(self, size: Size, reason: str) -> Pixels:
        return self.seams.through("card", lambda: draw_card(size, reason))

    def note_budget(self) -> None:
        self.oracle.budgets.append((self.controller.settings.budget_levels, self.now_s))

    def _newest_mark(self) -> int:
        return max(self.scene.taken)

    def shown(self, frame: ProtectedFrame, pixels: Pixels) -> None:
        self._shown = mark_of(pixels)
        self.states.append(frame.state)
        self.oracle.look(frame, pixels)


class _Sink(FakeSink):
    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def write(self, frame: ProtectedFrame) -> None:
        pixels = pixels_of(frame).copy()
        self._world.seams.through("sink", lambda: self._world.shown(frame, pixels))


class _Surrogate(LinearSurrogate):
    """An inference session; once dead it stays dead, and only a new one works."""

    def __init__(self, seams: Seams) -> None:
        super().__init__(16)
        self._seams = seams
        self._dead = False

    def take(self, stage: Stage) -> StageResult:
        fault = self._seams.active.get("chain")
        self._dead = self._dead or (fault is not None and not fault.heals)
        if self._dead:
            self._seams.struck += 1
            raise RuntimeError("CUDA failure 999")
        self.stages.clear()
        return self._seams.through("chain", lambda: super(_Surrogate, self).take(stage))

    def read(self, pictures: Crops) -> NDArray[np.float32]:
        return self._seams.through("reading", lambda: super(_Surrogate, self).read(pictures))


class _Faces:
    """A finder that knows the scene: it finds what the camera truly saw."""

    def __init__(self, world: World) -> None:
        self._world = world

    def find(self, pixels: Pixels) -> list[Face]:
        return self._world.seams.through("faces", lambda: self._found(pixels))

    def catch_up(self) -> None:
        self._world.seams.through("faces again", lambda: None)

    def close(self) -> None: ...

    def _found(self, pixels: Pixels) -> list[Face]:
        mark = mark_of(pixels)
        taken = self._world.scene.taken.get(mark)
        return list(taken.faces) if taken else []


class _Filter(LiveFilter):
    """The real filter, with seams at its inner edges and around it."""

    def __init__(self, world: World, settings: Callable[[], AppSettings]) -> None:
        self._seams = world.seams
        super().__init__(
            settings,
            world._opener,
            lambda now, surrogate: FaceFilter(
                HeldFaces(_Faces(world)), build_chain(now, surrogate, stills=False)
            ),
            clock=lambda: world.now_s,
        )

    def apply(self, raw: RawFrame) -> Filtered:
        around = self._seams.active.get("around")
        if around is not None:  # a fault that is handed the raw frame, too
            self._seams.struck += 1
            return around.act(lambda: (raw, super(_Filter, self).apply(raw)))
        return self._seams.through("filter", lambda: super(_Filter, self).apply(raw))

    def measure(self, raw: RawFrame, filtered: Filtered) -> list[FaceMeasure]:
        return self._seams.through("measuring", lambda: super(_Filter, self).measure(raw, filtered))
