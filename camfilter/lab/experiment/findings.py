"""What an experiment found: sentences, tables and drawings, and the files they become."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from camfilter.atomic import AtomicFile, one_line
from camfilter.bench.machine import described
from camfilter.errors import SinkError, UnreadableSource

__all__ = ["Drawing", "Findings", "Record", "Table", "embedded", "machine_in_words", "new_figure"]

RESULTS_FILE = "results.json"


@dataclass(frozen=True)
class Table:
    """Rows of figures.

    Attributes:
        name: of its CSV file.
        title: above it.
        rows: one mapping a row from column to value; the first row's keys are the columns.
        note: below it; may be empty.
    """

    name: str
    title: str
    rows: Sequence[Mapping[str, Any]]
    note: str = ""

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def as_csv(self) -> str:
        """The table as CSV text, floats in full."""
        buffer = io.StringIO(newline="")
        writer = csv.DictWriter(buffer, self.columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return buffer.getvalue()

    def as_text_rows(self) -> list[list[str]]:
        """Each cell as a person reads it: floats to three digits, nothing as a dash."""
        return [[_told(row.get(name)) for name in self.columns] for row in self.rows]


@dataclass(frozen=True)
class Drawing:
    """A figure as PNG.

    Attributes:
        name: of its file.
        title: above it.
        png: content of the file.
        shows_data: whether it shows pictures of the data, which others may own; such a drawing
            stays where the experiment was run.
    """

    name: str
    title: str
    png: bytes
    shows_data: bool = False

    @classmethod
    def of(cls, name: str, title: str, figure: Figure, *, shows_data: bool = False) -> Self:
        """Draw a figure of matplotlib."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
        return cls(name, title, buffer.getvalue(), shows_data)


@dataclass(frozen=True)
class Findings:
    """What an experiment found.

    Attributes:
        text: paragraphs that say what came out, where it agrees with the paper, where not and why.
        tables: of all figures.
        drawings: of the most telling ones.
        figures: further plain values, for programs.
    """

    text: Sequence[str]
    tables: Sequence[Table]
    drawings: Sequence[Drawing] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """Findings with how they came about.

    Attributes:
        name: of the experiment.
        title: of the experiment.
        options: plain values.
        quick: whether it was only a first look.
        seconds: all runs took that made it, those that were interrupted, too.
        findings: what was found.
        machine: what it ran on.
        runs: how many there were; each goes on where the one before stopped.
    """

    name: str
    title: str
    options: Mapping[str, Any]
    quick: bool
    seconds: float
    findings: Findings
    machine: str
    runs: int = 1

    def write(self, folder: Path) -> None:
        """Write results.json, one CSV a table, one PNG a drawing, and NAME.md, each whole.

        Raises:
            SinkError: a file cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"{folder} cannot be made: {one_line(error)}.") from error
        contents = {
            **{f"{table.name}.csv": table.as_csv().encode() for table in self.findings.tables},
            **{f"{drawing.name}.png": drawing.png for drawing in self.findings.drawings},
            f"{self.name}.md": self.as_markdown().encode(),
            RESULTS_FILE: json.dumps(self.as_json(), indent=1).encode() + b"\n",
        }
        for name, content in contents.items():
            AtomicFile(folder / name).write(content)

    @property
    def how(self) -> str:
        """One line: options, machine and time."""
        options = ", ".join(f"{name} {_told(value)}" for name, value in self.options.items())
        kind = "first look" if self.quick else "full run"
        runs = "" if self.runs == 1 else f" in {self.runs} runs"
        return f"{kind}, {self.seconds:.0f} s{runs} on {self.machine}; {options}"

    def as_json(self) -> dict[str, Any]:
        """Everything but the drawings, as plain values."""
        return {
            "name": self.name, "title": self.title, "quick": self.quick,
            "seconds": round(self.seconds, 1), "machine": self.machine, "runs": self.runs,
            "options": dict(self.options), "text": list(self.findings.text),
            "tables": [
                {"name": t.name, "title": t.title, "note": t.note, "rows": list(map(dict, t.rows))}
                for t in self.findings.tables
            ],
            "drawings": [
                {"name": d.name, "title": d.title, "shows_data": d.shows_data}
                for d in self.findings.drawings
            ],
            "figures": dict(self.findings.figures),
        }  # fmt: skip

    def as_markdown(self) -> str:
        """The findings as a page; its drawings lie beside it."""
        lines = [f"# {self.title}", "", f"`camfilter lab {self.name}`: {self.how}.", ""]
        for paragraph in self.findings.text:
            lines += [paragraph, ""]
        for table in self.findings.tables:
            lines += [f"## {table.title}", "", f"| {' | '.join(table.columns)} |"]
            lines.append(f"|{' --- |' * len(table.columns)}")
            lines += [f"| {' | '.join(row)} |" for row in table.as_text_rows()]
            lines += ["", *([table.note, ""] if table.note else [])]
        for drawing in self.findings.drawings:
            lines += [f"## {drawing.title}", "", f"![{drawing.title}]({drawing.name}.png)", ""]
        return "\n".join(lines).rstrip() + "\n"

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read back what `write` wrote.

        Raises:
            UnreadableSource: a file is missing or malformed.
        """
        try:
            values = json.loads((folder / RESULTS_FILE).read_bytes())
            drawings = [
                Drawing(
                    d["name"],
                    d["title"],
                    (folder / f"{d['name']}.png").read_bytes(),
                    d.get("shows_data", False),
                )
                for d in values["drawings"]
            ]
            tables = [Table(t["name"], t["title"], t["rows"], t["note"]) for t in values["tables"]]
            findings = Findings(values["text"], tables, drawings, values["figures"])
            return cls(
                values["name"], values["title"], values["options"], values["quick"],
                values["seconds"], findings, values["machine"], values.get("runs", 1),
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UnreadableSource(
                f"{folder} holds no findings: {one_line(error)}.", "Run the experiment again."
            ) from error


def new_figure(width_in: float = 8, height_in: float = 4.5) -> Figure:
    """An empty figure that is drawn without a screen."""
    figure = Figure(figsize=(width_in, height_in), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def embedded(png: bytes) -> str:
    """A picture as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _told(value: object) -> str:
    match value:
        case None:
            return "–"  # noqa: RUF001 - a dash for nothing
        case float():
            return f"{value:.3g}"
        case [] | ():
            return "–"  # noqa: RUF001 - a dash for nothing
        case list() | tuple():
            return " ".join(_told(part) for part in value)
    return str(value)


def machine_in_words() -> str:
    """The machine in one line, without names of people or paths."""
    machine = described(1, [])
    return f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}"
