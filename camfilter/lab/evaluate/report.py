"""The figures as files: JSON for programs, CSV for tables, HTML for people."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from camfilter.atomic import AtomicFile
from camfilter.lab.evaluate.drawing import draw_fooled, draw_leakage, draw_over_time, examples
from camfilter.lab.evaluate.run import Evaluation
from camfilter.lab.evaluate.table import row_name, sentences
from camfilter.lab.evaluate.verdict import promises

__all__ = ["write_reports"]

_EXAMPLES: Final = 4
_IDENTITY: Final = (
    "channel",
    "recogniser",
    "family",
    "kind",
    "countermeasure",
    "excluded",
    "unseen",
)


def write_reports(evaluation: Evaluation, figures: dict[str, Any], folder: Path) -> list[Path]:
    """Write report.json, report.csv and report.html, each whole or not at all.

    Args:
        evaluation: for the pictures.
        figures: what `collect` found.
        folder: exists.

    Raises:
        SinkError: a file cannot be written.
    """
    contents = {
        "report.json": json.dumps(figures, indent=2) + "\n",
        "report.csv": _as_csv(figures),
        "report.html": _as_html(evaluation, figures),
    }
    for name, text in contents.items():
        AtomicFile(folder / name).write(text.encode())
    return [folder / name for name in contents]


def _as_csv(figures: dict[str, Any]) -> str:
    """One line for each row, once by frame and once by clip."""
    lines = [
        {**{name: row[name] for name in _IDENTITY}, "by": level, **_flat(row[level])}
        for row in figures["rows"]
        for level in ("frame", "clip")
    ]
    columns = list(dict.fromkeys(name for line in lines for name in line))
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return buffer.getvalue()


def _flat(level: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {"frames": level["frames"]}
    for name in ("accuracy", "entropy_bits", "target", "steered"):
        for condition, value in level.get(name, {}).items():
            flat[f"{name}_{condition}"] = value
    for name in ("codec_alone", "fooled", "control"):
        for frames in ("all", "sure", "right"):
            flat[f"{name}_{frames}"] = level[name][frames]
    for condition, leak in level["leakage"].items():
        flat[f"leakage_bits_{condition}"] = None if leak is None else leak["bits"]
    return flat


def _as_html(evaluation: Evaluation, figures: dict[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("camfilter.lab.evaluate", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = _percent
    environment.filters["number"] = _number
    environment.filters["embedded"] = _embedded
    return environment.get_template("report.html.j2").render(
        figures=figures,
        summary=list(sentences(figures)),
        promises=list(promises(figures)),
        sections=list(_sections(figures)),
        examples=examples(evaluation, _EXAMPLES),
        row_name=row_name,
        settings={k: v for k, v in figures["options"]["settings"].items() if v not in (None, [])},
    )


def _sections(figures: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for channel in figures["channels"]:
        rows = [row for row in figures["rows"] if row["channel"] == channel]
        plain = [row for row in rows if row["countermeasure"] == "plain"]
        yield {
            "channel": channel,
            "sent": figures["channels"][channel],
            "rows": rows,
            "drawings": [
                ("Fooled where the spy was sure", draw_fooled(rows)),
                ("Leakage", draw_leakage(rows)),
                ("From the first frame on", draw_over_time(plain)),
            ],
        }


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"  # noqa: RUF001 - a dash for nothing


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"  # noqa: RUF001 - a dash for nothing


def _embedded(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
