"""The figures about transfer as drawings."""

from __future__ import annotations

from collections.abc import Sequence

from camfilter.lab.experiment.findings import Drawing, new_figure
from camfilter.lab.transfer.collect import Measured, Row

__all__ = ["drawings_of"]


def drawings_of(measured: Measured) -> list[Drawing]:
    """Gains over the control with their intervals, own unseen families and foreign ones."""
    parts = [
        ("transfer-trained", "Gain of each ingredient of training",
         [row for row in measured.rows if row.arm and not row.joint and row != row.baseline]),
        ("transfer-gradients", "Gain of each way to take the gradient",
         [row for row in measured.rows if not row.arm and row != row.baseline]),
    ]  # fmt: skip
    return [_gains(measured, *part) for part in parts if part[2]]


def _gains(measured: Measured, name: str, title: str, rows: Sequence[Row]) -> Drawing:
    figure = new_figure(9, 1.4 + 0.36 * len(rows))
    axes = figure.subplots()
    what = f"fooled-{measured.stages[-1]}"
    for own, colour, told, lift in (
        (True, "tab:blue", "other families", -0.12),
        (False, "tab:orange", "recognisers of others", 0.12),
    ):
        for place, row in enumerate(rows):
            gain = measured.gain(row, what, measured.readers(row.network, own=own))
            if gain is None:
                continue
            span = [[100 * (gain.value - gain.low)], [100 * (gain.high - gain.value)]]
            axes.errorbar(
                [100 * gain.value], [place + lift], xerr=span, fmt="o", ms=4, capsize=3,
                color=colour, label=told if place == 0 else None,
            )  # fmt: skip
    networks = {row.network for row in rows}
    names = [row.name if len(networks) == 1 else f"{row.network}, {row.name}" for row in rows]
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    axes.set_xlabel("points gained: fooled where sure, less the baseline; 95 % interval over faces")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8)
    return Drawing.of(name, title, figure)
