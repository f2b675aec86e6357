"""Memory over an hour of 720p at 30 frames a second, run as fast as the machine can.

The way of a live run: filter, guard, report, sink. The scene is played forth and back; every
twenty seconds of it the picture changes between one face, no face and two, so that tracks begin
and end all the time. Resident memory is read after each minute of stream time. Flat means: every
reading after the first tenth lies within 5 % of their median.
"""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from camfilter.assembly import build_filter, open_held_out, open_surrogate
from camfilter.bench.scene import Scene
from camfilter.frames import RawFrame, Size
from camfilter.guard import Guard, GuardState, ProtectedFrame
from camfilter.meter import InTurns
from camfilter.pipeline import run_every_frame
from camfilter.protector import Protector
from camfilter.report import RunReport
from camfilter.settings import Chaining, ChainSettings
from camfilter.sinks.null import NullSink
from camfilter.sources.base import SourceInfo
from camfilter.sources.closing import ClosedOnExit
from camfilter.surrogate.provider import Provider

RATE_HZ = 30
SCENE_S = 20
MEGABYTE = 1 << 20


class Stream(ClosedOnExit):
    """An hour, or another length, of changing scenes."""

    def __init__(self, size: Size, frame_count: int) -> None:
        self.info = SourceInfo("synthetic", size, float(RATE_HZ), frame_count, False, False)
        self._scenes = [Scene(size, faces) for faces in (1, 2)]
        self._wall = np.full((size.height, size.width, 3), 110, np.uint8)
        self._next = 0

    def read(self) -> RawFrame | None:
        """The next frame, or None after the last one."""
        index = self._next
        if index >= (self.info.frame_count or 0):
            return None
        self._next += 1
        shown = index // (RATE_HZ * SCENE_S) % 4
        pixels = self._wall if shown % 2 else self._scenes[shown // 2].bgr(index)
        return RawFrame(pixels, index, index / RATE_HZ)

    def close(self) -> None:
        """Nothing is held."""


def resident_mb() -> float:
    """Resident memory of this process, in units of 2**20 bytes.

    Raises:
        OSError: the system does not tell (only Linux does here).
    """
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def verdict(readings_mb: list[float]) -> dict[str, Any]:
    """Whether memory stayed flat, and how far it strayed from its median."""
    settled = np.array(readings_mb[len(readings_mb) // 10 :])
    median = float(np.median(settled))
    strayed = float(np.abs(settled / median - 1).max())
    slope = float(np.polyfit(np.arange(len(settled)), settled, 1)[0]) if len(settled) > 1 else 0.0
    return {
        "median_mb": round(median, 1),
        "least_mb": round(float(settled.min()), 1),
        "greatest_mb": round(float(settled.max()), 1),
        "greatest_stray": round(strayed, 4),
        "slope_mb_per_minute": round(slope, 4),
        "flat": strayed <= 0.05,
    }


def main(
    minutes: Annotated[float, typer.Option(help="Stream time.", min=0.2)] = 60,
    width: Annotated[int, typer.Option(min=320)] = 1280,
    height: Annotated[int, typer.Option(min=240)] = 720,
    chaining: Annotated[Chaining, typer.Option(help="How the chain is spent.")] = (
        Chaining.OVER_TIME
    ),
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure memory over a long run; exit 1 when it is not flat."""
    settings = ChainSettings(chaining=chaining, chain_length=2)
    surrogate = open_surrogate(settings.surrogate, Provider.CPU)
    guard, report = Guard(), RunReport()
    protector = Protector(
        lambda: build_filter(settings, surrogate, stills=False, meter=InTurns(open_held_out())),
        guard,
        report,
        measure_every=4,
    )
    # An hour has sixty readings; a shorter run has as many, closer together.
    every = max(1, round(minutes * 60 * RATE_HZ / 60))
    readings_mb: list[float] = []

    def read_memory(raw: RawFrame, _frame: ProtectedFrame) -> None:
        if (raw.index + 1) % every == 0:
            readings_mb.append(resident_mb())
            typer.echo(f"{(raw.index + 1) / RATE_HZ / 60:6.1f} min  {readings_mb[-1]:8.1f} MB")

    stream = Stream(Size(width, height), round(minutes * 60 * RATE_HZ))
    started_s = time.monotonic()
    protector.prepare()
    run_every_frame(stream, protector, guard, NullSink(), report, on_frame=read_memory)
    protector.close()
    figures = {
        "system": f"{platform.system()} {platform.machine()}",
        "stream_minutes": minutes,
        "seconds": round(time.monotonic() - started_s, 1),
        "frames": report.frames_out,
        "protected": report.count(GuardState.PROTECTED),
        "faces": report.faces,
        **verdict(readings_mb),
        "readings_mb": [round(reading, 1) for reading in readings_mb],
    }
    text = json.dumps(figures, indent=2)
    typer.echo(text)
    if file is not None:
        file.write_text(text + "\n")
    if not figures["flat"]:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
