"""`camfilter demo`: the filter on a portrait that comes with a dependency, no camera needed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from camfilter.assembly import build_filter, open_held_out, open_surrogate
from camfilter.cli.comparison import Pair, draw_comparison, write_picture
from camfilter.cli.options import ChainLengthOption, EpsilonOption, JsonOption, ProviderOption
from camfilter.cli.progress import FrameProgress
from camfilter.cli.summary import in_words, prove_writable, write_json
from camfilter.errors import NothingProtected, SettingError
from camfilter.frames import RawFrame
from camfilter.guard import Guard, GuardState, ProtectedFrame
from camfilter.meter import AtOnce
from camfilter.pipeline import run_every_frame
from camfilter.protector import Protector
from camfilter.report import RunReport
from camfilter.settings import ChainSettings
from camfilter.sinks import open_sink
from camfilter.sources.demo import DemoSource
from camfilter.surrogate.provider import Provider

__all__ = ["demo"]


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for demo.mp4 and demo.png.", show_default="here")
    ] = Path(),
    epsilon: EpsilonOption = None,
    chain_length: ChainLengthOption = None,
    provider: ProviderOption = None,
    json: JsonOption = None,
) -> None:
    """Protect a moving portrait and show it before and after."""
    given = {"epsilon": epsilon, "chain_length": chain_length}
    settings = _chain_settings({k: v for k, v in given.items() if v is not None})
    video, picture = out / "demo.mp4", out / "demo.png"
    prove_writable(json, video, picture)
    surrogate = open_surrogate(settings.surrogate, _provider(provider or "auto"))
    source, guard, report = DemoSource(), Guard(), RunReport()
    protector = Protector(
        lambda: build_filter(settings, surrogate, stills=False, meter=AtOnce(open_held_out())),
        guard,
        report,
        budget_levels=lambda: settings.budget_levels,
    )
    middle = (source.info.frame_count or 1) // 2
    pair: list[Pair] = []

    def keep_middle(raw: RawFrame, frame: ProtectedFrame) -> None:
        progress.advance()
        if frame.state is GuardState.PROTECTED and raw.index == middle:
            pair.append(Pair(raw.pixels, frame.pixels))

    started = time.monotonic()
    protector.prepare()
    with (
        source,
        open_sink(str(video), source.info.size, source.info.rate_hz) as sink,
        FrameProgress("demo", source.info.frame_count) as progress,
    ):
        run_every_frame(source, protector, guard, sink, report, on_frame=keep_middle)
    protector.close()
    elapsed_s = time.monotonic() - started
    figures: dict[str, Any] = {
        "source": "demo",
        "sink": str(video),
        "picture": str(picture),
        "surrogate": surrogate.name,
        "provider": surrogate.provider,
        "settings": settings.model_dump(mode="json"),
        "elapsed_s": round(elapsed_s, 3),
        **report.as_json(elapsed_s),
    }
    if json is not None:
        write_json(json, figures)
    console = Console()
    for line in in_words(figures):
        console.print(line, highlight=False, soft_wrap=True)
    if not pair:
        raise NothingProtected("The demo's middle frame could not be protected.")
    write_picture(picture, draw_comparison(pair[0], surrogate))
    console.print(f"Look at {video} and {picture}.", highlight=False, soft_wrap=True)


def _chain_settings(values: Mapping[str, Any]) -> ChainSettings:
    """Check settings from the command line.

    Raises:
        SettingError: a value cannot be used, or nothing of it is left in 8 bits.
    """
    settings = ChainSettings.of(values)
    if settings.vanishes:
        raise SettingError(settings.vanishes, "Use 1/255 or more; 6/255 is the default.")
    return settings


def _provider(name: str) -> Provider:
    """The provider of that name.

    Raises:
        SettingError: there is none.
    """
    try:
        return Provider(name.strip().lower())
    except ValueError as error:
        raise SettingError(
            f"There is no provider {name!r}.", f"Choose one of: {', '.join(Provider)}."
        ) from error
