"""What came out of the chain's other forms, in sentences computed from the figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from camfilter.lab.caa.curves import Curve
from camfilter.lab.caa.options import shown_epsilon

__all__ = ["said_of_sides"]

_NOTICEABLE = 0.02


def said_of_sides(curves: Sequence[Curve]) -> list[str]:
    """A paragraph each on relabelling, the ball, schedules, other attacks and other networks.

    Args:
        curves: of other forms, beside the paper's; may be empty.
    """
    topics = (_relabelled, _in_the_ball, _scheduled, _other_attacks, _other_networks)
    paragraphs = [" ".join(topic(curves)) for topic in topics]
    return [paragraph for paragraph in paragraphs if paragraph]


def _relabelled(curves: Sequence[Curve]) -> Iterator[str]:
    pairs = list(_beside(curves, "relabelled", "paper's"))
    if pairs:
        yield "A label taken anew at each stage, as a chain of ART's FGSM does it:"
    for anew, frozen in pairs:
        loses = anew.last("fool_rate") < frozen.last("fool_rate") - _NOTICEABLE
        why = (
            ", as the least likely class is another one each time"
            if anew.plan.targets
            else ", as the chain walks back once it has succeeded"
        )
        yield (
            f"{_named(anew)}, fools {_last(anew)} after the last stage, a frozen one "
            f"{_last(frozen)}{why if loses else ''}."
        )


def _in_the_ball(curves: Sequence[Curve]) -> Iterator[str]:
    pairs = list(_beside(curves, "in the ball", "paper's"))
    if pairs:
        yield "Held in the ball of radius epsilon (BIM):"
    for held, free in pairs:
        yield (
            f"{_named(held)}, fools {_last(held)} with changes of up to "
            f"{255 * held.last('linf'):.2g} levels, without the ball {_last(free)} with up to "
            f"{255 * free.last('linf'):.2g}."
        )


def _scheduled(curves: Sequence[Curve]) -> Iterator[str]:
    pairs = list(_beside(curves, "neutral by way of three", "straight to neutral"))
    if pairs:
        yield "The paper's schedule happiness, sadness, surprise, neutral:"
    for schedule, straight in pairs:
        yield (
            f"{_named(schedule)}, is read as neutral in {_last(schedule)}; a chain that aims at "
            f"neutral from its first stage in {_last(straight)}."
        )
    if pairs and all(s.last("fool_rate") < d.last("fool_rate") for s, d in pairs):
        yield "Stages spent on other targets are lost for the last one."


def _other_attacks(curves: Sequence[Curve]) -> Iterator[str]:
    for curve in curves:
        if curve.plan.form.startswith("stages of "):
            where = "" if curve.plan.size is None else f", epsilon {shown_epsilon(curve.plan.size)}"
            yield (
                f"{curve.plan.chain} of {curve.plan.attack}{where}: {_first(curve)} after one "
                f"stage, {_last(curve)} after the last, {_last(curve, 'rint')} in 8 bits."
            )
            if curve.first("fool_rate") >= 1:
                yield "Where one stage fools everybody a chain has nothing to add."


def _other_networks(curves: Sequence[Curve]) -> Iterator[str]:
    networks = [curve for curve in curves if curve.plan.form.startswith("on ")]
    for key in dict.fromkeys((curve.plan.chain, curve.plan.size) for curve in networks):
        rates = ", ".join(
            f"{curve.plan.network} {_first(curve)} to {_last(curve)}"
            for curve in networks
            if (curve.plan.chain, curve.plan.size) == key
        )
        yield f"On other networks, {key[0]}, epsilon {shown_epsilon(key[1])}: {rates}."


def _beside(curves: Sequence[Curve], form: str, other: str) -> Iterator[tuple[Curve, Curve]]:
    """Chains of one form, each with that of another form that is alike otherwise."""
    others = {(c.plan.chain, c.plan.size): c for c in curves if c.plan.form == other}
    for curve in curves:
        key = (curve.plan.chain, curve.plan.size)
        if curve.plan.form == form and key in others:
            yield curve, others[key]


def _named(curve: Curve) -> str:
    return f"{curve.plan.chain}, epsilon {shown_epsilon(curve.plan.size)}"


def _last(curve: Curve, form: str = "float") -> str:
    return f"{100 * curve.last('fool_rate', form):.3g} %"


def _first(curve: Curve) -> str:
    return f"{100 * curve.first('fool_rate'):.3g} %"
