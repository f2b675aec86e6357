"""The figures about further attacks and defences as tables."""

from __future__ import annotations

from typing import Any

from camfilter.lab.experiment.findings import Table
from camfilter.lab.summary.attacking import ATTACKS, SLOW
from camfilter.lab.summary.collect import TOLERANCE, WAYS, Measured
from camfilter.lab.summary.subjects import NAMES, UNDEFENDED

__all__ = ["tables_of"]


def tables_of(measured: Measured) -> list[Table]:
    """Attacks, k-A3, accuracy, least changes, gains, and everything by way."""
    options = measured.options
    return [
        Table(
            "summary-attacks",
            "Attacks on the undefended network",
            [_attack(order, made.figures) for order, made in measured.attacks],
            f"FGSM and PGD within {options.epsilon_levels:g} grey levels, the universal "
            f"perturbation within {options.universal_levels:g}, learnt on training faces. Noise: "
            f"each pixel up or down by {options.universal_levels:g}. Pixels in [0, 1] for L2. Of "
            "the faces that were read right; sizes are means over the fooled ones, or over all "
            "where there are none.",
        ),
        Table(
            "summary-k-a3",
            "k-A3: where the true class stands afterwards",
            [_anonymity(order, made.figures) for order, made in measured.hidden],
            "Rank drawn: the attack also draws the rank of the true class behind the decoys. "
            f"Within: greatest probability at most 1/k + {TOLERANCE:g}, of the deceived faces. "
            "Fullest rank: greatest share of faces with the true class in one rank of the outputs, "
            "after rounding to 8 bits; the idea of k-anonymity asks for at most 1/k.",
        ),
        Table(
            "summary-accuracy",
            "Share read right, worst of what an attacker may know",
            [_accuracy(measured, name) for name in NAMES],
            f"Attacked: {options.faces} faces, {', '.join(SLOW)}: {options.slow_faces}; natural: "
            f"{options.natural_faces}. Float; summary-ways.csv has 8 bits and each way.",
        ),
        Table(
            "summary-least",
            "Least change that deceives",
            [_least(measured, name, norm) for norm in ("linf", "l2") for name in NAMES],
            "Median over the faces that the network reads right, by bisecting the radius of PGD; "
            "Linf in grey levels, L2 for pixels in [0, 1]. Naive: by the cross-entropy of what an "
            "attacker sees who does not know the defence (none: the same as transfer). Transfer: "
            "by the undefended network. Knowing: by the margin of the defended answers. Worst: the "
            f"least of all. Up to {options.greatest_levels:g} levels and {options.greatest_l2:g}; "
            f"{options.rounds} rounds, so a change is known to about "
            f"{options.greatest_levels / 2 ** (options.rounds - 1):.2g} levels and "
            f"{options.greatest_l2 / 2 ** (options.rounds - 1):.2g}.",
        ),
        Table(
            "summary-gain",
            "Least change with a defence over that without",
            [
                row
                for norm in ("linf", "l2")
                for name in NAMES
                if name != UNDEFENDED and (row := _gain(measured, name, norm))
            ],
            "Filters against the same network without, networks against the control, which was "
            "trained on for as long without a defence; the control against the undefended network, "
            "to show what chance does. At the weakest way. Medians over the faces that both read "
            "right, with 95 % bootstrap intervals over the faces.",
        ),
        Table(
            "summary-ways",
            "Every network, attack and way",
            [row for name in NAMES for row in _ways(measured, name)],
        ),
    ]


def _attack(order: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "attack": order["attack"], "aims at": "a drawn class" if order["targeted"] else "any",
        **{key: figures[key] for key in (
            "faces", "fooled", "fooled, 8 bits", "L2", "Linf, levels", "pixels changed", "SSIM",
        )},
    }  # fmt: skip


def _anonymity(order: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "k": order["k"], "rank drawn": "yes" if order["spread"] else "no",
        "fooled": figures["fooled"], "fooled, 8 bits": figures["fooled, 8 bits"],
        "1/k": 1 / order["k"], "mean greatest probability": figures["mean greatest probability"],
        "within": figures["within"], "fullest rank": max(figures["ranks"]),
        "L2": figures["L2"], "SSIM": figures["SSIM"],
    }  # fmt: skip


def _accuracy(measured: Measured, name: str) -> dict[str, Any]:
    natural = measured.read[name]["natural"]
    worst = {attack: measured.worst(name, attack) for attack in ATTACKS}
    return {"defence": name, "natural": natural["right"], "refused": natural["refused"], **worst}


def _least(measured: Measured, name: str, norm: str) -> dict[str, Any]:
    unit = 255.0 if norm == "linf" else 1.0
    row: dict[str, Any] = {"norm": norm, "defence": name}
    for way in WAYS:
        found = measured.least_of(name, norm, way)
        row[way] = None if found is None or found.median is None else unit * found.median
    for title, kind in (("worst", "float"), ("worst, 8 bits", "rounded")):
        found = measured.least_of(name, norm, kind=kind)
        row[title] = None if found is None or found.median is None else unit * found.median
    found = measured.least_of(name, norm)
    row["never deceived"] = found.never if found else None
    row["faces"] = int(found.right.sum()) if found else 0
    return row


def _gain(measured: Measured, name: str, norm: str) -> dict[str, Any] | None:
    gain = measured.gain(name, norm)
    if gain is None:
        return None
    return {
        "norm": norm, "defence": name, "faces": gain.faces, "times": gain.ratio,
        "from": gain.low, "to": gain.high, "faces that need more": gain.more,
    }  # fmt: skip


def _ways(measured: Measured, name: str) -> list[dict[str, Any]]:
    rows = []
    for attack in ATTACKS:
        for way in measured.ways(name):
            figures = measured.read[name][f"{way} {attack}"]
            row: dict[str, Any] = {"defence": name, "attack": attack, "way": way}
            row["clean"] = figures["clean"]["right"]
            for bits in ("float", "8 bits"):
                for what in ("right", "deceived", "refused"):
                    row[f"{what}, {bits}"] = figures[bits][what]
            rows.append(row)
    return rows
