"""What came out, in sentences made from the figures: where it agrees with the paper, where not."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import Any

from camfilter.lab.attacks import ATTACKS
from camfilter.lab.intervals import wilson
from camfilter.lab.smartbox.bench import Outcome
from camfilter.lab.smartbox.options import BenchOptions, configured
from camfilter.lab.smartbox.paper import AFTER_ATTACK, BEFORE
from camfilter.lab.smartbox.readings import (
    Reading,
    readings_of,
)
from camfilter.lab.smartbox.telling_defences import on_detectors, on_mitigations
from camfilter.lab.smartbox.words import begun, headed, listed

__all__ = ["told"]


def told(outcome: Outcome, options: BenchOptions) -> list[str]:
    """Paragraphs on one subject."""
    first = next(iter(outcome.attacks.values()))
    readings = readings_of(outcome, first)
    parts = [
        _subject(outcome, options, readings["before attack"]),
        _attacks(outcome),
        on_mitigations(outcome),
        on_detectors(outcome),
        _rounding(outcome),
        _method(outcome, options) if outcome.subject == "identity" else "",
    ]
    return [part for part in parts if part]


def _subject(outcome: Outcome, options: BenchOptions, before: Reading) -> str:
    sizes = outcome.sizes
    low, high = wilson(round(before.identified * sizes["test"] / 100), sizes["test"])
    figures = (
        f"Identification before an attack is {before.identified:.1f} % (95 % interval "
        f"{100 * low:.0f} to {100 * high:.0f}) and verification {before.verified:.1f} %"
    )
    if outcome.subject == "expression":
        return (
            f"**Expressions.** The network {options.expression_network} of this project reads "
            f"{outcome.classes} expressions; detectors and mitigations learn from "
            f"{sizes['train']} training pictures, of which {options.expression_lessons} are "
            f"attacked; so are {sizes['test']} test pictures. "
            f"{figures}; a claim is here an expression. Adversarial training goes on from the "
            f"trained network (epochs: {options.expression_epochs}). The paper has no such "
            "figures."
        )
    return (
        f"**People.** The paper's network, trained with SGD for {options.epochs} epochs "
        f"(Nesterov momentum 0.9, one cycle of the learning rate, pictures shifted, mirrored and "
        f"lit a little otherwise), reads {outcome.classes} people at {options.size_px} px: "
        f"{sizes['train']} training, {sizes['valid']} validation and {sizes['test']} test "
        f"pictures. {figures}; the paper has {BEFORE[1]} and {BEFORE[0]} % on Extended Yale B, "
        "whose faces are frontal, cropped alike and differ by their light only. "
        + (
            "Where these pictures are everyday photographs with few of each person, so small a "
            "network trained from nothing reads them worse."
            if before.identified < BEFORE[1] - 5
            else "The two are alike."
        )
    )


def _attacks(outcome: Outcome) -> str:
    read = {name: readings_of(outcome, found)["after attack"]
            for name, found in outcome.attacks.items()}  # fmt: skip
    figures = listed(
        f"{name} {reading.identified:.0f} and {reading.verified:.0f} %"
        for name, reading in read.items()
    )
    text = headed("Attacks", outcome)
    text += f"In 8 bits, identification and verification fall to: {figures}."
    if outcome.subject != "identity":
        return text
    close = [
        name for name, reading in read.items() if name in AFTER_ATTACK
        and abs(reading.identified - AFTER_ATTACK[name][1]) <= 10
        and abs(reading.verified - AFTER_ATTACK[name][0]) <= 10
    ]  # fmt: skip
    known = [name for name in read if name in AFTER_ATTACK]
    if known:
        far = [name for name in known if name not in close]
        text += (
            f" Within 10 points of the paper's figures after the attack: {listed(close) or 'none'}"
            + (f"; further off: {listed(far)}." if far else ".")
        )
    aimed = [name for name, reading in read.items() if reading.at_target >= 90]
    if aimed:
        text += (
            f" An attack that reaches its target ({listed(aimed)}) takes verification down with "
            "identification, as the impostors claim to be the target; one that only leaves the "
            "true class leaves impostors refused, and so about half of the claims right."
        )
    if "deepfool" in read:
        half = abs(read["deepfool"].verified - 50) <= 10
        text += (
            f" DeepFool leaves verification at {read['deepfool'].verified:.0f} %, "
            f"{'as' if half else 'unlike'} the paper's 50 %"
            + (
                "."
                if half
                else ": it stops as soon as another class is likelier, where the true one may "
                f"still reach the threshold of {read['deepfool'].threshold:.2g}."
            )
        )
    return text


def _rounding(outcome: Outcome) -> str:
    lost = {}
    for name, found in outcome.attacks.items():
        exact = Reading.of(outcome, found.answers[""], "float").identified
        levels = Reading.of(outcome, found.answers[""], "levels").identified
        if levels > exact + 2:
            lost[name] = levels - exact
    if not lost:
        return headed("8 bits", outcome) + "Rounding takes no more than 2 points from any attack."
    return (
        headed("8 bits", outcome)
        + "Rounding alone gives identification back: "
        + listed(f"{points:.0f} points after {name}" for name, points in lost.items())
        + ". These attacks stop at the boundary, and the last steps are under one level."
    )


def _method(outcome: Outcome, options: BenchOptions) -> str:
    aimed = [name for name in outcome.attacks if name in options.targeted]
    return (
        "**Method.** Each probe has a random target and makes a genuine or an impostor's claim, "
        "each with one half; an impostor claims to be its target. A claim is accepted where the "
        "probability of the claimed class reaches a threshold that gave the greatest accuracy on "
        "clean validation pictures of the same network and mitigation. "
        + (f"{begun(listed(aimed))} aim at the target; " if aimed else "")
        + ("the other" if aimed else "All")
        + " attacks leave the true class. As in the paper the attacks do not know of "
        "detectors and mitigations; one that does would do better. Each mitigation and detector "
        f"learned from {options.lessons} attacked training pictures of the same attack, "
        "adversarial training from all clean ones besides. Parameters of the attacks: "
        + "; ".join(_parameters(name, options) for name in outcome.attacks)
        + "."
    )


def _parameters(name: str, options: BenchOptions) -> str:
    """An attack's name and parameters in words."""
    attack = configured(ATTACKS.named(name), options.attack_settings.get(name, {}))
    values: dict[str, Any] = {}
    if is_dataclass(attack) and not isinstance(attack, type):
        values = asdict(attack)
    told = [
        f"{key.replace('_', ' ')} {value:.3g}" if isinstance(value, float)
        else f"{key.replace('_', ' ')} {value}"
        for key, value in values.items() if key not in {"name", "targeted"}
    ]  # fmt: skip
    return f"{name} ({', '.join(told)})" if told else name
