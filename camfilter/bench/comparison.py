"""The chain against others on the same network, and one stage against the machine's own speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camfilter.bench import machine
from camfilter.bench.operations import Work, work_of_graph
from camfilter.bench.product import MULTIPLIED_FLOP
from camfilter.bench.race import Laps, race
from camfilter.bench.stage import Task, chain_of
from camfilter.surrogate.base import Surrogate
from camfilter.surrogate.manifest import GraphKind, Manifest, graphs_folder, read_graph

__all__ = ["against_others", "against_the_machine", "stage_work"]

OURS = "camfilter"


def against_others(
    surrogate: Surrogate,
    task: Task,
    others: Mapping[str, Callable[[], NDArray[np.float32]]],
    rounds: int,
) -> dict[str, Any]:
    """Run the task's chain here and elsewhere, in turns.

    Args:
        surrogate: ours.
        task: the chain to run.
        others: one call for each other way to run it.
        rounds: chains of each.

    Returns:
        chain: ms, p99_ms, cpu_ms and stages of ours; peers: for each name the same, times_slower
        by the wall, cpu_times_slower by computing time, and same_picture, the share of pixels on
        which it ends where ours ends (to a tenth of a level).
    """
    ours = chain_of(surrogate, task)
    laps = race({OURS: ours, **others}, rounds)
    reference = ours()
    mine = laps.pop(OURS)
    return {
        "chain": {**_times(mine), "stages": task.stages},
        "peers": [
            {
                "name": name,
                **_times(taken),
                "times_slower": round(taken.times_slower_than(mine), 2),
                "cpu_times_slower": round(taken.cpu_times_slower_than(mine), 2),
                "same_picture": round(float((abs(others[name]() - reference) < 4e-4).mean()), 4),
            }
            for name, taken in laps.items()
        ],
    }


def against_the_machine(
    surrogates: Mapping[str, Surrogate],
    task: Task,
    products: Mapping[str, Callable[[], object]],
    rounds: int,
) -> dict[str, Any]:
    """Time one stage of each surrogate in turns with matrix products and a copy.

    Rates are those of undisturbed rounds, so that other programs change neither side.

    Args:
        surrogates: by name; the first is the one that `stage` tells of.
        task: whose picture is used, for every surrogate in its own size.
        products: calls of `MULTIPLIED_FLOP` operations each; the fastest one is the rate.
        rounds: calls of each.

    Returns:
        machine: matmul_gflops (the fastest library and each), copy_gb_per_s; stage: of the first
        surrogate; stages: of all,
        each with ms, p99_ms, gflop, gflops, share_of_matmul_rate, floor_ms, times_floor.
    """
    calls: dict[str, Callable[[], object]] = {
        **{f"multiply {name}": product for name, product in products.items()},
        "copy": machine.copying(),
    }
    for name, surrogate in surrogates.items():
        picture = _sized(task.picture, surrogate.size_px)
        calls[f"stage {name}"] = chain_of(surrogate, replace(task, picture=picture, stages=1))
    laps = race(calls, rounds)
    rates = {
        name: MULTIPLIED_FLOP / laps[f"multiply {name}"].undisturbed_ms / 1e6 for name in products
    }
    gflops = max(rates.values())
    gigabytes_per_s = machine.COPIED_BYTES / laps["copy"].undisturbed_ms / 1e6
    stages = {
        name: _stage(laps[f"stage {name}"], stage_work(name), gflops, gigabytes_per_s)
        for name in surrogates
    }
    return {
        "machine": {
            "matmul_gflops": round(gflops, 1),
            "matmul_gflops_by": {name: round(rate, 1) for name, rate in rates.items()},
            "copy_gb_per_s": round(gigabytes_per_s, 2),
        },
        "stage": next(iter(stages.values())),
        "stages": stages,
    }


def stage_work(surrogate: str) -> Work:
    """What one stage on one face must do, counted in the shipped graph."""
    folder = graphs_folder()
    specs = Manifest.load(folder).graphs_of(surrogate, GraphKind.STEP)
    return work_of_graph(read_graph(folder, specs[0]))


def _stage(laps: Laps, work: Work, gflops: float, gigabytes_per_s: float) -> dict[str, float]:
    reached, floor_ms = (
        work.flop / laps.undisturbed_ms / 1e6,
        work.floor_ms(gflops, gigabytes_per_s),
    )
    return {
        **_times(laps),
        "gflop": round(work.flop / 1e9, 4),
        "moved_mb": round(work.moved_bytes / 1e6, 3),
        "gflops": round(reached, 1),
        "share_of_matmul_rate": round(reached / gflops, 3),
        "floor_ms": round(floor_ms, 3),
        "times_floor": round(laps.undisturbed_ms / floor_ms, 2),
    }


def _times(laps: Laps) -> dict[str, float]:
    return {
        "ms": round(laps.p50_ms, 3),
        "p99_ms": round(laps.p99_ms, 3),
        "cpu_ms": round(float(np.median(laps.cpu_ms)), 3),
    }


def _sized(picture: NDArray[np.float32], size_px: int) -> NDArray[np.float32]:
    """The picture on a grid of another size, by the nearest cell; its speed is all that counts."""
    if picture.shape[0] == size_px:
        return picture
    nearest = np.arange(size_px) * picture.shape[0] // size_px
    return np.ascontiguousarray(picture[np.ix_(nearest, nearest)])
