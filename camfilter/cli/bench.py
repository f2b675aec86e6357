"""`camfilter bench`: how fast this machine is at it, and how fast others are on this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from camfilter.bench import machine
from camfilter.cli.progress import FrameProgress
from camfilter.cli.summary import prove_writable, write_json
from camfilter.errors import SettingError
from camfilter.thread_limits import thread_variables

__all__ = ["bench"]

_STAGES = 10
_SLOW_TO_START = "torch.compile"


def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer sizes and rounds: under a minute.")
    ] = False,
    threads: Annotated[
        int, typer.Option(help="Threads of everybody, and cores to stay on.", min=1, max=64)
    ] = 1,
    peers: Annotated[
        bool, typer.Option(help="Run the same chain with other libraries, where they are.")
    ] = True,
    pipeline: Annotated[
        bool, typer.Option(help="Measure whole frames, from the camera to the sink.")
    ] = True,
    provider: Annotated[
        str, typer.Option(help="auto, cpu, cuda or tensorrt. Other libraries stay on the CPU.")
    ] = "cpu",
    json: Annotated[
        Path | None,
        typer.Option("--json", help="Write all figures to this file; - prints them instead."),
    ] = None,
) -> None:
    """Measure speed: a stage, a chain against other libraries, and whole frames.

    What is compared takes turns, in one process, pinned to the same cores.
    """
    prove_writable(_file(json))
    if not _limited(threads):
        words = ["--quick"] * quick + ["--threads", str(threads), "--provider", provider]
        words += ["--no-peers"] * (not peers) + ["--no-pipeline"] * (not pipeline)
        words += [] if json is None else ["--json", str(json)]
        raise typer.Exit(_again_with_limits(threads, words))
    cores = machine.pin(threads)
    figures = _measured(quick, threads, cores, peers, pipeline, provider)
    if json is not None and _file(json) is None:
        import json as plain  # noqa: PLC0415

        typer.echo(plain.dumps(figures, indent=2))
        return
    if json is not None:
        write_json(json, figures)
    from camfilter.bench.tables import tables  # noqa: PLC0415

    console = Console()
    for shown in tables(figures):
        console.print(shown, highlight=False)


def _measured(
    quick: bool, threads: int, cores: list[int], peers: bool, pipeline: bool, provider: str
) -> dict[str, Any]:
    from camfilter.assembly import open_surrogate  # noqa: PLC0415 - --help needs none of it
    from camfilter.bench import capture, comparison, stage  # noqa: PLC0415
    from camfilter.bench import pipeline as whole  # noqa: PLC0415
    from camfilter.bench.scene import Scene  # noqa: PLC0415
    from camfilter.surrogate.manifest import Manifest, graphs_folder  # noqa: PLC0415

    described = machine.described(threads, cores)
    names = Manifest.load(graphs_folder()).attackable
    wanted = _provider(provider)
    surrogates = {name: open_surrogate(name, wanted, threads) for name in names}
    first = surrogates[names[0]]
    everything = open_surrogate(None, wanted, threads)
    tasks = {
        name: stage.task_for(surrogate, stages=_STAGES, threads=threads)
        for name, surrogate in surrogates.items()
    }
    extent = whole.QUICK if quick else whole.FULL
    missing: dict[str, str] = {}
    raced: dict[str, Any] = {}
    with FrameProgress("bench", 1 + len(names) + len(extent.spots)) as progress:
        products = _products(threads, peers)
        floor = comparison.against_the_machine(
            surrogates, tasks[first.name], products, 60 if quick else 400
        )
        progress.advance()
        for name, surrogate in surrogates.items():
            runs, reasons = _others(name, tasks[name], quick) if peers else ({}, {})
            missing.update(reasons)
            raced[name] = comparison.against_others(
                surrogate, tasks[name], runs, 8 if quick else 60
            )
            progress.advance()
        captured = capture.formats(Scene(whole.SIZES["720p"], 1, 1), 30 if quick else 200)
        rows = (
            whole.run(extent, everything, on_spot=lambda _: progress.advance()) if pipeline else []
        )
    return {
        "machine": {**described, **floor["machine"]},
        "provider": first.provider,
        "surrogate": first.name,
        "quick": quick,
        "stage": floor["stage"],
        "stages": floor["stages"],
        "chain": raced[first.name]["chain"],
        "peers": raced[first.name]["peers"],
        "by_surrogate": raced,
        "missing": missing,
        "capture": captured,
        "pipeline_surrogate": everything.name,
        "pipeline": rows,
    }


def _products(threads: int, peers: bool) -> dict[str, Any]:
    """Calls that multiply matrices, torch's among them where it may take part."""
    from camfilter.bench.product import MULTIPLIED_FLOP, multiplying  # noqa: PLC0415

    calls: dict[str, Any] = multiplying(threads)
    if peers:
        with contextlib.suppress(ImportError):
            from camfilter.lab.peers.product import torch_product  # noqa: PLC0415

            calls["torch"] = torch_product(MULTIPLIED_FLOP, threads)
    return calls


def _others(surrogate: str, task: Any, quick: bool) -> tuple[Mapping[str, Any], dict[str, str]]:
    """Calls of other libraries, and why some are missing."""
    try:
        from camfilter.lab.peers.base import PEERS, ready_peers  # noqa: PLC0415
    except ImportError as error:
        return {}, {"peers": f"{error.name} is not installed; install camfilter[lab]"}
    names = tuple(name for name in PEERS if not (quick and name == _SLOW_TO_START))
    ready = ready_peers(surrogate, task, names)
    left_out = {_SLOW_TO_START: "left out by --quick, it compiles for up to a minute"}
    return ready.runs, {**ready.missing, **(left_out if quick else {})}


def _provider(name: str) -> Any:
    from camfilter.surrogate.provider import Provider  # noqa: PLC0415

    try:
        return Provider(name.strip().lower())
    except ValueError as error:
        raise SettingError(
            f"There is no provider {name!r}.", f"Choose one of: {', '.join(Provider)}."
        ) from error


def _file(json: Path | None) -> Path | None:
    """The file to write, if the figures go to one."""
    return None if json is None or str(json) == "-" else json


def _limited(threads: int) -> bool:
    """Whether this process was started with the libraries' threads limited."""
    limits = thread_variables(threads)
    return all(os.environ.get(name) == value for name, value in limits.items())


def _again_with_limits(threads: int, words: list[str]) -> int:
    """Run the same command in a process whose libraries are limited from their start."""
    environment = {**os.environ, **thread_variables(threads)}
    command = [sys.executable, "-m", "camfilter", "bench", *words]
    return subprocess.run(command, env=environment, check=False).returncode
