"""The whole way of a frame at several sizes, with several faces and chains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from camfilter.bench.lane import PARTS, Lane, filter_of
from camfilter.bench.scene import Scene
from camfilter.errors import NothingProtected
from camfilter.frames import Size
from camfilter.settings import Chaining, ChainSettings
from camfilter.surrogate.base import Surrogate

__all__ = ["FULL", "QUICK", "Extent", "Mode", "Spot", "modes", "run"]

_FRAME_S: Final = 1 / 30

SIZES: Final = {"360p": Size(640, 360), "720p": Size(1280, 720), "1080p": Size(1920, 1080)}


@dataclass(frozen=True, slots=True)
class Mode:
    """How a chain is spent.

    Attributes:
        chaining: over time or per frame.
        stages: per frame for each face, over time for all faces of a frame together.
        settings: of the chain.
    """

    chaining: Chaining
    stages: float
    settings: ChainSettings


@dataclass(frozen=True, slots=True)
class Spot:
    """A size by its name and a number of faces."""

    size: str
    faces: int


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured.

    Attributes:
        spots: sizes and numbers of faces.
        lengths: chain lengths of the mode per frame.
        frames: frames that count, of each.
        warm_up: frames before them.
    """

    spots: tuple[Spot, ...]
    lengths: tuple[int, ...] = (1, 5, 10)
    frames: int = 120
    warm_up: int = 12


FULL: Final = Extent(tuple(Spot(size, faces) for size in SIZES for faces in (1, 2, 4)))
QUICK: Final = Extent(
    (Spot("720p", 1), Spot("360p", 1), Spot("1080p", 1), Spot("720p", 4)),
    lengths=(1, 10),
    frames=30,
    warm_up=8,
)


def modes(lengths: Sequence[int]) -> list[Mode]:
    """Per frame at these lengths, and over time as it is by default."""
    found = []
    for length in lengths:
        settings = ChainSettings(chaining=Chaining.PER_FRAME, chain_length=length)
        found.append(Mode(Chaining.PER_FRAME, length, settings))
    settings = ChainSettings(chaining=Chaining.OVER_TIME)
    found.append(Mode(Chaining.OVER_TIME, settings.stages_per_frame, settings))
    return found


def run(
    extent: Extent,
    surrogate: Surrogate,
    *,
    on_spot: Callable[[Spot], None] = lambda _spot: None,
) -> list[dict[str, Any]]:
    """Measure every mode at every spot; the modes of one spot take turns, frame by frame.

    Args:
        extent: what to measure.
        surrogate: what to attack; an ensemble where several take turns.
        on_spot: called before each spot.

    Returns:
        One row for each spot and mode: size, width_px, height_px, faces, mode, stages,
        frames, p50_ms and p99_ms until a frame is out, work_p50_ms and work_p99_ms with what is
        done for it afterwards, cpu_ms and share_of_core_at_30fps of all of it, and parts with
        p50_ms and p99_ms.

    Raises:
        NothingProtected: a frame did not come out protected, or with fewer faces than it shows.
    """
    rows = []
    for spot in extent.spots:
        on_spot(spot)
        rows += _at(spot, extent, surrogate)
    return rows


def _at(spot: Spot, extent: Extent, surrogate: Surrogate) -> list[dict[str, Any]]:
    scene = Scene(SIZES[spot.size], spot.faces)
    lanes: list[tuple[Mode, Lane]] = []
    try:
        for mode in modes(extent.lengths):
            lanes.append((mode, _lane(scene, mode.settings, surrogate)))
        for turn in range(extent.warm_up + extent.frames):
            first = turn % len(lanes)
            for _, lane in lanes[first:] + lanes[:first]:
                if turn == extent.warm_up:
                    lane.forget()
                lane.step()
        for _, lane in lanes:
            if lane.faces < spot.faces:
                raise NothingProtected(
                    f"{lane.faces} of {spot.faces} faces were found at {spot.size}."
                )
        return [_row(spot, mode, lane) for mode, lane in lanes]
    finally:
        for _, lane in lanes:
            lane.close()


def _lane(scene: Scene, settings: ChainSettings, surrogate: Surrogate) -> Lane:
    return Lane(scene, lambda: filter_of(settings, surrogate))


def _row(spot: Spot, mode: Mode, lane: Lane) -> dict[str, Any]:
    laps, size = lane.laps(), SIZES[spot.size]
    parts, until_out_ms = lane.parts(), lane.until_out_ms()
    return {
        "size": spot.size,
        "width_px": size.width,
        "height_px": size.height,
        "faces": spot.faces,
        "mode": str(mode.chaining),
        "stages": mode.stages,
        "frames": len(laps.wall_ms),
        "p50_ms": round(float(np.percentile(until_out_ms, 50)), 3),
        "p99_ms": round(float(np.percentile(until_out_ms, 99)), 3),
        "work_p50_ms": round(laps.p50_ms, 3),
        "work_p99_ms": round(laps.p99_ms, 3),
        "cpu_ms": round(laps.mean_cpu_ms, 3),
        "share_of_core_at_30fps": round(laps.mean_cpu_ms / 1e3 / _FRAME_S, 4),
        "parts": {
            name: {
                "p50_ms": round(float(np.percentile(parts[name], 50)), 3),
                "p99_ms": round(float(np.percentile(parts[name], 99)), 3),
            }
            for name in PARTS
        },
    }
