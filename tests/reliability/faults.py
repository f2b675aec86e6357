"""What can go wrong at a seam: a small library of faults, each a function around the real call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from camfilter.errors import CameraLost, FilterFault, SinkError, SourceError, SourceNotFound
from camfilter.faces.base import Box, Face
from camfilter.filtered import Filtered
from camfilter.frames import RawFrame
from camfilter.surrogate.base import StageResult

WAIT_S: Final = 60.0

Real = Callable[[], Any]


@dataclass(frozen=True)
class Fault:
    """One way to fail.

    Attributes:
        name: what a table calls it.
        act: does what goes wrong, given the real call.
        heals: False where the thing that failed stays dead until it is built anew.
        silent: True where the part lies, and says that all is well.
    """

    name: str
    act: Callable[[Real], Any]
    heals: bool = True
    silent: bool = False


class Hang:
    """A call that does not come back until it is let go."""

    def __init__(self) -> None:
        self.entered, self.go = threading.Event(), threading.Event()

    def __call__(self, real: Real) -> Any:
        self.entered.set()
        assert self.go.wait(WAIT_S)
        return real()


@dataclass
class Seams:
    """Where faults are put in: each part of a run calls through here."""

    active: dict[str, Fault] = field(default_factory=dict)
    struck: int = 0

    def through(self, seam: str, real: Real) -> Any:
        fault = self.active.get(seam)
        if fault is None:
            return real()
        self.struck += 1
        return fault.act(real)

    @contextmanager
    def broken(self, **faults: Fault) -> Iterator[None]:
        self.active.update(faults)
        try:
            yield
        finally:
            for seam in faults:
                self.active.pop(seam, None)


def raising(error: BaseException) -> Fault:
    def act(_real: Real) -> Any:
        raise error

    return Fault(type(error).__name__, act)


def answering(name: str, answer: Any, **more: Any) -> Fault:
    return Fault(name, lambda _real: answer, **more)


def turning(name: str, turn: Callable[[Any], Any], **more: Any) -> Fault:
    """The real answer, changed."""
    return Fault(name, lambda real: turn(real()), **more)


def dying() -> Fault:
    """As a graphics card that fell off the bus: who met it once never answers again."""
    return Fault("dead session", _die, heals=False)


def _die(_real: Real) -> Any:
    raise RuntimeError("CUDA failure 999")


ANY_ERROR: Final = (
    raising(RuntimeError("inside a driver")),
    raising(MemoryError()),
    raising(OSError(5, "Input/output error")),
    raising(SystemExit(1)),
    raising(GeneratorExit()),
    raising(RecursionError()),
)


def _source_faults() -> list[Fault]:
    def with_pixels(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda raw: replace(raw, pixels=change(raw.pixels))

    return [
        raising(CameraLost("Camera 0 was unplugged.")),
        raising(SourceError("The source cannot go on.")),
        answering("a word", "frame"),
        answering("no pixels", RawFrame(None, 0, 0.0)),  # type: ignore[arg-type]
        turning("a list", with_pixels(lambda pixels: pixels.tolist())),
        turning("float", with_pixels(lambda pixels: pixels.astype(np.float32))),
        turning("NaN", with_pixels(lambda pixels: np.full(pixels.shape, np.nan))),
        turning("int16", with_pixels(lambda pixels: pixels.astype(np.int16))),
        turning("flat", with_pixels(lambda pixels: pixels.reshape(1, -1))),
        turning("gray", with_pixels(lambda pixels: pixels[:, :, 0])),
        turning("four channels", with_pixels(lambda p: np.dstack([p, p[:, :, 0]]))),
        turning("empty", with_pixels(lambda pixels: pixels[:0])),
        turning("no width", with_pixels(lambda pixels: pixels[:, :0])),
        turning("twice as large", with_pixels(lambda p: p.repeat(2, axis=0).repeat(2, axis=1))),
        turning("time is NaN", lambda raw: replace(raw, time_s=float("nan"))),
        turning("time to come", lambda raw: replace(raw, time_s=1e12)),
        turning("time is a word", lambda raw: replace(raw, time_s="soon")),
        turning("index goes back", lambda raw: replace(raw, index=-5)),
        turning("index is a word", lambda raw: replace(raw, index="first")),
    ]


def _face_faults() -> list[Fault]:
    def each(change: Callable[[Face], Face]) -> Callable[[list[Face]], list[Face]]:
        return lambda faces: [change(face) for face in faces]

    nan_outline = np.full((6, 2), np.nan, np.float32)
    return [
        answering("None", None),
        answering("a number", 7),
        answering("faces of None", [None, None]),
        turning("NaN outline", each(lambda face: replace(face, outline=nan_outline))),
        turning("no outline", each(lambda f: replace(f, outline=np.zeros((0, 2), np.float32)))),
        turning("NaN transform", each(lambda f: replace(f, to_unit=np.full((2, 3), np.nan)))),
        turning("flat transform", each(lambda f: replace(f, to_unit=np.zeros((2, 3))))),
        turning("transform of another shape", each(lambda f: replace(f, to_unit=np.eye(4)))),
        turning("empty box", each(lambda f: replace(f, box=Box(9, 9, 9, 9)))),
        turning("box inside out", each(lambda f: replace(f, box=Box(40, 40, 2, 2)))),
        turning("box of NaN", each(lambda f: replace(f, box=Box(*[float("nan")] * 4)))),  # type: ignore[arg-type]
    ]


def _silent_face_faults() -> list[Fault]:
    def shifted(face: Face) -> Face:
        away = Box(face.box.left + 300, face.box.top, face.box.right + 300, face.box.bottom)
        return replace(face, box=away, outline=face.outline + np.float32([300, 0]))

    return [
        answering("no face", [], silent=True),
        turning("one face less", lambda faces: faces[1:], silent=True),
        turning("out of the frame", lambda faces: [shifted(f) for f in faces], silent=True),
    ]


def _chain_faults() -> list[Fault]:
    def stepped(change: Callable[[Any], Any]) -> Callable[[StageResult], StageResult]:
        return lambda done: StageResult(change(done.stepped), change(done.momentum), done.logits)

    return [
        dying(),
        answering("None", None),
        turning("NaN", stepped(lambda x: np.full_like(x, np.nan))),
        turning("one NaN", stepped(_one_nan)),
        turning("infinite", stepped(lambda x: x + np.float32(np.inf))),
        turning("huge", stepped(lambda x: x + np.float32(1e30))),
        turning("another shape", stepped(lambda x: x[:, :3])),
        turning("another number of faces", stepped(lambda x: np.concatenate([x, x]))),
        turning("whole numbers", stepped(lambda x: x.astype(np.int64))),
        turning("text", stepped(lambda x: x.astype(str))),
        turning("a list", stepped(lambda x: x.tolist())),
    ]


def _one_nan(stepped: Any) -> Any:
    stepped = stepped.copy()
    stepped[0, 0, 0] = np.nan
    return stepped


def _filter_faults() -> list[Fault]:
    """What the filter as a whole hands to the guard; compose is its last part."""

    def pixels(change: Callable[[Any], Any]) -> Callable[[Filtered], Filtered]:
        return lambda done: replace(done, pixels=change(done.pixels))

    return [
        raising(FilterFault("The chain answered for another number of faces.")),
        answering("None", None),
        turning("no pixels", pixels(lambda _: None)),
        turning("a list", pixels(lambda p: p.tolist())),
        turning("float", pixels(lambda p: p.astype(np.float64))),
        turning("NaN", pixels(lambda p: np.full(p.shape, np.nan, np.float32))),
        turning("another shape", pixels(lambda p: p[1:])),
        turning("gray", pixels(lambda p: p[:, :, 0])),
        turning("black", pixels(np.zeros_like)),
        turning("too much", pixels(lambda p: p ^ np.uint8(64))),
        turning("upside down", pixels(lambda p: p[::-1].copy())),
        turning("no faces named", lambda done: replace(done, faces=None)),
        turning("no budget named", lambda done: replace(done, budget_levels=None)),
        turning("budget of NaN", _too_much_with(float("nan"))),
        turning("a lie about the budget", _too_much_with(255)),
        turning("no times", lambda done: replace(done, times=None)),
    ]


def _too_much_with(budget: Any) -> Callable[[Filtered], Filtered]:
    return lambda done: replace(done, pixels=done.pixels ^ np.uint8(16), budget_levels=budget)


def _sink_faults() -> list[Fault]:
    full = Fault("disk full", raising(OSError(28, "No space left on device")).act)
    return [raising(SinkError("The driver hiccuped.")), full]


FAULTS: Final[dict[str, list[Fault]]] = {
    "source": [*ANY_ERROR, *_source_faults()],
    "opening": [*ANY_ERROR[:3], raising(SourceNotFound("There is no camera."))],
    "faces": [*ANY_ERROR, *_face_faults()],
    "chain": [*ANY_ERROR, *_chain_faults()],
    "reading": [*ANY_ERROR[:2], answering("None", None)],
    "filter": [*ANY_ERROR, *_filter_faults()],
    "building": [*ANY_ERROR[:4]],
    "measuring": [*ANY_ERROR[:2], answering("None", None)],
    "faces again": ANY_ERROR[:2],
    "card": [*ANY_ERROR[:3]],
    "sink": [*ANY_ERROR[:3], *_sink_faults()],
    "opening the sink": [*ANY_ERROR[:3], *_sink_faults()],
}
"""By seam. Faults of the filter that need the raw frame are in `world`."""

SILENT: Final[dict[str, list[Fault]]] = {"faces": _silent_face_faults()}
