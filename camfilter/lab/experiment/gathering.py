"""One page that gathers the findings of all experiments in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

import camfilter
from camfilter.atomic import AtomicFile
from camfilter.errors import SourceError
from camfilter.lab.experiment.findings import RESULTS_FILE, Record, embedded

__all__ = ["REPORT_FILE", "gather"]

REPORT_FILE: Final = "report.html"


def gather(folder: Path) -> Path:
    """Write report.html from all findings in a folder, one experiment a chapter.

    Args:
        folder: holds one folder an experiment.

    Returns:
        The page's path.

    Raises:
        SourceError: there are no findings, or some cannot be read.
        SinkError: the page cannot be written.
    """
    places = sorted(file.parent for file in folder.glob(f"*/{RESULTS_FILE}"))
    if not places:
        raise SourceError(f"There are no findings in {folder}.", "Run camfilter lab caa first.")
    environment = Environment(
        loader=PackageLoader("camfilter.lab.experiment", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["embedded"] = embedded
    page = environment.get_template("report.html.j2").render(
        records=[Record.read(place) for place in places], version=camfilter.__version__
    )
    AtomicFile(folder / REPORT_FILE).write(page.encode())
    return folder / REPORT_FILE
