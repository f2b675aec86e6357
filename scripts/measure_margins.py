"""How much of a face recognisers of others want to see: accuracy by the margin around the box.

On unfiltered stills of LFW's validation identities, as the spy's detector finds their faces. The
catalogue's margins (`camfilter/lab/foreign/catalogue.py`) are those with which each reads most.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from camfilter.frames import Pixels
from camfilter.lab.evaluate.cropping import CropRule, Sighting, SpyDetector, cut
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.recognisers import ForeignRecogniser
from camfilter.lab.evaluate.subjects import find_subjects, read_still

REPOSITORY = Path(__file__).resolve().parents[1]
MARGINS: Final = (-0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
BATCH: Final = 64

Seen = tuple[str | None, Pixels, Sighting]
"""What a still shows, the still, and where its face is."""


def main(
    recogniser: Annotated[list[Path], typer.Option(help="ONNX file; may be repeated.")],
    *,
    data: Annotated[Path, typer.Option(envvar="CAMFILTER_DATA")] = (
        REPOSITORY.parent / "shared" / "data"
    ),
    faces: Annotated[int, typer.Option(help="Faces to read.", min=20)] = 600,
) -> None:
    """Print the share of faces that each reads right, with each margin."""
    seen = stills(data, faces)
    table = Table("margin", *(f"{margin:g}" for margin in MARGINS), title=f"{len(seen)} faces")
    for reader in map(ForeignRecogniser, recogniser):
        shares = [accuracy(reader, seen, margin) for margin in MARGINS]
        table.add_row(reader.name, *(f"{share:.1%}" for share in shares))
    Console(width=120).print(table)


def stills(data: Path, faces: int) -> list[Seen]:
    """Validation stills in which the spy sees a face."""
    options = EvaluateOptions.of({"data": data, "part": "valid", "faces": faces})
    detector = SpyDetector()
    found = [
        (subject.label, pixels, sighting)
        for subject in find_subjects(options)
        if (sighting := detector.find(pixels := read_still(subject))) is not None
    ]
    detector.close()
    return found


def accuracy(reader: ForeignRecogniser, seen: Sequence[Seen], margin: float) -> float:
    """Share of the stills that a recogniser reads right.

    Args:
        reader: the recogniser; its own margin is not asked for.
        seen: the stills.
        margin: of the box's side, on each side.
    """
    rule = CropRule(reader.rule.size_px, margin)
    right = 0
    for start in range(0, len(seen), BATCH):
        some = seen[start : start + BATCH]
        answers = reader.read([cut(pixels, sighting, rule) for _, pixels, sighting in some])
        said = [reader.classes[index] for index in np.argmax(answers, axis=1)]
        right += sum(one == label for one, (label, _, _) in zip(said, some, strict=True))
    return right / len(seen)


if __name__ == "__main__":
    typer.run(main)
