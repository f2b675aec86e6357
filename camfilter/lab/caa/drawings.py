"""The drawings of the experiment, after the paper's figures 2 to 5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from camfilter.lab.caa.curves import Curve
from camfilter.lab.caa.faces import SET_NAMES
from camfilter.lab.caa.options import shown_epsilon
from camfilter.lab.experiment.findings import Drawing, new_figure

__all__ = ["drawn_fool_rates", "drawn_measures"]

_COLOURS: Final = {"CUA": "#0b6e99", "CTA": "#c2570c"}
_PLAIN: Final = {"CUA": "PUA", "CTA": "PTA"}
_STYLES: Final = {"float": "-", "rint": ":"}
_PANELS: Final = (
    ("entropy_bits", "Entropy [bits]", "2", "5"),
    ("linf", "Linf [of 1]", "3a", "5"),
    ("l2", "L2", "3b", "5d"),
    ("l0_share", "L0 [share of pixels], above 0", "3c", "5"),
    ("fool_rate", "Fool rate", "4", "5"),
)
_WIDTHS: Final = {"CUA": 2.8, "CTA": 1.2}  # so that both are seen where they coincide
_SMALLER: Final = 0.0005


def drawn_measures(curves: Sequence[Curve]) -> Drawing:
    """All figures of the chains of one set, network, attack and epsilon, by chain length.

    Args:
        curves: CUA and, where there is one, CTA.
    """
    plan = curves[0].plan
    figure = new_figure(11, 6.2)
    axes = figure.subplots(2, 3)
    where = 3 if plan.size is not None and plan.size < _SMALLER else 2
    for panel, axis in zip(_PANELS, axes.flat, strict=False):
        for curve in curves:
            _draw(axis, curve, panel[0])
        if panel[0] == "entropy_bits":
            clean = curves[0].figures["entropy_bits"]
            axis.axhline(clean, color="#888888", linewidth=0.8)
        _label(axis, plan.lengths, f"{panel[1]} (paper: figure {panel[where]})")
        if panel[0] == "fool_rate":
            axis.set_ylim(-0.02, 1.02)
        if panel[0] == "l0_share":
            _look_closer(axis, curves)
    legend = axes.flat[-1]
    legend.axis("off")
    for curve in curves:
        colour = _COLOURS[curve.plan.chain]
        plain = _PLAIN[curve.plan.chain]
        width = _WIDTHS[curve.plan.chain]
        for style, words in (("-o", "float"), (":o", "8 bits")):
            label = f"{curve.plan.chain}, {words}"
            legend.plot([], [], style, color=colour, linewidth=width, markersize=3, label=label)
        legend.plot([], [], "--", color=colour, linewidth=0.8, label=f"{plain}, float")
    legend.plot([], [], "-", color="#888888", linewidth=0.8, label="clean faces (entropy)")
    legend.legend(loc="center", frameon=False)
    name = shown_epsilon(plan.size)
    what = f"{SET_NAMES[plan.set]}, {plan.network}, {plan.attack}, epsilon {name}"
    file = f"caa-{plan.set}-{plan.network}-{plan.attack}-{name.replace('/', 'of')}"
    return Drawing.of(file, f"Chain length: {what}", figure)


def drawn_fool_rates(curves: Sequence[Curve]) -> Drawing:
    """Fool rate by chain length for every epsilon of one set, network and attack."""
    plan = curves[0].plan
    chains = list(dict.fromkeys(curve.plan.chain for curve in curves))
    sizes = list(dict.fromkeys(curve.plan.size for curve in curves))
    figure = new_figure(4.2 * len(chains) + 1.2, 3.8)
    axes = np.atleast_1d(figure.subplots(1, len(chains), sharey=True))
    for axis, chain in zip(axes, chains, strict=True):
        for curve in curves:
            if curve.plan.chain == chain:
                place = sorted(sizes, key=lambda size: size or 0).index(curve.plan.size)
                colour = _ramp(place / max(1, len(sizes) - 1))
                for form, style in _STYLES.items():
                    name = shown_epsilon(curve.plan.size) if form == "float" else None
                    axis.plot(
                        curve.plan.lengths, _numbers(curve.series("fool_rate", form)),
                        style, marker="o", markersize=3, color=colour, label=name,
                    )  # fmt: skip
        axis.set_ylim(-0.02, 1.02)
        _label(axis, plan.lengths, f"{chain}: fool rate, dotted in 8 bits")
    axes[-1].legend(
        title="epsilon", loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8
    )
    what = f"{SET_NAMES[plan.set]}, {plan.network}, {plan.attack}"
    file = f"caa-fool-rate-{plan.set}-{plan.network}-{plan.attack}"
    return Drawing.of(file, f"Fool rate for every epsilon: {what}", figure)


def _draw(axis: Axes, curve: Curve, measure: str) -> None:
    colour = _COLOURS[curve.plan.chain]
    for form, style in _STYLES.items():
        values = _numbers(curve.series(measure, form))
        axis.plot(
            curve.plan.lengths, values, style, marker="o", markersize=3, color=colour,
            linewidth=_WIDTHS[curve.plan.chain],
        )  # fmt: skip
    axis.axhline(curve.first(measure), color=colour, linestyle="--", linewidth=0.8)


def _look_closer(axis: Axes, curves: Sequence[Curve]) -> None:
    """Let the ups and downs be seen: rounded changes of nothing at all lie below the picture."""
    shown = [
        value for curve in curves for form in _STYLES for value in curve.series("l0_share", form)
    ]
    least, most = min(filter(None, shown), default=0.0), max(filter(None, shown), default=1.0)
    margin = 0.08 * (most - least) or 0.01
    axis.set_ylim(least - margin, most + margin)


def _label(axis: Axes, lengths: Sequence[int], title: str) -> None:
    axis.set_title(title, fontsize=10)
    axis.set_xlabel("chain length", fontsize=9)
    step = max(1, len(lengths) // 10)
    axis.set_xticks(list(lengths)[::step])
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25)


def _numbers(series: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in series]


def _ramp(share: float) -> tuple[float, float, float]:
    """From light to dark blue."""
    light, dark = np.array([0.62, 0.79, 0.88]), np.array([0.03, 0.19, 0.42])
    red, green, blue = light + share * (dark - light)
    return float(red), float(green), float(blue)
