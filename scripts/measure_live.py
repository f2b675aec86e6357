"""The running program with a webcam: how long a picture takes, and its share of a core.

The controller runs as it does in a class: one thread reads, one filters, one writes, and whatever
else the libraries start. The camera hands out what a webcam sends (YUYV), converted as OpenCV
does, and the sink makes of it what a virtual camera takes (I420). Each frame carries the time of
its capture in sixteen blocks at its top edge, outside the face; the sink reads it again from the
protected picture. The share of a core is the computing time of the whole process, all threads,
over the time that went by. What a driver and a video call add is in neither. Latency, share, what
each thread takes (on Linux) and the counts named *later* leave out the start.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from camfilter.app.controller import Controller, Parts
from camfilter.app.pacing import PacedSource
from camfilter.app.settings import AppSettings
from camfilter.bench.scene import Scene
from camfilter.errors import CamfilterError
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.guard import GuardState, ProtectedFrame
from camfilter.pipeline import fit
from camfilter.sinks.base import pixels_of
from camfilter.sinks.closing import ClosedOnExit as SinkClosedOnExit
from camfilter.sources.base import SourceInfo, frames_of
from camfilter.sources.closing import ClosedOnExit
from camfilter.sources.video import VideoSource
from camfilter.thread_limits import keep_to_one_thread

FRAMES = 24
BITS = 16
BLOCK_PX = 16
TICKS_PER_S = 10_000
TASKS = Path("/proc/self/task")
DARK, STEP = 120, 12
"""Levels of luma; a great step would look to the finder like somebody who comes in."""


def write_time(yuyv: Pixels, now_s: float) -> None:
    """Write a time, in tenths of a millisecond, modulo 6.5 s, into a row of blocks."""
    ticks = int(now_s * TICKS_PER_S) % (1 << BITS)
    for bit in range(BITS):
        block = np.s_[:BLOCK_PX, bit * BLOCK_PX : (bit + 1) * BLOCK_PX]
        yuyv[block] = (DARK + STEP * (ticks >> bit & 1), 128)


def age_s(pixels: Pixels, now_s: float) -> float:
    """Seconds since the time that a picture carries."""
    centre = BLOCK_PX // 2
    threshold = _shown(DARK + STEP / 2)
    row = pixels[centre, centre : BITS * BLOCK_PX : BLOCK_PX, 1] > threshold
    ticks = sum(1 << bit for bit in range(BITS) if row[bit])
    return ((int(now_s * TICKS_PER_S) - ticks) % (1 << BITS)) / TICKS_PER_S


def _shown(luma: float) -> float:
    """Level of a gray pixel of this luma: YUYV has black at 16 and white at 235."""
    return (luma - 16) * 255 / 219


def portrayed(size: Size) -> list[Pixels]:
    """The demo's portrait that moves, as a webcam sends it; forth and back."""
    scene = Scene(size, 1, FRAMES)
    return [scene.yuyv(index) for index in range(2 * FRAMES - 2)]


def filmed(video: Path, size: Size) -> list[Pixels]:
    """The frames of a video in another size, as a webcam sends them; forth and back.

    Raises:
        CamfilterError: it cannot be read.
    """
    with VideoSource(video) as source:
        pictures = [fit(raw.pixels, size) for raw in frames_of(source)]
    sent = [cv2.cvtColor(each, cv2.COLOR_BGR2YUV_YUYV).view(np.uint8) for each in pictures]
    return sent + sent[-2:0:-1]


def computed_ms() -> Counter[str]:
    """Computing time of each thread so far, by its name; those of one library together.

    Empty where the system does not tell.
    """
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    found: Counter[str] = Counter()
    for task in TASKS.iterdir() if TASKS.is_dir() else ():
        try:
            own = (task / "comm").read_text().strip().split("/")[0]
            nanoseconds = int((task / "schedstat").read_text().split()[0])
        except OSError:  # it has just ended
            continue
        found[names.get(int(task.name), own)] += round(nanoseconds / 1e6)
    return found


class ClockedCamera(ClosedOnExit):
    """A face before a webcam whose pictures carry the time of their capture."""

    def __init__(self, frames: Sequence[Pixels], rate_hz: float, seconds: float) -> None:
        self._frames = frames
        size, count = Size.of(frames[0]), round(seconds * rate_hz)
        self._paced = PacedSource(_Ticks(SourceInfo("scene", size, rate_hz, count, False, False)))

    @property
    def info(self) -> SourceInfo:
        """What the camera says about itself."""
        return self._paced.info

    def read(self) -> RawFrame | None:
        """The next picture, when its time has come."""
        tick = self._paced.read()
        if tick is None:
            return None
        yuyv = self._frames[tick.index % len(self._frames)]
        write_time(yuyv, time.monotonic())
        pixels = cv2.cvtColor(yuyv, cv2.COLOR_YUV2BGR_YUYV).view(np.uint8)
        return RawFrame(pixels, tick.index, tick.time_s)

    def close(self) -> None:
        """Nothing is held."""


