"""Small stand-ins beside each protocol, so that tests patch nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.faces.base import Box, Face
from camfilter.faces.template import OVAL
from camfilter.filtered import Filtered, PartTimes
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.geometry import fit_similarity
from camfilter.guard import ProtectedFrame
from camfilter.meter import FaceMeasure
from camfilter.sinks.base import pixels_of
from camfilter.sources.base import SourceInfo
from camfilter.surrogate.base import Crops, Stage, StageResult

UNIT_SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)


def similarity(x: float, y: float, side_px: float, roll_deg: float = 0.0) -> NDArray[np.float64]:
    """From frame pixels to the unit square whose centre lies at x, y in the frame."""
    angle = np.deg2rad(roll_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = (UNIT_SQUARE - 0.5) @ turn.T * side_px + [x, y]
    return fit_similarity(corners.astype(np.float64), UNIT_SQUARE)


def face_at(x: float, y: float, side_px: float, roll_deg: float = 0.0, **other: Any) -> Face:
    """An oval face whose crop is centred at x, y and `side_px` wide."""
    to_unit = similarity(x, y, side_px, roll_deg)
    inverse = cv2.invertAffineTransform(to_unit)
    outline = (np.array(OVAL) @ inverse[:, :2].T + inverse[:, 2]).astype(np.float32)
    return Face(outline=outline, to_unit=to_unit, box=Box.around(outline), **other)


def noise(width: int, height: int, seed: int = 0, low: int = 40, high: int = 200) -> Pixels:
    """A picture that no other seed gives."""
    rng = np.random.default_rng(seed)
    return rng.integers(low, high, (height, width, 3), np.uint8)


def raw_frame(index: int = 0, time_s: float | None = None, size: Size | None = None) -> RawFrame:
    """A raw frame unlike any other index."""
    size = size or Size(32, 24)
    pixels = noise(size.width, size.height, seed=index)
    return RawFrame(pixels, index, index / 30 if time_s is None else time_s)


def filtered(raw: RawFrame, change: int = 2, faces: Sequence[Face] = ()) -> Filtered:
    """A good answer to a raw frame: every pixel moved by `change` levels."""
    pixels = np.clip(raw.pixels.astype(np.int16) + change, 0, 255).astype(np.uint8)
    return Filtered(pixels, tuple(faces), 6, PartTimes(1, 2, 3))


class FakeFaces:
    """A finder that answers with given faces, picture after picture; the last answer stays."""

    def __init__(self, *answers: Sequence[Face]) -> None:
        self._answers = deque(answers)
        self.closed = 0
        self.caught_up = 0

    def find(self, pixels: Pixels) -> list[Face]:
        answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        return list(answer)

    def catch_up(self) -> None:
        self.caught_up += 1

    def close(self) -> None:
        self.closed += 1


class LinearSurrogate:
    """A softmax regression whose gradient is known by hand: W^T (p - label)."""

    name = "linear"
    provider = "cpu"

    def __init__(self, size_px: int = 8, seed: int = 1) -> None:
        self.size_px = size_px
        rng = np.random.default_rng(seed)
        self.weights = rng.normal(0, 1, (8, size_px * size_px)).astype(np.float32)
        self.stages: list[Stage] = []
        self.reads = 0

    def read(self, pictures: Crops) -> NDArray[np.float32]:
        self.reads += 1
        return (pictures.reshape(len(pictures), -1) - 0.5) @ self.weights.T

    def probabilities(self, pictures: Crops) -> NDArray[np.float32]:
        shifted = np.exp(self.read(pictures) - self.read(pictures).max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    def loss(self, pictures: Crops, label: NDArray[np.float32]) -> NDArray[np.float32]:
        return -(label * np.log(self.probabilities(pictures))).sum(axis=1)

    def gradient(self, pictures: Crops, label: NDArray[np.float32]) -> Crops:
        return ((self.probabilities(pictures) - label) @ self.weights).reshape(pictures.shape)

    def take(self, stage: Stage) -> StageResult:
        self.stages.append(stage)
        gradient = self.gradient(stage.picture, stage.label)
        size = np.maximum(np.abs(gradient).sum(axis=(1, 2), keepdims=True), 1e-12)
        momentum = np.float32(stage.decay) * stage.momentum + gradient / size
        moved = stage.picture + stage.step[:, None, None] * stage.mask * np.sign(momentum)
        stepped = np.minimum(np.maximum(moved, stage.lower), stage.upper)
        return StageResult(stepped, momentum, self.read(stage.picture))


class FakeFilter:
    """A filter that does what each entry of a script says; the last entry stays.

    An exception is raised, a function of the raw frame is called, anything else is returned.
    """

    provider = "cpu"
    surrogate = "fake"
    eased = ""
    frames_eased = 0

    def __init__(self, *script: Any) -> None:
        self._script = deque(script or (filtered,))
        self.seen: list[int] = []
        self.closed = 0
        self.caught_up = 0

    def apply(self, raw: RawFrame) -> Filtered:
        self.seen.append(raw.index)
        act = self._script.popleft() if len(self._script) > 1 else self._script[0]
        if isinstance(act, BaseException):
            raise act
        return act(raw) if callable(act) else act

    def measure(self, raw: RawFrame, filtered: Filtered) -> list[FaceMeasure]:
        return []

    def catch_up(self) -> None:
        self.caught_up += 1

    def close(self) -> None:
        self.closed += 1


class _WithBlock:
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


class FakeSource(_WithBlock):
    """Hands out a list of frames; an exception in the list is raised, a function is called."""

    def __init__(
        self,
        frames: Iterable[RawFrame | Exception | Callable[[], RawFrame | None]],
        *,
        stills: bool = False,
        live: bool = False,
        rate_hz: float = 30.0,
        size: Size | None = None,
    ) -> None:
        self._frames = iter(frames)
        self.info = SourceInfo("fake", size or Size(32, 24), rate_hz, None, live, stills)

    def read(self) -> RawFrame | None:
        frame = next(self._frames, None)
        if isinstance(frame, Exception):
            raise frame
        return frame() if callable(frame) else frame


class FakeSink(_WithBlock):
    """Keeps what it was given, and says so to `on_write`."""

    name = "fake"

    def __init__(self, on_write: Callable[[ProtectedFrame], None] = lambda _frame: None) -> None:
        self.frames: list[ProtectedFrame] = []
        self.pictures: list[Pixels] = []
        self._on_write = on_write

    def write(self, frame: ProtectedFrame) -> None:
        self.pictures.append(pixels_of(frame).copy())
        self.frames.append(frame)
        self._on_write(frame)

    def abort(self) -> None: ...

    @property
    def states(self) -> list[str]:
        return [frame.state.value for frame in self.frames]
