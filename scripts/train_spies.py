"""Train the spies that `camfilter evaluate --recogniser` asks: an adaptive and a hardened one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from camfilter.assembly import open_surrogate
from camfilter.errors import CamfilterError
from camfilter.lab.data import Faces, load_faces
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.spies import (
    SpyTraining,
    filtered_clips,
    filtered_stills,
    joined,
    save_spy,
    train_spy,
)
from camfilter.lab.evaluate.subjects import find_subjects
from camfilter.lab.metrics import confusion_of
from camfilter.lab.networks import SurrogateFolder, size_of
from camfilter.settings import ChainSettings
from camfilter.surrogate.provider import Provider

REPOSITORY = Path(__file__).resolve().parents[1]
CHANNEL = "h264-360p-500k"


def some(faces: Faces, count: int, seed: int) -> Faces:
    """At most `count` of them, drawn by chance."""
    chosen = np.random.default_rng([seed, 5]).permutation(len(faces))[:count]
    return Faces(faces.pictures[chosen], faces.labels[chosen])


def main(
    name: Annotated[str, typer.Argument(help="Network to start from: a folder of models/.")],
    *,
    data: Annotated[
        Path, typer.Option(envvar="CAMFILTER_DATA", help="FER+ and the LFW expressions.")
    ] = REPOSITORY.parent / "shared" / "data",
    out: Annotated[Path, typer.Option(help="Folder for the spies.")] = REPOSITORY / "runs/spies",
    stills: Annotated[int, typer.Option(help="Faces of FER+ that are filtered.", min=64)] = 4000,
    clips: Annotated[int, typer.Option(help="Clips of LFW that are filtered.", min=0)] = 80,
    epochs: Annotated[int, typer.Option(help="Passes over all pictures.", min=1)] = 3,
    mode: Annotated[str | None, typer.Option(help="Of the filter.", show_default="its own")] = None,
    seed: Annotated[int, typer.Option(help="Of all chance.", min=0)] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 1,
) -> None:
    """Train both spies from one of the project's networks. Only training parts are learned from."""
    console = Console()
    torch.set_num_threads(threads)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    try:
        surrogate = SurrogateFolder.named(name)
        size_px = size_of(surrogate.build())
        faces = load_faces(data, size_px)
        settings = ChainSettings.of({"mode": mode} if mode else {})
        options = EvaluateOptions.of(
            {"data": data, "part": "train", "faces": max(1, clips), "seconds": 1.2, "seed": seed,
             "channels": (CHANNEL,), "settings": settings}
        )  # fmt: skip
        clean = some(faces.train, stills, seed)
        out.mkdir(parents=True, exist_ok=True)
        with Progress(
            *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
        ) as progress:
            bar = progress.add_task("filtering stills", total=len(clean) + len(clean) // 5)
            attacked = open_surrogate(settings.surrogate, Provider.CPU)
            filtered = filtered_stills(
                clean, attacked, settings, seed, lambda: progress.advance(bar)
            )
            valid = filtered_stills(
                some(faces.valid, len(clean) // 5, seed), attacked, settings, seed + 1_000_000,
                lambda: progress.advance(bar),
            )  # fmt: skip
            parts = [clean, filtered]
            if clips:
                bar = progress.add_task("filtering clips", total=clips)
                subjects = find_subjects(options)
                moving = filtered_clips(
                    subjects, options, size_px, CHANNEL, lambda: progress.advance(bar)
                )
                parts.append(moving)
            figures = {"filtered_valid_before": accuracy(surrogate.load(), valid)}
            plans = {
                "adaptive": (joined(*parts), SpyTraining(epochs=epochs, seed=seed)),
                "hardened": (
                    some(faces.train, 2 * stills, seed),
                    SpyTraining(epochs=epochs, seed=seed, adversarial=0.5),
                ),
            }
            for kind, (pictures, training) in plans.items():
                batches = training.epochs * (len(pictures) // training.batch)
                bar = progress.add_task(f"training {kind}", total=batches)
                spy = train_spy(
                    surrogate.load(), pictures, training,
                    lambda _loss, bar=bar: progress.advance(bar),  # type: ignore[misc]
                )  # fmt: skip
                path = save_spy(spy, f"{kind}-{name}", kind, size_px, out)
                figures[f"{kind}_clean_valid"] = accuracy(spy, faces.valid)
                figures[f"{kind}_filtered_valid"] = accuracy(spy, valid)
                console.print(f"{path}", highlight=False, soft_wrap=True)
        (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    except CamfilterError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False)
        raise typer.Exit(1) from error
    for what, share in figures.items():
        console.print(f"{what.replace('_', ' ')}: {share:.3f}", highlight=False)


def accuracy(network: torch.nn.Module, faces: Faces) -> float:
    return round(confusion_of(network, faces).accuracy, 4)


if __name__ == "__main__":
    typer.run(main)
