"""Options that several commands share. None means: not given on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "ChainLengthOption",
    "ChainingOption",
    "EpsilonOption",
    "FpsOption",
    "JsonOption",
    "ModeOption",
    "MomentumOption",
    "ProjectionOption",
    "ProviderOption",
    "SizeOption",
    "StagesPerFrameOption",
    "StepOption",
    "SurrogateOption",
    "TargetOption",
    "ThreadsOption",
]

EpsilonOption = Annotated[
    str | None,
    typer.Option(
        "--epsilon",
        help="Greatest change of a pixel: 6/255, 0.0235 or '6 levels'.",
        show_default="6/255",
    ),
]
ChainLengthOption = Annotated[
    int | None,
    typer.Option("--chain-length", help="Stages of the chain, 1 to 200.", show_default="10"),
]
ChainingOption = Annotated[
    str | None,
    typer.Option(
        "--chaining",
        help="over-time spreads the stages over the frames; per-frame runs all on every frame.",
        show_default="over-time",
    ),
]
StagesPerFrameOption = Annotated[
    float | None,
    typer.Option(
        "--stages-per-frame",
        help="Stages over time for each frame, 0.1 to 32.",
        show_default="1",
    ),
]
ModeOption = Annotated[
    str | None,
    typer.Option(
        "--mode", help="neutral, hide, untargeted or targeted.", show_default="untargeted"
    ),
]
TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target",
        help="Schedule of expressions for --mode targeted, the last one to be read: "
        "happiness,neutral; or least-likely.",
        show_default=False,
    ),
]
StepOption = Annotated[
    str | None,
    typer.Option("--step", help="Change of one stage, as --epsilon.", show_default="chosen"),
]
MomentumOption = Annotated[
    float | None,
    typer.Option("--momentum", help="Gradient kept from stage to stage, 0 to 1.", show_default="1"),
]
ProjectionOption = Annotated[
    str | None,
    typer.Option(
        "--projection",
        help="ball: no pixel moves by more than epsilon. none: epsilon each stage, "
        "as in the chaining paper.",
        show_default="ball",
    ),
]
SurrogateOption = Annotated[
    str | None,
    typer.Option(
        "--surrogate", help="Recognisers to attack, joined by +.", show_default="all shipped"
    ),
]
ProviderOption = Annotated[
    str | None,
    typer.Option("--provider", help="auto, cpu, cuda or tensorrt.", show_default="auto"),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option("--threads", help="CPU threads of the recogniser, 1 to 64.", show_default="1"),
]
SizeOption = Annotated[
    str | None,
    typer.Option("--size", help="Size to ask the camera for: 1280x720.", show_default="1280x720"),
]
FpsOption = Annotated[
    float | None,
    typer.Option(
        "--fps", help="Frames a second to ask the camera for.", show_default="the camera's"
    ),
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write all figures to this file.", show_default=False)
]
