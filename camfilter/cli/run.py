"""`camfilter run`: bring a source to a sink, protected."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from camfilter.app.config import load_layers
from camfilter.app.pacing import PacedSource
from camfilter.app.settings import AppSettings, from_words
from camfilter.assembly import build_filter, open_held_out, open_surrogate
from camfilter.batch.sound import with_sound
from camfilter.cli.file_sink import alone_with, is_video_file, staged
from camfilter.cli.live import run_controller, runs_live
from camfilter.cli.options import (
    ChainingOption,
    ChainLengthOption,
    EpsilonOption,
    FpsOption,
    JsonOption,
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
from camfilter.cli.progress import FrameProgress
from camfilter.cli.summary import in_words, prove_writable, write_json
from camfilter.errors import NothingProtected
from camfilter.filter import FaceFilter
from camfilter.frames import Size
from camfilter.guard import Guard
from camfilter.meter import AtOnce
from camfilter.pipeline import run_every_frame
from camfilter.protector import Protector
from camfilter.report import RunReport
from camfilter.settings import ChainSettings
from camfilter.sinks import PreviewClosed, open_sink, refuse_same
from camfilter.sources import PictureSource, VideoSource, open_source
from camfilter.sources.base import Source
from camfilter.surrogate.base import Surrogate

__all__ = ["run"]


def run(
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            "-i",
            help="Camera number, path or name (see camfilter devices); a video, a picture, "
            "a folder of pictures; or demo.",
            show_default="0",
        ),
    ] = None,
    sink: Annotated[
        str | None,
        typer.Option(
            "--sink",
            "-o",
            help="virtual, virtual:/dev/video10, preview, null; .mkv (lossless), .mp4, .png, "
            "or a folder for PNGs (ending in /).",
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
    max_frames: Annotated[
        int | None, typer.Option(help="Stop after so many frames.", min=1, show_default=False)
    ] = None,
    json: JsonOption = None,
) -> None:
    """Protect every face on the way from a source to a sink.

    A video file keeps its sound in a video file: what a voice tells is not hidden.

    What is not given here comes from CAMFILTER_... variables, then from the config file.
    """
    given = {
        "source": source, "sink": sink, "epsilon": epsilon, "chain_length": chain_length,
        "chaining": chaining, "stages_per_frame": stages_per_frame,
        "mode": mode, "target": target, "step": step, "momentum": momentum,
        "projection": projection, "surrogate": surrogate, "provider": provider,
        "threads": threads, "size": size, "fps": fps,
    }  # fmt: skip
    layers = load_layers(from_words({k: v for k, v in given.items() if v is not None}))
    settings = layers.settings
    prove_writable(json, Path(settings.source), Path(settings.sink))
    live = runs_live(settings)
    figures = (
        run_controller(layers, max_frames=max_frames) if live else _run_files(settings, max_frames)
    )
    if figures is None:
        return
    if json is not None:
        write_json(json, figures)
    for line in in_words(figures):
        Console().print(line, highlight=False, soft_wrap=True, markup=False)
    # A live run that nobody watched never read a frame, and that is as it should be.
    tried = figures["frames_in"] if live else figures["frames_out"]
    if tried and not figures["protected"] and not figures["off"]:
        reason = next(iter(figures["faults"]), "no frame came in time")
        raise NothingProtected(f"Not one frame could be protected: {reason}")


def _run_files(settings: AppSettings, max_frames: int | None) -> dict[str, Any]:
    """Bring each frame across once; figures of the run.

    Raises:
        AlreadyRunning: another camfilter writes to the same file.
    """
    size, sound = None, {}
    if settings.width_px and settings.height_px:
        size = Size(settings.width_px, settings.height_px)
    with alone_with(settings.sink):
        recogniser = open_surrogate(settings.surrogate, settings.provider, settings.threads)
        with open_source(settings.source, size=size, rate_hz=settings.rate_hz) as source:
            if isinstance(source, VideoSource) and is_video_file(settings.sink):
                report, elapsed_s, said = _bring_with_sound(
                    source, settings, recogniser, max_frames
                )
                sound = {"sound": said}
            else:
                report, elapsed_s = _bring(source, settings, recogniser, max_frames)
    return {
        "source": source.info.name,
        "sink": settings.sink,
        **sound,
        "surrogate": recogniser.name,
        "provider": recogniser.provider,
        "settings": settings.model_dump(mode="json", include=set(ChainSettings.model_fields)),
        "elapsed_s": round(elapsed_s, 3),
        **report.as_json(elapsed_s),
    }


def _bring_with_sound(
    source: VideoSource, settings: AppSettings, surrogate: Surrogate, max_frames: int | None
) -> tuple[RunReport, float, str]:
    """As `_bring`, into a video that appears once its sound is in it; also what became of that."""
    refuse_same(settings.source, settings.sink)
    with staged(Path(settings.sink)) as video:
        beside = settings.model_copy(update={"sink": str(video)})
        report, elapsed_s = _bring(source, beside, surrogate, max_frames)
        cut = report.frames_out == max_frames
        sound = with_sound(video, Path(settings.source), cut=cut)
    return report, elapsed_s, sound


def _bring(
    source: Source, settings: AppSettings, surrogate: Surrogate, max_frames: int | None
) -> tuple[RunReport, float]:
    """Run to the end of the source or to `max_frames`; figures and seconds."""
    info = source.info
    guard, report = Guard(), RunReport()

    def build() -> FaceFilter:
        return build_filter(settings, surrogate, stills=info.stills, meter=AtOnce(open_held_out()))

    protector = Protector(build, guard, report, budget_levels=lambda: settings.budget_levels)
    names = source.names if isinstance(source, PictureSource) else ()
    watched = settings.sink.partition(":")[0] in ("virtual", "preview")
    started = time.monotonic()
    try:
        protector.prepare()
        with (
            open_sink(
                settings.sink, info.size, info.rate_hz, names=names, source=settings.source
            ) as target,
            FrameProgress(info.name, max_frames or info.frame_count) as progress,
        ):
            run_every_frame(
                PacedSource(source) if watched else source,
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
