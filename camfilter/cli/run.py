"""`camfilter run`: bring a source to a sink, protected."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from camfilter.assembly import build_filter
from camfilter.cli.progress import FrameProgress
from camfilter.cli.summary import in_words, write_json
from camfilter.errors import NothingProtected, SettingError
from camfilter.filter import FaceFilter
from camfilter.guard import Guard, ProtectedFrame
from camfilter.pipeline import run_every_frame, run_live
from camfilter.protector import Protector
from camfilter.report import RunReport
from camfilter.settings import ChainSettings
from camfilter.sinks import PreviewClosed, open_sink
from camfilter.sources import PictureSource, open_source
from camfilter.sources.base import Source
from camfilter.surrogate.onnx import OnnxSurrogate
from camfilter.surrogate.provider import Provider

__all__ = ["Epsilon", "JsonFile", "chain_settings", "parse_provider", "run"]

Epsilon = Annotated[
    str, typer.Option(help="Greatest change of a pixel: 6/255, 0.0235 or '6 levels'.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write all figures to this file.", show_default=False)
]

MEASURE_LIVE_EVERY = 10


def run(
    source: Annotated[
        str,
        typer.Option(
            "--source",
            "-i",
            help="Camera number, path or name (see camfilter devices); a video, a picture, "
            "a folder of pictures; or demo.",
        ),
    ] = "0",
    sink: Annotated[
        str,
        typer.Option(
            "--sink",
            "-o",
            help="virtual, virtual:/dev/video10, preview, null; .mkv (lossless), .mp4, .png, "
            "or a folder for PNGs (ending in /).",
        ),
    ] = "virtual",
    epsilon: Epsilon = "6/255",
    chain_length: Annotated[int, typer.Option(help="Stages of the chain, 1 to 200.")] = 10,
    mode: Annotated[
        str, typer.Option(help="neutral, hide, untargeted or targeted.")
    ] = "untargeted",
    target: Annotated[
        str,
        typer.Option(
            help="Schedule of expressions for --mode targeted, the last one to be read: "
            "happiness,neutral; or least-likely.",
            show_default=False,
        ),
    ] = "",
    step: Annotated[
        str, typer.Option(help="Change of one stage, as --epsilon.", show_default="chosen")
    ] = "",
    momentum: Annotated[float, typer.Option(help="Gradient kept from stage to stage, 0 to 1.")] = 1,
    projection: Annotated[
        str,
        typer.Option(
            help="ball: no pixel moves by more than epsilon. none: epsilon each stage, "
            "as in the chaining paper."
        ),
    ] = "ball",
    surrogate: Annotated[
        str, typer.Option(help="Recogniser to attack.", show_default="first shipped")
    ] = "",
    provider: Annotated[str, typer.Option(help="auto, cpu, cuda or tensorrt.")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads of the recogniser.", min=1, max=64)] = 1,
    max_frames: Annotated[
        int | None, typer.Option(help="Stop after so many frames.", min=1, show_default=False)
    ] = None,
    json: JsonFile = None,
) -> None:
    """Protect every face on the way from a source to a sink."""
    settings = chain_settings(
        mode=mode,
        targets=target,
        epsilon=epsilon,
        chain_length=chain_length,
        step=step or None,
        momentum=momentum,
        projection=projection,
        surrogate=surrogate or None,
    )
    wanted = parse_provider(provider)
    recogniser = OnnxSurrogate(settings.surrogate, wanted, threads)
    with open_source(source) as frames:
        report, elapsed_s = _bring(frames, source, sink, settings, recogniser, max_frames)
    figures: dict[str, Any] = {
        "source": frames.info.name,
        "sink": sink,
        "surrogate": recogniser.name,
        "provider": recogniser.provider,
        "settings": settings.model_dump(mode="json"),
        "elapsed_s": round(elapsed_s, 3),
        **report.as_json(elapsed_s),
    }
    if json is not None:
        write_json(json, figures)
    for line in in_words(figures):
        Console().print(line, highlight=False, soft_wrap=True)
    if figures["frames_out"] and not figures["protected"] and not figures["off"]:
        reason = next(iter(report.faults), "no frame came in time")
        raise NothingProtected(f"Not one frame could be protected: {reason}")


def chain_settings(**values: Any) -> ChainSettings:
    """Check settings from the command line.

    Raises:
        SettingError: a value cannot be used, or nothing of it is left in 8 bits.
    """
    settings = ChainSettings.of(values)
    if settings.vanishes:
        raise SettingError(settings.vanishes, "Use 1/255 or more; 6/255 is the default.")
    return settings


def parse_provider(name: str) -> Provider:
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


def _bring(
    source: Source,
    source_spec: str,
    sink: str,
    settings: ChainSettings,
    surrogate: OnnxSurrogate,
    max_frames: int | None,
) -> tuple[RunReport, float]:
    """Run to the end of the source, to Ctrl-C, or to `max_frames`; figures and seconds."""
    info = source.info
    guard, report = Guard(), RunReport()

    def build() -> FaceFilter:
        return build_filter(settings, surrogate, stills=info.stills)

    measure_every = MEASURE_LIVE_EVERY if info.live else 1
    protector = Protector(build, guard, report, measure_every=measure_every)
    names = source.names if isinstance(source, PictureSource) else ()
    started = time.monotonic()
    try:
        if not info.live:  # a camera shows the placeholder meanwhile
            protector.prepare()
        with (
            open_sink(sink, info.size, info.rate_hz, names=names, source=source_spec) as target,
            FrameProgress(info.name, max_frames or info.frame_count) as progress,
        ):
            if info.live:
                stop = _stop_on_signals()

                def count(_: ProtectedFrame) -> None:
                    progress.advance()
                    if report.frames_out == max_frames:
                        stop.set()

                run_live(
                    source,
                    protector,
                    guard,
                    target,
                    report,
                    stop,
                    on_frame=count,
                )
            else:
                run_every_frame(
                    source,
                    protector,
                    guard,
                    target,
                    report,
                    on_frame=lambda _raw, _frame: progress.advance(),
                    max_frames=max_frames,
                )
    except PreviewClosed:
        pass
    finally:
        protector.close()
    return report, time.monotonic() - started


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    return stop
