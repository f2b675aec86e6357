"""`camfilter lab`: the experiments of the papers, each one command."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from camfilter.cli.progress import FrameProgress
from camfilter.errors import SettingError

__all__ = ["lab"]

lab = typer.Typer(
    help="Do again what five papers did, on the networks of this project and on yours.",
    no_args_is_help=True,
)

Out = Annotated[Path, typer.Option(help="Folder of all findings, and of what can be resumed.")]
Data = Annotated[
    Path | None,
    typer.Option(envvar="CAMFILTER_DATA", help="Folder or file of the pictures.",
                 show_default="data"),
]  # fmt: skip
Config = Annotated[
    Path | None, typer.Option(help="TOML file with options; docs/lab.md lists them.")
]
Seed = Annotated[int | None, typer.Option(min=0, help="Of all chance.", show_default="0")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes of this machine.")]
Ray = Annotated[str | None, typer.Option(help="Address of a Ray cluster, instead of --jobs.")]
Quick = Annotated[bool, typer.Option("--quick", help="A first look in under a minute.")]
Resume = Annotated[
    bool, typer.Option("--resume/--fresh", help="Use what an earlier run computed, or not.")
]


@lab.command()
def caa(
    *, out: Out, data: Data = None, config: Config = None, seed: Seed = None, jobs: Jobs = 1,
    ray: Ray = None, quick: Quick = False, resume: Resume = True,
    networks: Annotated[list[str] | None, typer.Option(help="Network; may be repeated.")] = None,
    attacks: Annotated[
        list[str] | None, typer.Option(help="Attack that is chained; may be repeated.")
    ] = None,
    epsilons: Annotated[
        list[str] | None, typer.Option(help="0.001, 2/255 or '2 levels'; may be repeated.")
    ] = None,
    targets: Annotated[
        list[str] | None, typer.Option(help="Schedule of targets; may be repeated.")
    ] = None,
    chain_length: Annotated[
        int | None, typer.Option(min=2, max=200, help="Of the longest chain.", show_default="10")
    ] = None,
    projection: Annotated[
        str | None, typer.Option(help="none or ball.", show_default="none")
    ] = None,
    relabel: Annotated[
        bool | None, typer.Option("--relabel/--frozen", help="Take the label anew at each stage.")
    ] = None,
) -> None:  # fmt: skip
    """Chains of attacks against plain ones: fool rate, entropy and norms by chain length."""
    given = {"data": data, "seed": seed, "networks": networks, "attacks": attacks,
             "epsilons": epsilons, "targets": targets, "chain_length": chain_length,
             "projection": projection, "relabel": relabel}  # fmt: skip
    _run("caa", given, out, config, quick, jobs, ray, resume)


@lab.command()
def bench(
    *, out: Out, data: Data = None, config: Config = None, seed: Seed = None, jobs: Jobs = 1,
    ray: Ray = None, quick: Quick = False, resume: Resume = True,
    attacks: Annotated[list[str] | None, typer.Option(help="Attack; may be repeated.")] = None,
    detectors: Annotated[list[str] | None, typer.Option(help="Detector; may be repeated.")] = None,
    mitigations: Annotated[
        list[str] | None, typer.Option(help="Mitigation; may be repeated.")
    ] = None,
    subjects: Annotated[
        list[str] | None, typer.Option(help="identity or expression; may be repeated.")
    ] = None,
) -> None:  # fmt: skip
    """Attacks, detectors and mitigations on face recognition and on expression networks."""
    given = {"data": data, "seed": seed, "attacks": attacks, "detectors": detectors,
             "mitigations": mitigations, "subjects": subjects}  # fmt: skip
    _run("bench", given, out, config, quick, jobs, ray, resume)


@lab.command()
def faceoff(
    *, out: Out, data: Data = None, config: Config = None, seed: Seed = None, jobs: Jobs = 1,
    ray: Ray = None, quick: Quick = False, resume: Resume = True,
) -> None:  # fmt: skip
    """Attacks on face embeddings: losses, margins, amplification, transfer, JPEG."""
    _run("faceoff", {"data": data, "seed": seed}, out, config, quick, jobs, ray, resume)


@lab.command()
def summary(
    *, out: Out, data: Data = None, config: Config = None, seed: Seed = None, jobs: Jobs = 1,
    ray: Ray = None, quick: Quick = False, resume: Resume = True,
) -> None:  # fmt: skip
    """Further attacks, and defences measured by the least change that deceives them."""
    _run("summary", {"data": data, "seed": seed}, out, config, quick, jobs, ray, resume)


@lab.command()
def imbalance(
    *, out: Out, data: Data = None, config: Config = None, seed: Seed = None, jobs: Jobs = 1,
    ray: Ray = None, quick: Quick = False, resume: Resume = True,
) -> None:  # fmt: skip
    """How unequal classes in training change what FGSM does to each class."""
    _run("imbalance", {"data": data, "seed": seed}, out, config, quick, jobs, ray, resume)


@lab.command()
def transfer(
    *, out: Out, data: Data = None, config: Config = None, seed: Seed = None, jobs: Jobs = 1,
    ray: Ray = None, quick: Quick = False, resume: Resume = True,
    recogniser: Annotated[
        list[Path] | None, typer.Option(help="ONNX file of a recogniser; may be repeated.")
    ] = None,
) -> None:  # fmt: skip
    """What each ingredient of a surrogate gives against families that it does not know."""
    given = {"data": data, "seed": seed, "recognisers": recogniser}
    _run("transfer", given, out, config, quick, jobs, ray, resume)


@lab.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of all findings: --out of the others.")],
) -> None:
    """Gather all findings in a folder into one page."""
    typer.echo(f"Look at {_part('camfilter.lab.experiment.gathering').gather(folder)}.")


def _run(
    name: str,
    given: dict[str, Any],
    out: Path,
    config: Path | None,
    quick: bool,
    jobs: int,
    ray: str | None,
    resume: bool,
) -> None:
    running, workbench = (
        _part(f"camfilter.lab.experiment.{part}") for part in ("running", "workbench")
    )
    bars = _Bars()
    try:
        show = running.run_experiment(
            running.experiment_named(name),
            {key: value for key, value in given.items() if value is not None},
            out, config=config, quick=quick, jobs=jobs, ray=ray, fresh=not resume,
            progress=workbench.Progress(bars.start, bars.advance),
        )  # fmt: skip
    finally:
        bars.stop()
    show(Console())


class _Bars:
    """One progress bar after the other, one for each stage."""

    def __init__(self) -> None:
        self._bar: FrameProgress | None = None

    def start(self, stage: str, tasks: int) -> None:
        self.stop()
        self._bar = FrameProgress(stage, tasks).__enter__()

    def advance(self) -> None:
        if self._bar is not None:
            self._bar.advance()

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(*sys.exc_info())
            self._bar = None


def _part(name: str) -> Any:
    """A module of the lab; by name, as the program runs without the lab.

    Raises:
        SettingError: what the lab needs is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SettingError(
            f"camfilter lab needs {error.name}, which is not installed.",
            'Install the extra lab: pip install "camfilter[lab]".',
        ) from error
