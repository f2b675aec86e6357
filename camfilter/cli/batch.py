"""`camfilter batch`: protect recordings, on all cores or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from camfilter.cli.options import (
    ChainLengthOption,
    EpsilonOption,
    ModeOption,
    MomentumOption,
    ProjectionOption,
    ProviderOption,
    StepOption,
    SurrogateOption,
    TargetOption,
)
from camfilter.cli.summary import prove_writable, write_json
from camfilter.errors import SettingError

if TYPE_CHECKING:
    from camfilter.batch.manifest import Done
    from camfilter.batch.tasks import Task
    from camfilter.batch.work import Outcome

__all__ = ["batch"]

_VIDEO_SUFFIXES = (".mp4", ".mkv")


def batch(
    inputs: Annotated[
        list[Path], typer.Argument(help="Videos, pictures, or folders that hold some.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the protected files.")],
    workers: Annotated[
        int | None,
        typer.Option(help="Processes at work.", min=1, max=512, show_default="one for each core"),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option("--ray", help="Work on the Ray cluster at this address: host:6379, or auto."),
    ] = None,
    video: Annotated[
        str, typer.Option(help="Kind of video to write: mp4 (H.264) or mkv (lossless).")
    ] = "mp4",
    epsilon: EpsilonOption = None,
    chain_length: ChainLengthOption = None,
    mode: ModeOption = None,
    target: TargetOption = None,
    step: StepOption = None,
    chaining: Annotated[
        str | None,
        typer.Option(
            "--chaining",
            help="over-time: a few stages on each frame of a video. per-frame: all on every one.",
            show_default="over-time",
        ),
    ] = None,
    momentum: MomentumOption = None,
    projection: ProjectionOption = None,
    surrogate: SurrogateOption = None,
    provider: ProviderOption = None,
    json: Annotated[
        Path | None,
        typer.Option("--json", help="Write all figures to this file.", show_default=False),
    ] = None,
) -> None:
    """Protect recordings. Called again, it goes on where it was stopped.

    Each file is one task. A file that fails is named at the end and does not stop the others.
    What is in the folder already and was made of something else is never replaced.
    """
    given = {
        "epsilon": epsilon, "chain_length": chain_length, "mode": mode, "targets": target,
        "chaining": chaining, "step": step, "momentum": momentum,
        "projection": projection, "surrogate": surrogate,
    }  # fmt: skip
    figures = _run(
        inputs, out, workers or _cores(), ray, video, provider or "auto",
        {name: value for name, value in given.items() if value is not None}, json,
    )  # fmt: skip
    if json is not None:
        write_json(json, figures)
    console = Console()
    for line in _in_words(figures):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    if figures["failed"]:
        raise typer.Exit(1)


def _run(
    inputs: list[Path],
    out: Path,
    workers: int,
    address: str | None,
    video: str,
    provider: str,
    given: dict[str, Any],
    json: Path | None,
) -> dict[str, Any]:
    # Here, since --help and bad words need none of it.
    from camfilter.batch.local import run_local  # noqa: PLC0415
    from camfilter.batch.manifest import DoneWork, fingerprint  # noqa: PLC0415
    from camfilter.batch.on_ray import run_on_ray  # noqa: PLC0415
    from camfilter.batch.tasks import STAGE_FOLDER, plan  # noqa: PLC0415
    from camfilter.settings import ChainSettings  # noqa: PLC0415
    from camfilter.surrogate.manifest import Manifest, graphs_folder  # noqa: PLC0415
    from camfilter.surrogate.provider import Provider  # noqa: PLC0415

    settings = ChainSettings.of(given)
    if settings.vanishes:
        raise SettingError(settings.vanishes, "Use 1/255 or more; 6/255 is the default.")
    if provider not in list(Provider):
        raise SettingError(
            f"There is no provider {provider!r}.", f"Choose one of: {', '.join(Provider)}."
        )
    suffix = f".{video.strip().lower().lstrip('.')}"
    if suffix not in _VIDEO_SUFFIXES:
        raise SettingError(f"There is no video of kind {video!r}.", "Use mp4 or mkv.")
    graphs = [graph.sha256 for graph in Manifest.load(graphs_folder()).graphs]
    done = DoneWork(out.resolve(), fingerprint(settings.model_dump(mode="json"), graphs))
    tasks = plan(inputs, out, suffix, done.results)
    files = [file for task in tasks for file in (task.source, task.output)]
    prove_writable(json, *files, *done.results, done.path)
    kept = {task.target: found for task in tasks if (found := done.of(task)) is not None}
    left = [task for task in tasks if task.target not in kept]
    outcomes: list[Outcome] = []

    def finished(outcome: Outcome) -> None:
        if not outcome.error:
            done.add(outcome.task, outcome.figures)
        outcomes.append(outcome)
        progress.file()

    done.begin(left)
    try:
        with _BatchProgress(len(tasks), len(kept)) as progress:
            if left and address is not None:
                run_on_ray(left, settings, Provider(provider), address, finished)
            elif left:
                run_local(
                    left, settings, Provider(provider), workers, finished,
                    on_frames=progress.frames,
                )  # fmt: skip
    finally:
        done.end(left)
        _remove_if_empty(out.resolve() / STAGE_FOLDER)
    rows = _rows(tasks, kept, outcomes)
    return {
        "settings": settings.model_dump(mode="json"),
        "workers": workers if address is None else None,
        "done": sum(row["status"] == "done" for row in rows),
        "kept": len(kept),
        "failed": sum(row["status"] == "failed" for row in rows),
        "files": rows,
    }


def _rows(
    tasks: Sequence[Task], kept: Mapping[Path, Done], outcomes: Sequence[Outcome]
) -> list[dict[str, Any]]:
    """What became of each file: first those that were done before."""
    return [
        {"input": str(task.source), "output": str(task.output), "status": "kept",
         **kept[task.target].figures}
        for task in tasks if task.target in kept
    ] + [
        {"input": str(o.task.source), "output": str(o.task.output),
         "status": "failed" if o.error else "done",
         **({"reason": o.error} if o.error else o.figures)}
        for o in outcomes
    ]  # fmt: skip


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _in_words(figures: dict[str, Any]) -> Iterator[str]:
    rows = figures["files"]
    frames = sum(row.get("frames", 0) for row in rows if row["status"] == "done")
    yield (
        f"{figures['done']} files protected ({frames} frames), {figures['kept']} were done before, "
        f"{figures['failed']} failed."
    )
    for row in rows:
        covered = row.get("held", 0) + row.get("placeholder", 0)
        if covered:
            yield f"{row['input']}: {covered} frames were held or replaced by a card."
        if row["status"] == "done" and not row["faces"]:
            yield f"{row['input']}: no face was found, so nothing was changed."
        if str(row.get("sound", "")).startswith("left out"):
            yield f"{row['input']}: the sound was {row['sound']}."
    for row in rows:
        if row["status"] == "failed":
            yield f"Failed: {row['input']}: {row['reason']}"


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _BatchProgress:
    """Files and frames on the terminal's error stream; silent where it is none."""

    def __init__(self, files: int, done: int) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("batch"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("files, {task.fields[frames]} frames"),
            console=console,
            disable=not console.is_terminal,
        )
        self._frames = 0
        self._task = self._progress.add_task("batch", total=files, completed=done, frames=0)

    def file(self) -> None:
        """One more file has come to its end."""
        self._progress.advance(self._task)

    def frames(self, count: int) -> None:
        """So many more frames are done."""
        self._frames += count
        self._progress.update(self._task, frames=self._frames)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
