"""What `camfilter lab NAME` does once its words are understood."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table as ShownTable

from camfilter.atomic import AtomicFile
from camfilter.lab.experiment.base import Experiment, options_of
from camfilter.lab.experiment.findings import Record, machine_in_words
from camfilter.lab.experiment.gathering import gather
from camfilter.lab.experiment.made import digest_of_lab
from camfilter.lab.experiment.spreading import spreader_for
from camfilter.lab.experiment.workbench import Progress, Workbench

__all__ = ["experiment_named", "run_experiment"]

_EXPERIMENTS: Final = {
    "caa": "camfilter.lab.caa:Chaining",
    "bench": "camfilter.lab.smartbox:SmartBox",
    "faceoff": "camfilter.lab.faceoff:FaceOff",
    "summary": "camfilter.lab.summary:Summary",
    "imbalance": "camfilter.lab.imbalance:Imbalance",
    "transfer": "camfilter.lab.transfer:Transfer",
}
_KEPT: Final = "kept"
_COLUMNS_SHOWN: Final = 8
_ROWS_SHOWN: Final = 40
_SHARED_CODE: Final = ("experiment/made.py",)


class _Spent:
    """Time spent on the findings in a folder, by all runs that went on with them.

    Args:
        file: where it is kept.
        fresh: forget what earlier runs took.
    """

    def __init__(self, file: Path, *, fresh: bool) -> None:
        self._file = file
        self.seconds, self.runs = 0.0, 0
        with suppress(OSError, ValueError, KeyError, TypeError):
            if not fresh:
                kept = json.loads(file.read_bytes())
                self.seconds, self.runs = float(kept["seconds"]), int(kept["runs"])

    def add(self, seconds: float) -> None:
        """Count one more run, finished or not."""
        self.seconds, self.runs = self.seconds + seconds, self.runs + 1
        content = json.dumps({"seconds": round(self.seconds, 1), "runs": self.runs})
        AtomicFile(self._file).write(content.encode())


def experiment_named(name: str) -> Experiment:
    """One of the lab's experiments: caa, bench, faceoff, summary, imbalance or transfer."""
    module, _, kind = _EXPERIMENTS[name].partition(":")
    experiment: Experiment = getattr(import_module(module), kind)()
    return experiment


def run_experiment(
    experiment: Experiment,
    given: Mapping[str, Any],
    out: Path,
    *,
    config: Path | None = None,
    quick: bool = False,
    jobs: int = 1,
    ray: str | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[Console], None]:
    """Run an experiment, write its findings to OUT/NAME and all findings to OUT/report.html.

    Args:
        experiment: which.
        given: its options from the command line.
        out: folder of all findings.
        config: a TOML file with further options.
        quick: a first look.
        jobs: processes.
        ray: address of a Ray cluster, instead of processes.
        fresh: forget what earlier runs made.
        progress: who is told.
        clock: in seconds.

    Returns:
        Prints the findings on a console.

    Raises:
        CamfilterError: an option or the data cannot be used.
    """
    started = clock()
    options = options_of(experiment.options, given, config=config, quick=quick)
    # Workers of a cluster stand in other folders.
    options = options.model_copy(update={"data": options.data.absolute()})
    workbench = Workbench(
        out / experiment.name / _KEPT,
        digest_of_lab((*_SHARED_CODE, *experiment.code)),
        spreader_for(jobs, ray),
        progress=progress,
        fresh=fresh,
    )
    spent = _Spent(out / experiment.name / "spent.json", fresh=fresh)
    try:
        findings = experiment.run(options, workbench)
    finally:
        spent.add(clock() - started)
    shown = {key: value for key, value in options.model_dump(mode="json").items() if key != "data"}
    record = Record(
        experiment.name, experiment.title, shown, quick, spent.seconds, findings,
        machine_in_words(), spent.runs,
    )  # fmt: skip
    record.write(out / experiment.name)
    report = gather(out)

    def show(console: Console) -> None:
        for table in findings.tables:
            if len(table.columns) > _COLUMNS_SHOWN or len(table.rows) > _ROWS_SHOWN:
                continue  # the page and the CSV have it
            shown_table = ShownTable(title=table.title, caption=table.note or None)
            for index, name in enumerate(table.columns):
                shown_table.add_column(name, justify="left" if index == 0 else "right")
            for row in table.as_text_rows():
                shown_table.add_row(*row)
            console.print(shown_table)
        for paragraph in findings.text:
            console.print(paragraph, highlight=False)
        console.print(f"Look at {report}.", highlight=False, soft_wrap=True)

    return show
