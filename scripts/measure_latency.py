"""Latency of the running program, from a time written into the pixels to the same pixels written.

The controller runs as it does with a webcam: one thread reads, one filters, one writes. Each frame
carries the time of its capture in sixteen blocks at its top edge, outside the face; the sink reads
it again from the protected picture. What a camera, a driver and a video call add is not in it.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from camfilter.app.controller import Controller, Parts
from camfilter.app.pacing import PacedSource
from camfilter.app.settings import AppSettings
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.guard import GuardState, ProtectedFrame
from camfilter.sinks.base import pixels_of
from camfilter.sinks.closing import ClosedOnExit as SinkClosedOnExit
from camfilter.sources.base import SourceInfo
from camfilter.sources.closing import ClosedOnExit
from camfilter.sources.demo import DemoSource

BITS = 16
BLOCK_PX = 16
TICKS_PER_S = 10_000


def write_time(pixels: Pixels, now_s: float) -> None:
    """Write a time, in tenths of a millisecond, modulo 6.5 s, into a row of blocks."""
    ticks = int(now_s * TICKS_PER_S) % (1 << BITS)
    for bit in range(BITS):
        block = np.s_[:BLOCK_PX, bit * BLOCK_PX : (bit + 1) * BLOCK_PX]
        pixels[block] = 220 if ticks >> bit & 1 else 30


def age_s(pixels: Pixels, now_s: float) -> float:
    """Seconds since the time that a picture carries."""
    centre = BLOCK_PX // 2
    row = pixels[centre, centre : BITS * BLOCK_PX : BLOCK_PX, 1] > 125
    ticks = sum(1 << bit for bit in range(BITS) if row[bit])
    return ((int(now_s * TICKS_PER_S) - ticks) % (1 << BITS)) / TICKS_PER_S


class ClockedCamera(ClosedOnExit):
    """The demo as a webcam whose pictures carry the time of their capture."""

    def __init__(self, size: Size, rate_hz: float, seconds: float) -> None:
        demo = DemoSource(size, rate_hz, 60)
        pictures = [frame.pixels for frame in iter(demo.read, None)]
        self._paced = PacedSource(_Loop(demo.info, pictures, round(seconds * rate_hz)))

    @property
    def info(self) -> SourceInfo:
        """What the camera says about itself."""
        return self._paced.info

    def read(self) -> RawFrame | None:
        """The next picture, when its time has come."""
        frame = self._paced.read()
        if frame is None:
            return None
        pixels = frame.pixels.copy()
        write_time(pixels, time.monotonic())
        return RawFrame(pixels, frame.index, frame.time_s)

    def close(self) -> None:
        """Nothing is held."""


class _Loop(ClosedOnExit):
    """Pictures over and over, each with the time that follows."""

    def __init__(self, info: SourceInfo, pictures: list[Pixels], count: int) -> None:
        self.info, self._pictures, self._count, self._next = info, pictures, count, 0

    def read(self) -> RawFrame | None:
        if self._next == self._count:
            return None
        index, self._next = self._next, self._next + 1
        return RawFrame(
            self._pictures[index % len(self._pictures)], index, index / self.info.rate_hz
        )

    def close(self) -> None:
        """Nothing is held."""


class ReadingSink(SinkClosedOnExit):
    """Reads the time in each protected picture when it arrives."""

    name = "latency"

    def __init__(self) -> None:
        self.ages_s: list[float] = []

    def write(self, frame: ProtectedFrame) -> None:
        """Note how old the picture is."""
        pixels = pixels_of(frame)
        if frame.state is GuardState.PROTECTED:
            self.ages_s.append(age_s(pixels, time.monotonic()))

    def close(self) -> None:
        """Nothing is held."""

    def abort(self) -> None:
        """Nothing is held."""


def main(
    seconds: Annotated[float, typer.Option(help="How long to run.", min=2)] = 20,
    width: Annotated[int, typer.Option(min=320)] = 1280,
    height: Annotated[int, typer.Option(min=240)] = 720,
    rate: Annotated[float, typer.Option(help="Frames a second.", min=1)] = 30,
    chain_length: Annotated[int, typer.Option(min=1)] = 10,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure the running program's latency."""
    sink = ReadingSink()
    camera = ClockedCamera(Size(width, height), rate, seconds)
    settings = AppSettings(source="demo", sink="null", chain_length=chain_length)
    controller = Controller(
        settings, Parts(open_source=lambda _: camera, open_sink=lambda *_: sink)
    )
    controller.run()
    report = controller.report
    ages_ms = 1e3 * np.array(sink.ages_s[round(rate) :])
    figures: dict[str, Any] = {
        "size": f"{width}x{height}",
        "rate_hz": rate,
        "chain_length": chain_length,
        "latency_ms": {f"p{p}": round(float(np.percentile(ages_ms, p)), 1) for p in (50, 95, 99)},
        "frames_in": report.frames_in,
        "dropped": report.frames_dropped,
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