class _Ticks(ClosedOnExit):
    """Frames without a picture, each with its time."""

    def __init__(self, info: SourceInfo) -> None:
        self.info, self._next = info, 0
        self._nothing = np.zeros((1, 1, 3), np.uint8)

    def read(self) -> RawFrame | None:
        index, self._next = self._next, self._next + 1
        if index == self.info.frame_count:
            return None
        return RawFrame(self._nothing, index, index / self.info.rate_hz)

    def close(self) -> None:
        """Nothing is held."""


class ReadingSink(SinkClosedOnExit):
    """Reads the time in each protected picture when it arrives, and the computing time so far."""

    name = "live"

    def __init__(self) -> None:
        self.ages_s: list[float] = []
        self.spent_s: list[tuple[float, float]] = []

    def write(self, frame: ProtectedFrame) -> None:
        """Note how old the picture is, the time, and the computing time of the process."""
        pixels = pixels_of(frame)
        cv2.cvtColor(pixels, cv2.COLOR_BGR2YUV_I420)
        if frame.state is GuardState.PROTECTED:
            now_s = time.monotonic()
            self.ages_s.append(age_s(pixels, now_s))
            self.spent_s.append((now_s, time.process_time()))

    def close(self) -> None:
        """Nothing is held."""

    def abort(self) -> None:
        """Nothing is held."""


def main(
    seconds: Annotated[float, typer.Option(help="How long to run.", min=8)] = 60,
    warm_up: Annotated[float, typer.Option(help="Seconds that do not count.", min=1)] = 4,
    width: Annotated[int, typer.Option(min=320)] = 1280,
    height: Annotated[int, typer.Option(min=240)] = 720,
    rate: Annotated[float, typer.Option(help="Frames a second.", min=1)] = 30,
    chain_length: Annotated[int, typer.Option(min=1)] = 10,
    video: Annotated[
        Path | None, typer.Option(help="Who sits there; the demo's moving portrait by default.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure the running program's latency and its share of a core."""
    keep_to_one_thread()  # as the program does when it starts
    sink = ReadingSink()
    size = Size(width, height)
    try:
        frames = portrayed(size) if video is None else filmed(video, size)
    except CamfilterError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    camera = ClockedCamera(frames, rate, seconds)
    settings = AppSettings(source="demo", sink="null", chain_length=chain_length)
    controller = Controller(
        settings, Parts(open_source=lambda _: camera, open_sink=lambda *_: sink)
    )
    counts: list[tuple[int, int]] = []
    computed: list[tuple[int, Counter[str]]] = []

    def once_a_second(frame: ProtectedFrame) -> None:
        if frame.index % round(rate) == 0:
            counts.append((controller.status().frames_eased, controller.report.frames_dropped))
            computed.append((frame.index, computed_ms()))

    controller.run(once_a_second)
    report = controller.report
    first = round(warm_up * rate)
    ages_ms = 1e3 * np.array(sink.ages_s[first:])
    begun = min(round(warm_up), len(counts) - 1)
    eased, dropped = np.subtract(counts[-1], counts[begun])
    frames_later = max(1, computed[-1][0] - computed[begun][0])
    spent_ms = computed[-1][1] - computed[begun][1]
    since_s, spent_s = np.subtract(sink.spent_s[-1], sink.spent_s[first])
    figures: dict[str, Any] = {
        "size": f"{width}x{height}",
        "rate_hz": rate,
        "chain_length": chain_length,
        "latency_ms": {f"p{p}": round(float(np.percentile(ages_ms, p)), 1) for p in (50, 95, 99)},
        "share_of_core": round(float(spent_s / since_s), 3),
        "thread_ms_a_frame": {
            name: round(spent / frames_later, 2) for name, spent in spent_ms.most_common()
        },
        "frames_in": report.frames_in,
        "dropped": report.frames_dropped,
        "dropped_later": int(dropped),
        "eased_later": int(eased),
        "protected": report.count(GuardState.PROTECTED),
        "held": report.count(GuardState.HOLDING),
        "placeholder": report.count(GuardState.PLACEHOLDER),
    }
    text = json.dumps(figures, indent=2)
    typer.echo(text)
    if file is not None:
        file.write_text(text + "\n")


if __name__ == "__main__":
    typer.run(main)
