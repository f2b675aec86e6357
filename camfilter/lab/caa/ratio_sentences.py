"""What came out of the average incremental ratios, in sentences computed from the figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from camfilter.lab.caa.curves import Curve
from camfilter.lab.caa.measures import increments
from camfilter.lab.caa.options import PAPER_EPSILONS
from camfilter.lab.caa.paper import RATIOS

__all__ = ["said_of_ratios"]


def said_of_ratios(curves: Sequence[Curve]) -> str:
    """Which form the paper may have meant, and whether a smaller epsilon gives a higher ratio.

    Args:
        curves: of one network and attack; those at the paper's epsilons count.
    """
    ours = [curve for curve in curves if curve.plan.size in PAPER_EPSILONS]
    words = dict.fromkeys(ratio.words for ratio in RATIOS)
    nearest = [told for told in (_nearest(one, ours) for one in words) if told]
    if not nearest:
        return ""
    sentences = [
        "The paper does not define its average incremental ratio. The form nearest to its figures "
        f"is, for {'; '.join(nearest)}. Linf grows by one epsilon a stage, so its ratio is 100 % "
        "only over the first stage, or in a chain of two."
    ]
    for key in dict.fromkeys((curve.plan.set, curve.plan.chain) for curve in ours):
        by_size = {c.plan.size: c for c in ours if (c.plan.set, c.plan.chain) == key}
        if set(by_size) >= set(PAPER_EPSILONS) and key[0] == ours[0].plan.set:
            sentences.append(_by_epsilon(*(by_size[size] for size in PAPER_EPSILONS)))
    return " ".join(sentences)


def _nearest(words: str, curves: Sequence[Curve]) -> str:
    """The form that comes nearest to the paper's, of those defined more often than not."""
    errors: dict[str, list[float]] = {"relative": [], "difference": [], "over_first": []}
    cases = 0
    for curve in curves:
        for ratio in RATIOS:
            key = (ratio.words, ratio.epsilon, ratio.chain)
            if key == (words, curve.plan.size, curve.plan.chain):
                cases += 1
                for form, value in increments(curve.series(ratio.measure)).items():
                    if value is not None:
                        errors[form].append(abs(value - ratio.value))
    means = {
        form: float(np.mean(found)) for form, found in errors.items() if 2 * len(found) > cases
    }
    if not means:
        return ""
    best = min(means, key=lambda form: means[form])
    return f"{words}: {best} (off by {means[best]:.2g} on average)"


def _by_epsilon(large: Curve, small: Curve) -> str:
    """Whether the fool rate's ratio grows when epsilon falls."""
    of, what = f"For {large.plan.chain}", "the fool rate's relative ratio"
    first, second = (increments(curve.series("fool_rate"))["relative"] for curve in (large, small))
    if first is not None and second is None:
        of += f" {what} has no meaning at {small.plan.size:g}, where nobody is fooled;"
        what = "that of faces no longer read as when clean"
        first, second = (
            increments(curve.series("left_rate"))["relative"] for curve in (large, small)
        )
    if first is None or second is None:
        return f"{of} {what} has no meaning."
    agrees = "as in the paper" if second > first else "the paper has it the other way"
    return (
        f"{of} {what} is {first:.2g} at {large.plan.size:g} and {second:.2g} at "
        f"{small.plan.size:g} ({agrees})."
    )
