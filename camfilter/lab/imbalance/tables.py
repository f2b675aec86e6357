"""The figures about unequal classes as tables."""

from __future__ import annotations

from typing import Any

from camfilter.lab.experiment.findings import Table
from camfilter.lab.imbalance.collect import ROLES, Mean, Networks
from camfilter.lab.imbalance.options import ARMS, IMBALANCED, ImbalanceOptions

__all__ = ["tables_of"]

_NOTE = (
    "Means over the networks: each seed with each class as the small one; ± is half of a "
    "95 % interval over them (Student's t). The least epsilon is the median over the pictures that "
    "were read right, in grey levels of 255, along the sign of one gradient; sizes up to 32 were "
    "tried, and what none of them deceived counts as 32."
)


def tables_of(options: ImbalanceOptions, networks: Networks) -> list[Table]:
    """By ratio, by size of the attack, and of the other arms."""
    ratios = [(ratio, IMBALANCED) for ratio in options.ratios]
    arms = [
        (ratio, arm)
        for ratio in options.control_ratios
        for arm in ARMS
        if networks.each(ratio, "small", "natural", arm)
    ]
    tables = [
        Table(
            "imbalance-ratios",
            "Each class against the ratio in training",
            [row for kind in ratios for row in _rows(options, networks, *kind)],
            _NOTE,
        ),
        Table(
            "imbalance-epsilons",
            "Accuracy under FGSM and under noise of the same size",
            [row for ratio in options.ratios for row in _by_epsilon(options, networks, ratio)],
            "Noise: each pixel up or down by the size at random. 8 bits: after rounding.",
        ),
    ]
    if arms:
        tables.insert(1, Table(
            "imbalance-arms",
            "Imbalance against lack of pictures",
            [row for kind in arms for row in _rows(options, networks, *kind, told_arm=True)],
            "; ".join(f"{name}: {what}" for name, what in ARMS.items()) + ".",
        ))  # fmt: skip
    return tables


def _rows(
    options: ImbalanceOptions, networks: Networks, ratio: int, arm: str, *, told_arm: bool = False
) -> list[dict[str, Any]]:
    shown = _shown_epsilons(options)
    rows = []
    for role, pictures in zip(ROLES, options.counts(ratio, arm), strict=True):
        row: dict[str, Any] = {"ratio": f"1:{ratio}"}
        if told_arm:
            row["trained on"] = arm
        row |= {"class": role, "pictures": pictures}
        figures = {"right": "natural"} | {f"at {level:g}": f"fgsm {level:g}" for level in shown}
        figures |= {"least epsilon": "least", "least epsilon, 8 bits": "least_8bit"}
        for title, what in figures.items():
            mean = networks.mean(ratio, role, what, arm)
            row |= {title: mean.value, f"± {title}": mean.half}
        row["never deceived"] = networks.mean(ratio, role, "never", arm).value
        rows.append(row)
    return rows


def _by_epsilon(options: ImbalanceOptions, networks: Networks, ratio: int) -> list[dict[str, Any]]:
    rows = []
    for role in ROLES:
        for level in options.epsilons_levels:
            row: dict[str, Any] = {"ratio": f"1:{ratio}", "class": role, "epsilon, levels": level}
            for title, what in (
                ("FGSM", f"fgsm {level:g}"),
                ("FGSM, 8 bits", f"fgsm {level:g} 8 bits"),
                ("noise", f"noise {level:g}"),
            ):
                mean: Mean = networks.mean(ratio, role, what)
                row |= {title: mean.value, f"± {title}": mean.half}
            rows.append(row)
    return rows


def _shown_epsilons(options: ImbalanceOptions) -> list[float]:
    """Two sizes for the table that shows everything else."""
    return sorted({level for level in options.epsilons_levels if level >= 1})[:2]
