"""Puts the findings of an experiment of the lab beside the documentation."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from camfilter.atomic import AtomicFile
from camfilter.errors import CamfilterError, SettingError, SourceNotFound
from camfilter.lab.experiment.findings import Record

DOCS = Path(__file__).resolve().parents[1] / "docs" / "lab"
PICTURE = re.compile(r"(!\[[^\]]*\]\()([^)/]+\.png\))")


def publish(source: Path, docs: Path) -> list[Path]:
    """Copy NAME.md, its drawings and its tables, each under a name that begins with NAME.

    Drawings that show pictures of the data stay behind: others may own those.
    What an earlier run left there and this one has not is removed.

    Args:
        source: folder of one experiment's findings.
        docs: where they go.

    Returns:
        The files, sorted.

    Raises:
        SourceNotFound: there are no findings.
        SettingError: they are only a first look.
        CamfilterError: they cannot be read or written.
    """
    if not (source / "results.json").is_file():
        raise SourceNotFound(f"There are no findings in {source}.", "Run camfilter lab first.")
    record = Record.read(source)
    if record.quick:
        raise SettingError(f"{source} holds a first look.", "Run it again without --quick.")
    kept = [drawing for drawing in record.findings.drawings if not drawing.shows_data]
    record = replace(record, findings=replace(record.findings, drawings=kept))
    name, page = record.name, record.as_markdown()
    linked = PICTURE.sub(lambda found: found[1] + flat(name, found[2]), page)
    contents = {
        f"{name}.md": linked.encode(),
        **{flat(name, file.name): file.read_bytes()
           for part, kind in ((record.findings.drawings, "png"), (record.findings.tables, "csv"))
           for file in (source / f"{one.name}.{kind}" for one in part)},
    }  # fmt: skip
    docs.mkdir(parents=True, exist_ok=True)
    for old in docs.glob(f"{name}-*"):
        if old.name not in contents and old.suffix in (".png", ".csv"):
            old.unlink()
    for file, content in contents.items():
        AtomicFile(docs / file).write(content)
    return sorted(docs / file for file in contents)


def flat(name: str, file: str) -> str:
    """The name of a file among those of other experiments."""
    return file if file.startswith(f"{name}-") else f"{name}-{file}"


def main(
    source: Annotated[Path, typer.Argument(help="Findings of one experiment: OUT/NAME.")],
    docs: Annotated[Path, typer.Option(help="Folder for them.")] = DOCS,
) -> None:
    """Copy the findings of a full run of an experiment to docs/lab/."""
    try:
        for file in publish(source, docs):
            print(file.name)
    except CamfilterError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
