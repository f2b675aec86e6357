"""Train a surrogate of models/ on FER+ or on labelled faces of your own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from camfilter.errors import CamfilterError
from camfilter.lab.data import load_faces
from camfilter.lab.model_card import with_accuracy
from camfilter.lab.networks import SurrogateFolder, size_of
from camfilter.lab.recipe import Recipe
from camfilter.lab.training import Training

REPOSITORY = Path(__file__).resolve().parents[1]

PUBLISHED = ("checkpoint.safetensors", "metrics.json", "confusion.png")


def train(training: Training, console: Console) -> None:
    """Train all epochs that are left, with a bar on a terminal and a line for each epoch."""
    columns = (
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=training.batches, epoch=training.epoch + 1)
        while not training.done:
            progress.reset(bar, epoch=training.epoch + 1)
            row = training.run_epoch(on_batch=lambda: progress.advance(bar))
            console.print(
                f"epoch {training.epoch}/{training.recipe.epochs}  loss {row['loss']:.4f}  "
                f"valid {row['valid']:.4f}  average {row['valid_average']:.4f}  "
                f"{row['seconds']:.0f} s",
                highlight=False,
            )


def publish(folder: Path, surrogate: SurrogateFolder) -> None:
    """Copy the results of a run into the surrogate's folder, and its figures into the card."""
    for name in PUBLISHED:
        shutil.copyfile(folder / name, surrogate.path / name)
    card = surrogate.path / "card.md"
    if card.exists():
        metrics = json.loads((folder / "metrics.json").read_text())
        card.write_text(with_accuracy(card.read_text(), metrics))


def main(
    name: Annotated[str, typer.Argument(help="Surrogate: a folder of models/.")],
    *,
    data: Annotated[
        Path,
        typer.Option(
            envvar="CAMFILTER_DATA",
            help="FER+ folder, folder per expression, CSV, or zip with a CSV.",
        ),
    ] = REPOSITORY.parent / "shared" / "data",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; runs/NAME by default.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with the run in that folder.")] = False,
    epochs: Annotated[
        int | None, typer.Option(help="Instead of the recipe's epochs.", min=1)
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 2,
    publish_results: Annotated[
        bool, typer.Option("--publish", help="Copy the results into models/NAME at the end.")
    ] = False,
) -> None:
    """Train a surrogate; stop it at any time and go on with --resume."""
    console = Console()
    torch.set_num_threads(threads)
    try:
        surrogate = SurrogateFolder.named(name)
        recipe = Recipe.load(surrogate.recipe)
        if epochs is not None:
            recipe = recipe.model_copy(update={"epochs": epochs})
        faces = load_faces(data, size_of(surrogate.build()))
        folder = out or REPOSITORY / "runs" / name
        training = Training(surrogate.build, recipe, faces, folder)
        if resume:
            training.resume()
        train(training, console)
        test = training.finish()
    except CamfilterError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False)
        raise typer.Exit(1) from error
    console.print(f"test {test['accuracy']:.4f} of {test['pictures']} pictures", highlight=False)
    if publish_results:
        publish(folder, surrogate)


if __name__ == "__main__":
    typer.run(main)
