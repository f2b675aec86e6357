"""What came out, in sentences computed from the figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from camfilter.lab.caa.curves import Curve
from camfilter.lab.caa.faces import SET_NAMES
from camfilter.lab.caa.measures import rank_correlation
from camfilter.lab.caa.options import PAPER_EPSILONS, ChainingOptions, shown_epsilon
from camfilter.lab.caa.ratio_sentences import said_of_ratios
from camfilter.lab.caa.side_sentences import said_of_sides
from camfilter.settings import LEAST_LIKELY, Projection

__all__ = ["said"]


def said(curves: Sequence[Curve], others: Sequence[Curve], options: ChainingOptions) -> list[str]:
    """Paragraphs on what the curves show, beside what the paper says.

    Args:
        curves: the main ones; of the first network and attack is spoken.
        others: of other forms; may be empty.
        options: of the experiment.
    """
    first = [
        curve
        for curve in curves
        if (curve.plan.network, curve.plan.attack) == (options.networks[0], options.attacks[0])
    ]
    paragraphs = [
        _set_up(first, options),
        _fool_rates(first),
        said_of_ratios(first),
        _norms(first),
        _entropy(first),
        _in_8_bits(first),
        *said_of_sides(others),
    ]
    return [paragraph for paragraph in paragraphs if paragraph]


def _set_up(curves: Sequence[Curve], options: ChainingOptions) -> str:
    by_set = {curve.plan.set: curve.figures for curve in curves}
    faces = " and ".join(
        f"{figures['faces']} of {SET_NAMES[name]} ({percent(figures['accuracy'])} read correctly)"
        for name, figures in by_set.items()
    )
    plan = curves[0].plan
    held = (
        f"held in the ball of radius epsilon with steps of 2.5 epsilon / {options.chain_length}"
        if options.projection is Projection.BALL
        else "not projected"
    )
    label = "taken anew at each stage" if options.relabel else "that of the clean face throughout"
    target = ", then ".join(options.targets).replace(LEAST_LIKELY, "the least likely class")
    return (
        f"Faces of the test parts: {faces}. {plan.network} is attacked from the inside by "
        f"{plan.attack}; the chain is {held}, the label is {label}, and the target of CTA is "
        f"{target}. The paper attacked an unnamed network on AffectNet, so "
        "directions can be compared and levels cannot."
    )


def _fool_rates(curves: Sequence[Curve]) -> str:
    sentences = []
    for curve in _at_paper_epsilons(curves):
        rates = _array(curve, "fool_rate")
        falls = int((np.diff(rates) < 0).sum())
        grows = (
            "stays at 0"
            if rates.max() == 0
            else f"goes from {percent(rates[0])} to {percent(rates[-1])}"
            + (
                ", never falling"
                if not falls
                else f", falling at {falls} of {len(rates) - 1} steps"
            )
        )
        sentences.append(f"{_named(curve)}: the fool rate {grows}.")
    pairs = list(_pairs(curves))
    if pairs:
        above = sum((_array(a, "fool_rate") >= _array(t, "fool_rate")).all() for a, t in pairs)
        verdict = "as in the paper" if above == len(pairs) else "the paper has it always"
        sentences.append(
            f"CUA fools at least as many as CTA at every length in {above} of {len(pairs)} pairs "
            f"of a set and an epsilon ({verdict})."
        )
    return " ".join(sentences)


def _norms(curves: Sequence[Curve]) -> str:
    plain = [curve for curve in curves if curve.plan.radius is None and curve.plan.size]
    if not plain:
        return ""
    misses = max(
        float(np.abs(_array(c, "linf") / (np.array(c.plan.lengths) * (c.plan.size or 1)) - 1).max())
        for c in plain
    )
    linf = (
        "Linf is chain length times epsilon everywhere, as in the paper"
        if misses < 0.01
        else f"Linf differs from chain length times epsilon by up to {percent(misses)}, as pixels "
        "end at black and white or stages go back"
    )
    rising = sum(bool((np.diff(_array(curve, "l2")) > 0).all()) for curve in plain)
    zigzag = sum(_goes_down_at_even(_array(curve, "l0_share")) for curve in plain)
    return (
        f"{linf}. L2 grows with every stage in {rising} of {len(plain)} chains. L0 is lower at "
        f"every even length than at the lengths beside it in {zigzag} of {len(plain)} chains, the "
        "paper's up and down: two stages in opposite directions give a pixel back. An odd number "
        "cannot, so what stays unchanged there are pixels at black and white."
    )


def _entropy(curves: Sequence[Curve]) -> str:
    sentences = []
    for curve in _at_paper_epsilons(curves):
        entropy = _array(curve, "entropy_bits")
        peak = int(entropy.argmax())
        course = (
            "rises with every stage"
            if (np.diff(entropy) > 0).all()
            else f"is highest at length {curve.plan.lengths[peak]} ({entropy[peak]:.2f})"
        )
        correlation = rank_correlation(curve.series("entropy_bits"), curve.series("fool_rate"))
        told = (
            "" if correlation is None else f", Spearman's rho with the fool rate {correlation:.2f}"
        )
        areas = [area for area in curve.series("entropy_auc") if area is not None]
        if areas:
            told += f"; over single faces an AUC from {areas[0]:.2f} to {areas[-1]:.2f}"
        sentences.append(
            f"{_named(curve)}: entropy {course}, {entropy[0]:.2f} bits at the first and "
            f"{entropy[-1]:.2f} at the last stage{told}."
        )
    found = [
        rank_correlation(curve.series("entropy_bits"), curve.series("fool_rate"))
        for curve in curves
    ]
    known = [value for value in found if value is not None]
    high = sum(value > 0.8 for value in known)
    below = [c for c in curves if c.last("entropy_bits") < c.figures["entropy_bits"]]
    clean = curves[0].figures["entropy_bits"]
    sentences.append(
        f"Over all epsilons rho is above 0.8 in {high} of {len(known)} chains where it is defined, "
        f"and negative in {sum(value < 0 for value in known)}; after the last stage entropy is "
        f"below that of the clean faces ({clean:.2f} bits on {SET_NAMES[curves[0].plan.set]}) in "
        f"{len(below)} of {len(curves)} chains."
    )
    sentences.append(
        "So entropy follows the fool rate, as the paper says."
        if high == len(known)
        else "So entropy follows the fool rate only while the chain is on its way to the boundary: "
        "beyond it the network reads the wrong expression with more and more certainty. High "
        "entropy tells that a face is near the boundary; low entropy does not tell that it is bare."
    )
    return " ".join(sentences)


def _in_8_bits(curves: Sequence[Curve]) -> str:
    sentences = []
    for curve in _at_paper_epsilons(curves):
        if curve.plan.chain == "CUA":
            changed = _array(curve, "l0_px", "rint") > 0
            lengths = np.array(curve.plan.lengths)
            if not changed.any():
                sentences.append(
                    f"{_named(curve)}: after rint no pixel differs at any length up to "
                    f"{lengths[-1]}, and {percent(curve.last('fool_rate', 'rint'))} are fooled. "
                    f"{lengths[-1]} stages come to {lengths[-1] * curve.plan.size * 255:.2g} of a "
                    "level; half a level is needed."
                )  # fmt: skip
            else:
                begins = int(lengths[changed][0])
                sentences.append(
                    f"{_named(curve)}: after rint the first length that changes a pixel is "
                    f"{begins}; {percent(curve.first('fool_rate', 'rint'))} are fooled at length "
                    f"{lengths[0]}, {percent(curve.at(begins, 'fool_rate', 'rint'))} at {begins} "
                    f"and {percent(curve.last('fool_rate', 'rint'))} at {lengths[-1]}."
                )
    whole = [c for c in curves if c.plan.size and "/" in shown_epsilon(c.plan.size)]
    if whole:
        gap = max(float(np.abs(_array(c, "fool_rate") - _array(c, "fool_rate", "rint")).max())
                  for c in whole)  # fmt: skip
        sentences.append(
            f"Where epsilon is whole levels, rint changes the fool rate by at most {percent(gap)}."
        )
    return " ".join(sentences)


def _at_paper_epsilons(curves: Sequence[Curve]) -> list[Curve]:
    return [curve for curve in curves if curve.plan.size in PAPER_EPSILONS] or list(curves[:2])


def _pairs(curves: Sequence[Curve]) -> Iterator[tuple[Curve, Curve]]:
    """CUA and CTA on the same set with the same epsilon."""
    targeted = {(c.plan.set, c.plan.size): c for c in curves if c.plan.targets}
    for curve in curves:
        key = (curve.plan.set, curve.plan.size)
        if not curve.plan.targets and key in targeted:
            yield curve, targeted[key]


def _goes_down_at_even(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    signs = np.sign(np.diff(values))
    return bool((signs[::2] < 0).all() and (signs[1::2] > 0).all())


def _array(
    curve: Curve, measure: str, form: str = "float"
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(curve.series(measure, form), np.float64)


def _named(curve: Curve) -> str:
    plan = curve.plan
    return f"{plan.chain}, epsilon {shown_epsilon(plan.size)}, {SET_NAMES[plan.set]}"


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.3g} %"
