"""`camfilter tray`: the filter with a tray icon and a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated

import typer

from camfilter.app.config import Layers, load_layers
from camfilter.app.controller import Controller, Parts
from camfilter.app.faces import Claim, claim, hand_over, with_faces
from camfilter.app.settings import AppSettings, from_words
from camfilter.cli.options import (
    ChainingOption,
    ChainLengthOption,
    EpsilonOption,
    FpsOption,
    ModeOption,
    MomentumOption,
    ProjectionOption,
    ProviderOption,
    SizeOption,
    StagesPerFrameOption,
    StepOption,
    SurrogateOption,
    TargetOption,
    ThreadsOption,
)
from camfilter.errors import SettingError, SinkError
from camfilter.frames import Size
from camfilter.sources import Source, open_source
from camfilter.tray.engine import Engine
from camfilter.tray.looping import as_live
from camfilter.tray.screen import require_screen

__all__ = ["tray"]


def tray(
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            "-i",
            help="Camera number, path or name (see camfilter devices); a video or demo is "
            "played over and over.",
            show_default="0",
        ),
    ] = None,
    sink: Annotated[
        str | None,
        typer.Option(
            "--sink",
            "-o",
            help="virtual, virtual:/dev/video10, or what run takes.",
            show_default="virtual",
        ),
    ] = None,
    epsilon: EpsilonOption = None,
    chain_length: ChainLengthOption = None,
    chaining: ChainingOption = None,
    stages_per_frame: StagesPerFrameOption = None,
    mode: ModeOption = None,
    target: TargetOption = None,
    step: StepOption = None,
    momentum: MomentumOption = None,
    projection: ProjectionOption = None,
    surrogate: SurrogateOption = None,
    provider: ProviderOption = None,
    threads: ThreadsOption = None,
    size: SizeOption = None,
    fps: FpsOption = None,
) -> None:
    """Protect the camera, with an icon in the tray and a window for everything.

    What is not given here comes from CAMFILTER_... variables, then from the config file.
    """
    options = {
        "source": source, "sink": sink, "epsilon": epsilon, "chain_length": chain_length,
        "chaining": chaining, "stages_per_frame": stages_per_frame,
        "mode": mode, "target": target, "step": step, "momentum": momentum,
        "projection": projection, "surrogate": surrogate, "provider": provider,
        "threads": threads, "size": size, "fps": fps,
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
    layers = load_layers(from_words(given))
    if layers.settings.sink == "preview":
        raise SettingError("The tray has a preview of its own.", "Use another --sink.")
    require_screen()
    claimed = claim(layers.settings.sink)
    if claimed.other is not None:
        typer.echo(hand_over(claimed.other, layers.flags))
        return
    if claimed.fault:
        typer.echo(f"camfilter: {claimed.fault}", err=True)
    from camfilter.tray.app import run_tray  # noqa: PLC0415 - Qt is loaded only for this command

    engine = Engine(layers.settings, _controller, _faces(layers, claimed))
    arguments = ["tray"]
    for name, value in given.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    raise typer.Exit(run_tray(engine, arguments))


def _controller(settings: AppSettings) -> Controller:
    return Controller(settings, Parts(open_source=_open_live))


def _open_live(settings: AppSettings) -> Source:
    wanted = None
    if settings.width_px and settings.height_px:
        wanted = Size(settings.width_px, settings.height_px)
    return as_live(lambda: open_source(settings.source, size=wanted, rate_hz=settings.rate_hz))


def _faces(
    layers: Layers, claimed: Claim
) -> Callable[[Controller], AbstractContextManager[object]]:
    """Control socket and config file for each controller in turn; the first has its claim."""
    first = [claimed]

    @contextmanager
    def faces(controller: Controller) -> Iterator[None]:
        taken = first.pop() if first else claim(controller.settings.sink)
        if taken.other is not None:
            raise SinkError(
                f"Another camfilter has {taken.other.sink} already.", "Quit that one first."
            )
        with with_faces(controller, layers, taken.listener):
            yield

    return faces
