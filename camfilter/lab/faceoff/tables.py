"""The tables of the experiment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from camfilter.lab.experiment.findings import Table
from camfilter.lab.experiment.made import Made
from camfilter.lab.faceoff.cast import Cast
from camfilter.lab.faceoff.options import KAPPA_SCALE, FaceOffOptions
from camfilter.lab.faceoff.plans import Attacked
from camfilter.lab.faceoff.rates import between
from camfilter.lab.intervals import wilson

__all__ = [
    "amplification_table",
    "channel_table",
    "epsilon_table",
    "grid_table",
    "kappa_table",
    "network_table",
    "training_table",
    "transfer_table",
]

_RATES: Final = (
    "hidden: share of the faces recognised without a mask that are no longer matched with their "
    "person; targeted: share of all that are matched with the target; own: by the networks that "
    "the mask was made with, others: mean of those it was not; 95 %: Wilson's interval, as if on "
    "the faces of one network, since all of them read the same faces."
)


def network_table(clean: Made, cast: Cast, missed: int) -> Table:
    """What the networks know of the people of the experiment, none of whom they were trained on."""
    chance = 1 / len(cast.probes.names)
    note = (
        f"{len(cast.probes.names)} people, {len(cast.gallery)} gallery pictures, "
        f"{len(cast.anchors)} anchors, {len(cast.probes)} probes; {missed} pictures had no face "
        f"that was found. Top-1 by chance: {chance:.3f}."
    )
    return Table("networks", "The networks on unseen people", clean.figures["rows"], note)


def transfer_table(attacked: Sequence[Attacked], options: FaceOffOptions) -> Table:
    """Who is deceived by masks made with whom."""
    rows = []
    for one in attacked:
        for alpha in _two(options):
            for row in one.made.figures["rows"]:
                if row["alpha"] == alpha:
                    rows.append({
                        "made with": one.wish.label, "alpha": alpha, "judge": row["judge"],
                        "own": "yes" if row["judge"] in one.surrogates else "no",
                        "hidden": row["hidden"], "hidden, 95 %": _of_row(row),
                        "targeted": row["targeted"],
                        "top-3": row["top3"], "distance grown": row["away"],
                    })  # fmt: skip
    return Table("transfer", "Transfer between networks", rows, _conditions(attacked) + _RATES)


def amplification_table(attacked: Sequence[Attacked], options: FaceOffOptions) -> Table:
    """What alpha gives, and what it costs."""
    rows = [
        {"attack": one.wish.label, "alpha": alpha, **_told(one, alpha),
         "distance grown, own": one.rate("away", alpha, own=True),
         "distance grown, others": one.rate("away", alpha, own=False),
         "unfound": max(row["unfound"] for row in one.made.figures["rows"]
                        if row["alpha"] == alpha)}
        for one in attacked
        for alpha in options.alphas
    ]  # fmt: skip
    note = _conditions(attacked) + _RATES + " unfound: pictures in which no face was found."
    return Table("amplification", "Amplification", rows, note)


def kappa_table(attacked: Sequence[Attacked], options: FaceOffOptions) -> Table:
    """What the margin gives."""
    rows = [
        {"attack": one.wish.label, "kappa": _kappa(one), "alpha": alpha, **_told(one, alpha),
         "reached": one.made.figures["reached"], "s a picture": one.made.figures["seconds"]}
        for one in attacked
        for alpha in _two(options)
    ]  # fmt: skip
    note = (
        f"kappa in the paper's figures; on unit embeddings it is {KAPPA_SCALE:g} of that, as their "
        "distances end at 2. reached: share of masks whose loss became 0."
    )
    return Table("kappa", "Margin of the hinge loss", rows, note)


def epsilon_table(attacked: Sequence[Attacked], options: FaceOffOptions) -> Table:
    """What the radius of PGD gives."""
    rows = [
        {"epsilon": one.wish.order["epsilon"], "alpha": alpha, **_told(one, alpha)}
        for one in attacked
        for alpha in _two(options)
    ]
    return Table("epsilon", "Radius of PGD in L2", rows, "The paper's table I has 0.1.")


def channel_table(attacked: Sequence[Attacked], options: FaceOffOptions) -> Table:
    """What becomes of a mask on its way to the service."""
    rows = [
        {"way": channel, "alpha": alpha,
         **{f"{figure}, {whose}": one.rate(figure, alpha, channel, own=own)
            for figure in ("hidden", "targeted")
            for whose, own in (("own", True), ("others", False))},
         "hidden, others, 95 %": between(one.interval("hidden", alpha, channel, own=False))}
        for one in attacked
        for channel in one.wish.order["channels"]
        for alpha in _two(options)
    ]  # fmt: skip
    note = "jpeg: of the uncropped picture in 8 bits, at that quality. " + _RATES
    return Table("channels", "Cropped and uncropped, float, 8 bits and JPEG", rows, note)


def grid_table(attacked: Sequence[Attacked], options: FaceOffOptions) -> Table:
    """Every attack, loss and norm."""
    rows = []
    for one in attacked:
        order = one.wish.order
        for alpha in _two(options):
            rows.append({
                "made with": " + ".join(one.surrogates),
                "attack": f"{order['optimiser']} {order['norm']}", "loss": order["loss"],
                "steps": order["steps"], "searches": order["searches"],
                "pairs": one.made.figures["pairs"], "alpha": alpha, **_told(one, alpha),
                "linf": one.change(alpha)["linf"], "reached": one.made.figures["reached"],
                "reached before": one.made.figures["reached_before"],
                "s a picture": one.made.figures["seconds"],
            })  # fmt: skip
    note = _RATES + " reached before: share whose loss counted as reached without any mask."
    return Table("attacks", "Attacks, losses and norms", rows, note)


def training_table(training: Made, probes: int) -> Table:
    """What adversarial training costs."""
    figures = training.figures
    note = (
        f"Trained further on {figures['pictures']} pictures of {figures['people']} of the people "
        "that it was trained on; natural and adversarial alike but for the masks on half of each "
        "batch. Masks: PGD with the hinge loss on the network itself, amplified, cropped, float. "
        f"Top-1 of {probes} faces: a figure of 0.9 has a 95 % interval of "
        f"{between(wilson(0.9 * probes, probes))}."
    )
    return Table("training", "Price of adversarial training", figures["rows"], note)


def _two(options: FaceOffOptions) -> list[float]:
    return sorted({options.alphas[0], options.alpha})


def _of_row(row: dict[str, Any]) -> str:
    """Interval of the share that one judge no longer matches."""
    known = row["known"]
    return "" if row["hidden"] is None else between(wilson(row["hidden"] * known, known))


def _kappa(one: Attacked) -> float:
    return round(float(one.wish.order["kappa"]) / KAPPA_SCALE, 3)


def _told(one: Attacked, alpha: float) -> dict[str, Any]:
    change = one.change(alpha)
    return {
        "hidden, own": one.rate("hidden", alpha, own=True),
        "hidden, own, 95 %": between(one.interval("hidden", alpha, own=True)),
        "hidden, others": one.rate("hidden", alpha, own=False),
        "hidden, others, 95 %": between(one.interval("hidden", alpha, own=False)),
        "targeted, own": one.rate("targeted", alpha, own=True),
        "targeted, others": one.rate("targeted", alpha, own=False),
        "targeted, others, 95 %": between(one.interval("targeted", alpha, own=False)),
        "top-3, others": one.rate("top3", alpha, own=False),
        "l2": change["l2"], "rms levels": change["rms_levels"], "ssim": change["ssim"],
    }  # fmt: skip


def _conditions(attacked: Sequence[Attacked]) -> str:
    order = attacked[0].wish.order
    kappa = round(float(order["kappa"]) / KAPPA_SCALE, 3)
    return (
        f"PGD {order['norm']}, {order['steps']} steps, epsilon {order['epsilon']:g}, hinge loss "
        f"with kappa {kappa:g}; uncropped, in 8 bits. "
    )
