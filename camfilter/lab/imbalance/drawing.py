"""The figures about unequal classes as drawings."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from camfilter.lab.experiment.findings import Drawing, new_figure
from camfilter.lab.imbalance.collect import ROLES, Mean, Networks
from camfilter.lab.imbalance.options import ARMS, ImbalanceOptions

__all__ = ["drawings_of"]

_COLOURS: Final = {"small": "tab:red", "other": "tab:blue"}
_TOLD: Final = {"small": "small class", "other": "other class"}


def drawings_of(options: ImbalanceOptions, networks: Networks) -> list[Drawing]:
    """Accuracy and least epsilon against the ratio, and the arms beside each other."""
    drawings = [_against_ratio(options, networks)]
    arms = [r for r in options.control_ratios if networks.each(r, "small", "natural", "scarce")]
    if arms:
        drawings.append(_arms(networks, arms))
    return drawings


def _against_ratio(options: ImbalanceOptions, networks: Networks) -> Drawing:
    figure = new_figure(11, 4.8)
    left, right = figure.subplots(1, 2)
    level = min((e for e in options.epsilons_levels if e >= 1), default=options.epsilons_levels[-1])
    for role in ROLES:
        for what, style, told in (
            ("natural", "-o", "clean"),
            (f"fgsm {level:g}", "--s", f"FGSM of {level:g}/255"),
            (f"noise {level:g}", ":^", f"noise of {level:g}/255"),
        ):
            _line(left, options, networks, role, what, style, told)
        for what, style, told in (("least", "-o", "float"), ("least_8bit", ":^", "8 bits")):
            _line(right, options, networks, role, what, style, told)
    left.set(ylabel="share read right", ylim=(-0.02, 1.02), title="Accuracy of each class")
    right.set(
        ylabel="grey levels (of 255)",
        title="Least epsilon that deceives,\nmedian over pictures that were read right",
    )
    right.set_yscale("log")
    right.set_yticks([0.5, 1, 2, 4, 8, 16, 32], ["0.5", "1", "2", "4", "8", "16", "32"])
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xticks(options.ratios, [f"1:{ratio}" for ratio in options.ratios])
        axes.minorticks_off()
        axes.set_xlabel("pictures of the small class to pictures of each other")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return Drawing.of("imbalance-ratios", "Each class against the ratio in training", figure)


def _line(
    axes: Any, options: ImbalanceOptions, networks: Networks, role: str, what: str,
    style: str, told: str,
) -> None:  # fmt: skip
    means = {ratio: networks.mean(ratio, role, what) for ratio in options.ratios}
    known = {ratio: mean for ratio, mean in means.items() if mean.value is not None}
    axes.errorbar(
        list(known), [mean.value for mean in known.values()],
        [mean.half or 0 for mean in known.values()],
        fmt=style, color=_COLOURS[role], capsize=3, ms=4, lw=1.3, label=f"{_TOLD[role]}, {told}",
    )  # fmt: skip


def _arms(networks: Networks, ratios: list[int]) -> Drawing:
    figure = new_figure(5 * len(ratios) + 1, 4)
    axes_row = np.atleast_1d(figure.subplots(1, len(ratios), sharey=True))
    for axes, ratio in zip(axes_row, ratios, strict=True):
        for offset, role in zip((-0.2, 0.2), ROLES, strict=True):
            means: list[Mean] = [networks.mean(ratio, role, "least", arm) for arm in ARMS]
            axes.bar(
                np.arange(len(ARMS)) + offset, [mean.value or 0 for mean in means], 0.36,
                yerr=[mean.half or 0 for mean in means], color=_COLOURS[role], alpha=0.8,
                capsize=3, label=_TOLD[role],
            )  # fmt: skip
        axes.set_xticks(range(len(ARMS)), list(ARMS))
        axes.set_title(f"1:{ratio}")
        axes.set_ylim(bottom=0)
        axes.grid(axis="y", alpha=0.3)
    axes_row[0].set_ylabel("least epsilon that deceives\n(median, grey levels)")
    axes_row[0].legend(fontsize=8)
    return Drawing.of("imbalance-arms", "Imbalance against lack of pictures", figure)
