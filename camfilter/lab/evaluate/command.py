"""What `camfilter evaluate` does once its words are understood."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from camfilter.lab.evaluate.collect import collect
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.report import write_reports
from camfilter.lab.evaluate.run import evaluate
from camfilter.lab.evaluate.table import channel_table, sentences, verdict_table
from camfilter.settings import ChainSettings

__all__ = ["evaluate_and_report"]


def evaluate_and_report(
    values: Mapping[str, Any],
    chain: Mapping[str, Any],
    out: Path,
    *,
    jobs: int,
    fresh: bool,
    on_start: Callable[[int], None],
    on_clip: Callable[[str], None],
) -> Callable[[Console], None]:
    """Evaluate, and write the reports.

    Args:
        values: fields of `EvaluateOptions` that were given, but for the settings.
        chain: fields of `ChainSettings` that were given.
        out: folder for reports and cache.
        jobs: processes.
        fresh: forget what an earlier run computed.
        on_start: is told the number of clips.
        on_clip: is told the name of each clip that is done.

    Returns:
        Prints the figures on a console.

    Raises:
        CamfilterError: an option, an input or a recogniser cannot be used.
    """
    options = EvaluateOptions.of({**values, "settings": ChainSettings.of(chain)})
    evaluation = evaluate(options, out, jobs=jobs, fresh=fresh, on_start=on_start, on_clip=on_clip)
    figures = collect(evaluation)
    files = write_reports(evaluation, figures, out)

    def show(console: Console) -> None:
        for name in figures["channels"]:
            console.print(channel_table(figures, name))
        for line in sentences(figures):
            console.print(line, highlight=False, soft_wrap=True)
        console.print(verdict_table(figures))
        console.print(f"Look at {files[-1]}.", highlight=False, soft_wrap=True)

    return show
