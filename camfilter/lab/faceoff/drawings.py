"""The drawings of the experiment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from camfilter.lab.experiment.findings import Drawing, new_figure
from camfilter.lab.experiment.made import Made
from camfilter.lab.faceoff.options import KAPPA_SCALE, FaceOffOptions
from camfilter.lab.faceoff.plans import Attacked

__all__ = ["drawn_amplification", "drawn_kappa", "drawn_portraits", "drawn_transfer"]

_COLOURS: Final = ("#0b6e99", "#c2570c", "#4c7a34", "#7a4b94", "#888888", "#a03030")


def drawn_transfer(attacked: Sequence[Attacked], options: FaceOffOptions) -> Drawing:
    """A matrix for each rate and amplification: rows made with, columns judges."""
    alphas = sorted({options.alphas[0], options.alpha})
    figure = new_figure(3.1 * len(alphas) + 4.6, 0.5 * len(attacked) + 4.6)
    axes = np.atleast_2d(figure.subplots(2, len(alphas), sharex=True, sharey=True))
    judges = list(options.networks)
    for row, rate in enumerate(("hidden", "targeted")):
        for column, alpha in enumerate(alphas):
            axis: Axes = axes[row, column]
            values = np.full((len(attacked), len(judges)), np.nan)
            for i, one in enumerate(attacked):
                for found in one.made.figures["rows"]:
                    if found["alpha"] == alpha and found[rate] is not None:
                        values[i, judges.index(found["judge"])] = found[rate]
            axis.imshow(values, vmin=0, vmax=1, cmap="YlGnBu", aspect="auto")
            for i, j in np.ndindex(*values.shape):
                own = judges[j] in attacked[i].surrogates
                axis.text(
                    j, i, f"{values[i, j]:.2f}", ha="center", va="center", fontsize=9,
                    color="white" if values[i, j] > 0.6 else "black",
                    fontweight="bold" if own else "normal",
                )  # fmt: skip
            axis.set_title(f"{rate}, alpha {alpha:g}", fontsize=10)
            axis.set_xticks(range(len(judges)), [_short(name) for name in judges], fontsize=8)
            labels = [" + ".join(_short(name) for name in one.surrogates) for one in attacked]
            axis.set_yticks(range(len(attacked)), labels, fontsize=8)
    figure.supxlabel("judged by (bold: attacked from the inside)", fontsize=9)
    return Drawing.of("transfer-matrix", "Transfer between networks", figure)


def drawn_amplification(attacked: Sequence[Attacked], options: FaceOffOptions) -> Drawing:
    """Rates by alpha, for the attacked network and for the others."""
    figure = new_figure(11, 6.4)
    axes = figure.subplots(2, 2, sharex=True)
    panels = (("hidden", "hidden"), ("targeted", "matched with the target"))
    for row, own in enumerate((True, False)):
        for column, (rate, title) in enumerate(panels):
            axis: Axes = axes[row, column]
            for one, colour in zip(attacked, _COLOURS, strict=False):
                values = [one.rate(rate, alpha, own=own) for alpha in options.alphas]
                style = "--" if one.wish.label == "control" else "-"
                axis.plot(options.alphas, _numbers(values), style, color=colour, marker="o",
                          markersize=3, label=one.wish.label)  # fmt: skip
            whose = "the attacked network" if own else "the other networks"
            _dress(axis, f"{title}: {whose}", "alpha" if row else "")
    axes[0, 0].legend(fontsize=8, frameon=False)
    return Drawing.of("alpha", "What amplification gives", figure)


def drawn_kappa(attacked: Sequence[Attacked], options: FaceOffOptions) -> Drawing:
    """Rates of the other networks by kappa, a line for each alpha."""
    kinds = list(dict.fromkeys(one.wish.label for one in attacked))
    figure = new_figure(5.5 * len(kinds), 4.2)
    axes = np.atleast_1d(figure.subplots(1, len(kinds), sharey=True))
    chosen = [alpha for alpha in options.alphas if alpha in (1, 2, 3, 5, 8)] or options.alphas
    for kind, axis in zip(kinds, axes, strict=True):
        mine = [one for one in attacked if one.wish.label == kind]
        kappas = [one.wish.order["kappa"] / KAPPA_SCALE for one in mine]
        for alpha, colour in zip(chosen, _COLOURS, strict=False):
            values = [one.rate("hidden", alpha, own=False) for one in mine]
            axis.plot(kappas, _numbers(values), color=colour, marker="o", markersize=3,
                      label=f"alpha {alpha:g}")  # fmt: skip
        _dress(axis, f"{kind}: hidden from the other networks", "kappa")
    axes[0].legend(fontsize=8, frameon=False)
    return Drawing.of("kappa", "What the margin gives", figure)


def drawn_portraits(made: Made, alphas: Sequence[float], name: str) -> Drawing:
    """Two portraits before and after, from what `mask_portraits` made."""
    shown = made.arrays["shown"]
    figure = new_figure(2.4 * len(alphas), 5)
    axes = np.atleast_2d(figure.subplots(len(shown), len(alphas), squeeze=False))
    for row, column in np.ndindex(*axes.shape):
        axis: Axes = axes[row, column]
        axis.imshow(shown[row, column], cmap="gray", vmin=0, vmax=255)
        axis.axis("off")
        if row == 0:
            axis.set_title(f"alpha {alphas[column]:g}" if alphas[column] else "before", fontsize=10)
    return Drawing.of("portraits", f"Before and after: masks made with {name}", figure)


def _short(name: str) -> str:
    return name.removeprefix("embed-")


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]


def _dress(axis: Axes, title: str, below: str) -> None:
    axis.set_ylim(-0.03, 1.03)
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(below, fontsize=9)
    axis.grid(alpha=0.25)
    axis.tick_params(labelsize=8)
