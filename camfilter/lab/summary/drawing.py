"""The figures about further attacks and defences as drawings."""

from __future__ import annotations

from typing import Final

import numpy as np

from camfilter.lab.experiment.findings import Drawing, new_figure
from camfilter.lab.summary.attacking import ATTACKS
from camfilter.lab.summary.collect import WAYS, Measured
from camfilter.lab.summary.subjects import NAMES

__all__ = ["drawings_of"]

_COLOURS: Final = {"naive": "tab:green", "transfer": "tab:orange", "knowing": "tab:red"}
_TOLD: Final = {
    "naive": "knows nothing of the defence",
    "transfer": "by the undefended network",
    "knowing": "knows the defence",
}


def drawings_of(measured: Measured) -> list[Drawing]:
    """Least changes by way, accuracy under each attack, and ranks after k-A3."""
    return [_least(measured), _accuracy(measured), _ranks(measured)]


def _least(measured: Measured) -> Drawing:
    figure = new_figure(11, 6.2)
    for axes, norm, unit, label in zip(
        figure.subplots(1, 2, sharey=True), ("linf", "l2"), (255.0, 1.0),
        ("Linf, grey levels", "L2, pixels in [0, 1]"), strict=True,
    ):  # fmt: skip
        for number, way in enumerate(WAYS):
            for place, name in enumerate(NAMES):
                found = measured.least_of(name, norm, way)
                if found is None or found.median is None:
                    continue
                axes.barh(
                    place + 0.27 * (number - 1), unit * found.median, 0.25, color=_COLOURS[way],
                    label=_TOLD[way] if name == "distilled" else None,
                )  # fmt: skip
        axes.set_yticks(range(len(NAMES)), NAMES)
        axes.set_xlabel(label)
        axes.set_ylim(len(NAMES) - 0.4, -0.6)
        axes.grid(axis="x", alpha=0.3)
    figure.axes[1].legend(fontsize=8, loc="best", title="the attacker")
    figure.suptitle("Least change that deceives (median)")
    return Drawing.of("summary-least", "Least change that deceives", figure)


def _accuracy(measured: Measured) -> Drawing:
    columns = ("natural", *ATTACKS)
    share = np.array(
        [
            [measured.natural(name), *(measured.worst(name, attack) for attack in ATTACKS)]
            for name in NAMES
        ]
    )
    figure = new_figure(9, 5.5)
    axes = figure.subplots()
    axes.imshow(100 * share, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(NAMES)), NAMES)
    for row, values in enumerate(share):
        for column, value in enumerate(values):
            colour = "white" if value > 0.5 else "black"
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=colour)
    axes.set_title("Per cent read right, worst of what an attacker may know")
    return Drawing.of("summary-accuracy", "Accuracy under each attack", figure)


def _ranks(measured: Measured) -> Drawing:
    ks = measured.options.ks
    figure = new_figure(3.8 * len(ks) + 0.8, 3.8)
    grid = np.atleast_1d(figure.subplots(1, len(ks), sharey=True))
    for axes, k in zip(grid, ks, strict=True):
        for offset, spread, told in ((-0.2, False, "as it is"), (0.2, True, "rank drawn")):
            ranks = next(
                made.figures["ranks"]
                for order, made in measured.hidden
                if order["k"] == k and order["spread"] == spread
            )
            axes.bar(np.arange(1, len(ranks) + 1) + offset, ranks, 0.38, label=told)
        axes.axhline(1 / k, color="black", ls="--", lw=1, label="1/k")
        axes.set(title=f"k = {k}", xlabel="rank of the true class", ylim=(0, 1))
        axes.grid(axis="y", alpha=0.3)
    grid[0].set_ylabel("share of faces, 8 bits")
    grid[0].legend(fontsize=8)
    return Drawing.of("summary-k-a3", "Rank of the true class after k-A3", figure)
