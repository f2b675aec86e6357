"""The way of a frame, part by part, as the running program goes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.assembly import build_filter, open_held_out
from camfilter.bench.race import Laps
from camfilter.bench.scene import Scene
from camfilter.errors import NothingProtected
from camfilter.filter import FrameFilter
from camfilter.filtered import Filtered
from camfilter.frames import RawFrame
from camfilter.guard import Guard, GuardState
from camfilter.meter import ASK_EVERY_FRAMES, FaceMeasure, InTurns
from camfilter.protector import Protector
from camfilter.report import RunReport
from camfilter.settings import ChainSettings
from camfilter.sinks.base import pixels_of
from camfilter.surrogate.base import Surrogate

__all__ = ["PARTS", "Lane", "filter_of"]

PARTS: Final = ("convert", "detect", "chain", "compose", "guard", "sink", "after")
"""Parts of a frame's work, in order. guard holds all that is around the filter: proof and copy;
after is what is done once the frame is out, before the next one comes."""


def filter_of(settings: ChainSettings, surrogate: Surrogate) -> FrameFilter:
    """The filter of a live run."""
    return build_filter(settings, surrogate, stills=False, meter=InTurns(open_held_out()))


class Lane:
    """Brings the frames of a scene from what a webcam sends to what a virtual camera takes.

    Args:
        scene: where frames come from.
        build: makes the filter.
        rate_hz: frames a second of stream time.
        clock: reads a monotonic time in seconds.
        cpu_clock: reads the computing time of this process in seconds.
    """

    def __init__(
        self,
        scene: Scene,
        build: Callable[[], FrameFilter],
        *,
        rate_hz: float = 30.0,
        clock: Callable[[], float] = time.perf_counter,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        self._scene = scene
        self._rate_hz = rate_hz
        self._clock, self._cpu_clock = clock, cpu_clock
        self._guard, report = Guard(), RunReport()
        self._watched = _Watched(build())
        self._protector = Protector(
            lambda: self._watched, self._guard, report, measure_every=ASK_EVERY_FRAMES
        )
        self._protector.prepare()
        self._index = 0
        self._times_ms: list[tuple[float, ...]] = []
        self._faces = 0

    def step(self) -> None:
        """Bring one frame across and note how long each part took.

        Raises:
            NothingProtected: the frame did not come out protected, with every face of the scene.
        """
        index = self._index
        self._index += 1
        camera = self._scene.yuyv(index)
        cpu_s, start_s = self._cpu_clock(), self._clock()
        pixels = cv2.cvtColor(camera, cv2.COLOR_YUV2BGR_YUYV).view(np.uint8)
        converted_s = self._clock()
        raw = RawFrame(pixels, index, index / self._rate_hz)
        self._protector.take(raw)
        frame = self._guard.frame(raw.time_s, index, raw.size)
        guarded_s = self._clock()
        cv2.cvtColor(pixels_of(frame), cv2.COLOR_BGR2YUV_I420)
        out_s = self._clock()
        self._protector.catch_up()
        end_s, end_cpu_s = self._clock(), self._cpu_clock()
        if frame.state is not GuardState.PROTECTED or frame.index != index:
            raise NothingProtected(f"Frame {index} of the bench was not protected: {frame.reason}")
        done = self._watched.newest
        self._faces = len(done.faces)
        filtered_ms = done.times.total_ms
        times_ms = (
            converted_s - start_s, done.times.detect_ms / 1e3, done.times.chain_ms / 1e3,
            done.times.compose_ms / 1e3, guarded_s - converted_s - filtered_ms / 1e3,
            out_s - guarded_s, end_s - out_s, out_s - start_s, end_s - start_s, end_cpu_s - cpu_s,
        )  # fmt: skip
        self._times_ms.append(tuple(1e3 * time_s for time_s in times_ms))

    def forget(self) -> None:
        """Start counting anew: what went before was to warm up."""
        self._times_ms.clear()

    @property
    def faces(self) -> int:
        """Faces protected in the newest frame."""
        return self._faces

    def laps(self) -> Laps:
        """All work for each frame."""
        times = self._table()
        return Laps(times[:, -2], times[:, -1])

    def until_out_ms(self) -> NDArray[np.float64]:
        """How long each frame took from the camera to the sink, in ms."""
        return self._table()[:, -3]

    def parts(self) -> dict[str, NDArray[np.float64]]:
        """Times of each part in ms, frame by frame."""
        times = self._table()
        return {name: times[:, column] for column, name in enumerate(PARTS)}

    def close(self) -> None:
        """Release the filter; closing twice does nothing."""
        self._protector.close()

    def _table(self) -> NDArray[np.float64]:
        return np.array(self._times_ms, np.float64).reshape(-1, len(PARTS) + 3)


class _Watched:
    """A filter that remembers its newest answer."""

    def __init__(self, inner: FrameFilter) -> None:
        self._inner = inner
        self._newest: Filtered | None = None

    @property
    def newest(self) -> Filtered:
        """What came out last.

        Raises:
            NothingProtected: nothing yet.
        """
        if self._newest is None:
            raise NothingProtected("The filter of the bench has not answered.")
        return self._newest

    def apply(self, raw: RawFrame) -> Filtered:
        self._newest = self._inner.apply(raw)
        return self._newest

    def measure(self, raw: RawFrame, filtered: Filtered) -> list[FaceMeasure]:
        return self._inner.measure(raw, filtered)

    def catch_up(self) -> None:
        self._inner.catch_up()

    def close(self) -> None:
        self._inner.close()
