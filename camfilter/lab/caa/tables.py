"""The tables of the experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from camfilter.lab.caa.curves import Curve
from camfilter.lab.caa.faces import SET_NAMES
from camfilter.lab.caa.measures import FORMS, MEASURES, increments, rank_correlation
from camfilter.lab.caa.options import shown_epsilon
from camfilter.lab.caa.paper import RATIOS
from camfilter.lab.experiment.findings import Table

__all__ = ["all_figures", "beside_the_paper", "by_length", "correlations", "other_forms"]


@dataclass(frozen=True)
class LongTable(Table):
    """A table that shows some of its rows on pages, and has all in its CSV file.

    Attributes:
        all_rows: of the file.
    """

    all_rows: Sequence[Mapping[str, Any]] = ()

    def as_csv(self) -> str:
        """All rows as CSV text."""
        return Table(self.name, self.title, self.all_rows).as_csv()


def all_figures(curves: Sequence[Curve]) -> Table:
    """Every figure of every chain; the longest ones on the page."""
    rows = [
        {
            **_keys(curve), "length": length, "form": form, "faces": curve.figures["faces"],
            **{measure: curve.series(measure, form)[place] for measure in MEASURES},
        }
        for curve in curves
        for form in FORMS
        for place, length in enumerate(curve.plan.lengths)
    ]  # fmt: skip
    shown = [
        {key: row[key] for key in row if key not in ("faces", "l0_px", "network", "attack")}
        for row in rows
        if row["length"] == max(curves[0].plan.lengths)
    ]
    return LongTable(
        "caa-all", "The longest chains", shown,
        "Norms are of pixels in [0, 1]; entropy is in bits; l0 counts changes above 1e-6, l0_exact "
        "any change of float32; fool_rate is the chain's own goal over all faces, "
        "fool_rate_correct over those read correctly when clean; left_rate: no longer read as when "
        "clean; wrong_rate: not read as what it is; entropy_auc: how well a face's entropy tells "
        "that its reading left. caa-all.csv has all lengths, networks and attacks.",
        rows,
    )  # fmt: skip


def by_length(curves: Sequence[Curve]) -> Table:
    """Fool rate of each chain by its length, as computed and in 8 bits."""
    rows = []
    for curve in curves:
        floats, rounded = (curve.series("fool_rate", form) for form in FORMS)
        told = (
            {"float and rint": floats} if floats == rounded else {"float": floats, "rint": rounded}
        )
        for form, series in told.items():
            lengths = map(str, curve.plan.lengths)
            rows.append({**_keys(curve), "form": form} | dict(zip(lengths, series, strict=True)))
    return Table(
        "caa-fool-rate", "Fool rate by chain length", _without_the_constant(rows),
        "Over all faces. Length 1 is the plain attack: PUA for CUA, PTA for CTA.",
    )  # fmt: skip


def beside_the_paper(curves: Sequence[Curve]) -> Table | None:
    """The paper's average incremental ratios beside ours; None without its epsilons."""
    rows = [
        {
            **_keys(curve), "measure": ratio.words, "paper": ratio.value,
            **increments(curve.series(ratio.measure)),
            **{f"rint, {name}": value
               for name, value in increments(curve.series(ratio.measure, "rint")).items()},
        }
        for curve in curves
        for ratio in RATIOS
        if ratio.chain == curve.plan.chain and ratio.epsilon == curve.plan.size
    ]  # fmt: skip
    if not rows:
        return None
    rows.sort(key=lambda row: [ratio.words for ratio in RATIOS].index(str(row["measure"])))
    return Table(
        "caa-paper", "The paper's average incremental ratios beside ours",
        _without_the_constant(rows),
        "The paper defines neither the ratio nor who counts as fooled; fool rate: the "
        "chain's own goal; left: no longer read as when clean; as errors: not read as what they "
        "are, clean mistakes included. relative: mean of (m_i - m_{i-1}) / "
        "m_{i-1} where m_{i-1} is not 0; difference: mean of m_i - m_{i-1}; over_first: that over "
        "m_1. A dash: nothing to divide by.",
    )  # fmt: skip


def correlations(curves: Sequence[Curve]) -> Table:
    """How figures go with the fool rate over chain lengths, and entropy with it over faces."""
    rows = [
        {
            **_keys(curve),
            "clean entropy": curve.figures["entropy_bits"],
            "first": curve.first("entropy_bits"),
            "longest": curve.last("entropy_bits"),
            "rho(entropy, fool)": rank_correlation(
                curve.series("entropy_bits"), curve.series("fool_rate")
            ),
            "rho(L2, fool)": rank_correlation(curve.series("l2"), curve.series("fool_rate")),
            "rho(Linf, fool)": rank_correlation(curve.series("linf"), curve.series("fool_rate")),
            "AUC, first": curve.series("entropy_auc")[0],
            "AUC, longest": curve.series("entropy_auc")[-1],
        }
        for curve in curves
    ]
    return Table(
        "caa-entropy", "Entropy and the fool rate", _without_the_constant(rows),
        "rho: Spearman's correlation over chain lengths; a dash where one of the two stays the "
        "same. AUC: how well the entropy of a single face tells that its reading left the clean "
        "one; 0.5 is chance, and below 0.5 the fooled faces are read with more certainty.",
    )  # fmt: skip


def other_forms(curves: Sequence[Curve]) -> Table:
    """The chain's other forms, other attacks and other networks."""
    rows = [
        {
            "form": curve.plan.form, "chain": curve.plan.chain,
            "epsilon": shown_epsilon(curve.plan.size),
            "fool rate, 1": curve.first("fool_rate"),
            f"fool rate, {curve.plan.lengths[-1]}": curve.last("fool_rate"),
            "in 8 bits, 1": curve.first("fool_rate", "rint"),
            "in 8 bits": curve.last("fool_rate", "rint"),
            "left": curve.last("left_rate"),
            "entropy": curve.last("entropy_bits"),
            "L0": curve.last("l0_share"), "L2": curve.last("l2"), "Linf": curve.last("linf"),
        }
        for curve in curves
    ]  # fmt: skip
    faces = curves[0].figures["faces"]
    where = SET_NAMES[curves[0].plan.set]
    return Table(
        "caa-forms", "Other forms of the chain, other attacks, other networks", rows,
        f"On {faces} faces of {where}. All but the fool rates of length 1 are of the longest "
        "chain. L0 is the share of changed pixels. relabelled: as a chain of ART's FGSM; in the "
        "ball: radius epsilon around the clean face; by way of three: happiness, sadness, "
        "surprise. Faces that are read as neutral when clean count for the goal neutral.",
    )  # fmt: skip


def _keys(curve: Curve) -> dict[str, Any]:
    plan = curve.plan
    return {
        "set": SET_NAMES[plan.set], "network": plan.network, "attack": plan.attack,
        "chain": plan.chain, "epsilon": shown_epsilon(plan.size),
    }  # fmt: skip


def _without_the_constant(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without the network and the attack, where there is only one."""
    dropped = [key for key in ("network", "attack") if len({row[key] for row in rows}) == 1]
    return [{key: row[key] for key in row if key not in dropped} for row in rows]
