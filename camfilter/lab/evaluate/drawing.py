"""The report's figures and pictures, as PNG."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from camfilter.lab.evaluate.plan import Condition, Kind
from camfilter.lab.evaluate.run import Evaluation
from camfilter.lab.evaluate.table import row_name

__all__ = ["Example", "draw_fooled", "draw_leakage", "draw_over_time", "examples"]

_MAGNIFIED: Final = 20
_BEFORE, _AFTER, _CONTROL = "#9aa5b1", "#1f6f8b", "#d9a441"


@dataclass(frozen=True, slots=True)
class Example:
    """The middle frame of a clip: before, after, and the difference magnified, as PNG."""

    name: str
    before: bytes
    after: bytes
    difference: bytes


def draw_fooled(rows: list[dict[str, Any]]) -> bytes:
    """How often each spy that was sure is fooled, beside the control and the codec alone."""
    figure, axes = _figure(len(rows))
    series = (("filtered", "fooled", _AFTER), ("random control", "control", _CONTROL),
              ("codec alone", "codec_alone", _BEFORE))  # fmt: skip
    for place, (label, key, colour) in enumerate(series):
        values = [100 * (row["frame"][key]["sure"] or 0) for row in rows]
        axes.barh([y + 0.27 * (place - 1) for y in range(len(rows))], values, 0.25,
                  label=label, color=colour)  # fmt: skip
    axes.set(xlabel="fooled where sure, % of frames", xlim=(0, 100))
    return _finished(figure, axes, rows)


def draw_leakage(rows: list[dict[str, Any]]) -> bytes:
    """Leakage in bits before and after the filter."""
    figure, axes = _figure(len(rows))
    series = (("unfiltered", "coded", _BEFORE), ("filtered", "filtered", _AFTER),
              ("random control", "control", _CONTROL))  # fmt: skip
    for place, (label, key, colour) in enumerate(series):
        values = [(row["frame"]["leakage"][key] or {"bits": 0})["bits"] for row in rows]
        axes.barh([y + 0.27 * (place - 1) for y in range(len(rows))], values, 0.25,
                  label=label, color=colour)  # fmt: skip
    axes.set(xlabel="leakage, bits")
    return _finished(figure, axes, rows)


def draw_over_time(rows: list[dict[str, Any]]) -> bytes:
    """How fast the filter takes hold: fooled share by half seconds since the face appeared."""
    figure, axes = _figure(8)
    for row in rows:
        times = [part["from_s"] + 0.25 for part in row["over_time"]]
        shares = [100 * part["fooled"] for part in row["over_time"]]
        axes.plot(times, shares, marker="o", markersize=3, label=row_name(row))
    axes.set(xlabel="seconds since the clip began", ylabel="fooled, % of frames", ylim=(0, 101))
    axes.legend(fontsize=7, ncols=2)
    return _png(figure)


def examples(evaluation: Evaluation, count: int) -> list[Example]:
    """The first clips, before and after."""
    plan, cache = evaluation.plan, evaluation.cache
    found = []
    for subject in evaluation.subjects[:count]:
        clip = plan.clip_key(subject)
        keys = [plan.condition_key(Condition(k)) for k in (Kind.UNFILTERED, Kind.FILTERED)]
        before, after = (cache.picture(clip, key) for key in keys)
        if before is not None and after is not None:
            found.append(Example(subject.name, before, after, _difference(before, after)))
    return found


def _difference(before: bytes, after: bytes) -> bytes:
    first, second = (
        np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), np.int16)
        for png in (before, after)
    )
    magnified = np.clip(128 + _MAGNIFIED * (second - first), 0, 255).astype(np.uint8)
    return cv2.imencode(".png", magnified)[1].tobytes()


def _figure(rows: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 1.2 + 0.34 * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _finished(figure: Figure, axes: Axes, rows: list[dict[str, Any]]) -> bytes:
    axes.set_yticks(range(len(rows)), [row_name(row) for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
