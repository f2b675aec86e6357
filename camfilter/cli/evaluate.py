"""`camfilter evaluate`: what recognisers still read at the far end of a call."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from camfilter.cli.options import (
    ChainingOption,
    ChainLengthOption,
    EpsilonOption,
    ModeOption,
    StagesPerFrameOption,
    SurrogateOption,
    TargetOption,
)
from camfilter.cli.progress import FrameProgress
from camfilter.errors import SettingError

__all__ = ["evaluate"]

_QUICK: dict[str, Any] = {
    "faces": 8,
    "seconds": 1.0,
    "channels": ("u8", "h264-360p-500k"),
    "countermeasures": ("blur",),
}


def evaluate(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Pictures, videos, folders (one called like an expression labels what lies in "
            "it), a CSV, a zip with a CSV, or an array file of FER+.",
            show_default="the LFW expressions of --data",
        ),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder for the report and what can be resumed.")],
    data: Annotated[
        Path, typer.Option(envvar="CAMFILTER_DATA", help="Folder with lfw_expressions.zip.")
    ] = Path("data"),
    part: Annotated[
        str, typer.Option(help="Identities of a table: test to report, valid to tune, or all.")
    ] = "test",
    faces: Annotated[
        int | None, typer.Option(help="Most faces; one clip each.", show_default="40")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Length of a clip.", show_default="1.5")
    ] = None,
    motion: Annotated[
        str | None,
        typer.Option(help="How heads move: calm, lively, turning or fast.", show_default="calm"),
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="Channel; may be repeated.", show_default="all")
    ] = None,
    recogniser: Annotated[
        list[Path] | None,
        typer.Option(help="ONNX file of a foreign recogniser, its description FILE.toml beside."),
    ] = None,
    countermeasure: Annotated[
        list[str] | None,
        typer.Option(help="What spies try; may be repeated.", show_default="all"),
    ] = None,
    countermeasure_channel: Annotated[
        list[str] | None,
        typer.Option(help="Where they try it, or all.", show_default="h264-360p-500k"),
    ] = None,
    read_every: Annotated[
        int | None, typer.Option(help="Spies read each n-th frame.", show_default="5")
    ] = None,
    height: Annotated[
        int | None,
        typer.Option(
            help="Height of clips made from stills.",
            min=90,
            max=2160,
            show_default="tallest channel's",
        ),
    ] = None,
    mode: ModeOption = None,
    target: TargetOption = None,
    epsilon: EpsilonOption = None,
    chaining: ChainingOption = None,
    chain_length: ChainLengthOption = None,
    stages_per_frame: StagesPerFrameOption = None,
    surrogate: SurrogateOption = None,
    seed: Annotated[int, typer.Option(help="Of all chance.", min=0)] = 0,
    jobs: Annotated[int, typer.Option(help="Processes.", min=1)] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="A first look in two minutes.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Use what an earlier run computed, or not.")
    ] = True,
) -> None:
    """Measure the protection: moving clips through real codecs, read by unseen recognisers."""
    given = {
        "inputs": inputs,
        "faces": faces,
        "seconds": seconds,
        "motion": motion,
        "channels": channel,
        "recognisers": recogniser,
        "countermeasures": countermeasure,
        "countermeasure_channels": countermeasure_channel,
        "height_px": height,
        "data": data,
        "part": part,
        "read_every": read_every,
        "seed": seed,
    }
    chain = {
        "mode": mode,
        "targets": target,
        "epsilon": epsilon,
        "chaining": chaining,
        "chain_length": chain_length,
        "stages_per_frame": stages_per_frame,
        "surrogate": surrogate,
    }
    lab = _lab()
    bars: list[FrameProgress] = []
    try:
        show = lab.evaluate_and_report(
            {**(_QUICK if quick else {}), **_without_none(given)},
            _without_none(chain),
            out,
            jobs=jobs,
            fresh=not resume,
            on_start=lambda clips: bars.append(_started("evaluate", clips)),
            on_clip=lambda _name: bars[0].advance(),
        )
    finally:
        for bar in bars:
            bar.__exit__(*sys.exc_info())
    show(Console())


def _lab() -> Any:
    """The part of the lab that evaluates; by name, as the program runs without the lab.

    Raises:
        SettingError: what the lab needs is not installed.
    """
    try:
        return importlib.import_module("camfilter.lab.evaluate.command")
    except ImportError as error:
        raise SettingError(
            f"camfilter evaluate needs {error.name}, which is not installed.",
            'Install the extra lab: pip install "camfilter[lab]".',
        ) from error


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _started(name: str, total: int) -> FrameProgress:
    return FrameProgress(name, total).__enter__()
