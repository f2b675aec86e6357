"""What the figures about unequal classes say, in sentences that follow from them."""

from __future__ import annotations

from typing import Any

from camfilter.lab.imbalance.collect import ROLES, Mean, Networks
from camfilter.lab.imbalance.options import IMBALANCED, SCARCE, WEIGHTED, ImbalanceOptions

__all__ = ["figures_of", "text_of"]


def text_of(options: ImbalanceOptions, networks: Networks) -> list[str]:
    """Paragraphs."""
    first, last = min(options.ratios), max(options.ratios)
    return [
        _protocol(options, networks),
        _accuracy(options, networks, first, last),
        _least(options, networks, first, last),
        _together(options, networks, first, last),
        *(part for ratio in options.control_ratios for part in _causes(networks, ratio)),
        _agreement(options, networks, first),
    ]


def figures_of(options: ImbalanceOptions, networks: Networks) -> dict[str, Any]:
    """Changes from the least to the greatest ratio, and trends, for programs."""
    first = min(options.ratios)
    figures: dict[str, Any] = {"networks": len(networks.orders)}
    for role in ROLES:
        for what in ("natural", "least", "least_8bit"):
            until = networks.reach(options.ratios, role, what)
            change = _change(networks, role, what, first, until)
            trend = networks.trend(options.ratios, role, what)
            figures[f"{role} {what}"] = {
                "ratios": [first, until],
                "change": change.value, "half_interval": change.half, "networks": change.networks,
                "spearman": trend and trend[0], "p_value": trend and trend[1],
            }  # fmt: skip
    return figures


def _change(networks: Networks, role: str, what: str, first: int, last: int) -> Mean:
    return networks.change(role, what, (first, IMBALANCED), (last, IMBALANCED))


def _protocol(options: ImbalanceOptions, networks: Networks) -> str:
    ratios = ", ".join(f"1:{ratio}" for ratio in options.ratios)
    return (
        "The text at hand of the thesis is a draft: it asks how class imbalance in training "
        "changes the resistance to FGSM, and has neither networks, data, figures nor results. So "
        f"the protocol is ours: {len(networks.orders)} small convolutional networks tell "
        f"{' and '.join(options.classes)} apart on faces of {options.size_px} pixels. Each class "
        f"is the small one in turn, at {ratios}. All networks see {options.pictures} pictures "
        f"(but for the control with few of each) and take {options.steps} steps of "
        f"{options.batch}, with {options.runs} seeds for each kind. Measured on "
        f"{options.test_pictures} test faces of each class, in float and after rounding to 8 bits."
    )


def _accuracy(options: ImbalanceOptions, networks: Networks, first: int, last: int) -> str:
    level = min((e for e in options.epsilons_levels if e >= 1), default=options.epsilons_levels[-1])
    parts = []
    for role in ROLES:
        clean, hit, noise = (
            [networks.mean(ratio, role, what) for ratio in (first, last)]
            for what in ("natural", f"fgsm {level:g}", f"noise {level:g}")
        )
        parts.append(
            f"The {role} class is read right in {_percent(clean[0])} of its clean faces at "
            f"1:{first} and in {_percent(clean[1])} at 1:{last}; under FGSM of {level:g}/255 in "
            f"{_percent(hit[0])} and {_percent(hit[1])}, under noise of that size in "
            f"{_percent(noise[0])} and {_percent(noise[1])}."
        )
    return " ".join(parts)


def _least(options: ImbalanceOptions, networks: Networks, first: int, last: int) -> str:
    parts = ["Of the faces that were read right, the least epsilon that deceives:"]
    for role in ROLES:
        until = networks.reach(options.ratios, role, "least")
        told = [networks.mean(ratio, role, "least").told() for ratio in (first, until)]
        rounded = [networks.mean(ratio, role, "least_8bit").told() for ratio in (first, until)]
        change = _change(networks, role, "least", first, until)
        trend = networks.trend(options.ratios, role, "least")
        rank = (
            f"; rank correlation with the ratio {trend[0]:+.2f}, p {trend[1]:.1g}" if trend else ""
        )
        parts.append(
            f"{role} class {told[0]} levels at 1:{first} and {told[1]} at 1:{until} "
            f"({_direction(change)}{rank}; 8 bits: {rounded[0]} and {rounded[1]})."
        )
        if until < last:
            parts.append(
                f"Beyond 1:{until} some networks read next to no face of the {role} class, so "
                "there is nothing left to deceive."
            )
    return " ".join(parts)


def _direction(change: Mean) -> str:
    if change.value is None:
        return "no network has both"
    if not change.sure:
        return f"change {change.told()}, which may be chance"
    return f"{'more' if change.value > 0 else 'less'} robust, change {change.told()}"


def _together(options: ImbalanceOptions, networks: Networks, first: int, last: int) -> str:
    level = min((e for e in options.epsilons_levels if e >= 1), default=options.epsilons_levels[-1])
    before, after = (networks.balanced(ratio, f"fgsm {level:g}") for ratio in (first, last))
    small, other = (networks.mean(last, role, f"fgsm {level:g}").value or 0 for role in ROLES)
    unequal = 100 * (small + last * other) / (1 + last)
    return (
        f"With both classes counted the same, the accuracy under FGSM of {level:g}/255 goes "
        f"from {_percent(before)} to {_percent(after)}. An accuracy over a test set as unequal "
        f"as the training would have shown {unequal:.0f} % at 1:{last} "
        f"and hidden what happens to the small class.{_worthless(networks, last)}"
    )


def _worthless(networks: Networks, last: int) -> str:
    right = networks.mean(last, "small", "natural").value or 0
    if right > 0.05:
        return ""
    return (
        f" At 1:{last} the networks call nearly every face the other class: one that always "
        "answers the same cannot be deceived, and is worth nothing."
    )


def _causes(networks: Networks, last: int) -> list[str]:
    if not networks.each(last, "small", "natural", SCARCE):
        return []
    told = []
    for arm, what in (
        (SCARCE, "as few pictures of every class"),
        (WEIGHTED, "the same pictures, those of the small class counting more"),
    ):
        right = networks.mean(last, "small", "natural", arm)
        change = networks.change("small", "least", (last, IMBALANCED), (last, arm))
        told.append(
            f"with {what}, {_percent(right)} of its faces are read right and its least epsilon "
            f"is {networks.mean(last, 'small', 'least', arm).told()} levels ({_direction(change)})"
            if change.value is not None
            else f"with {what}, {_percent(right)} of its faces are read right"
        )
    gain = networks.change("small", "natural", (last, IMBALANCED), (last, SCARCE))
    cause = (
        "So it is the imbalance, not the lack of pictures, that takes the small class away"
        if gain.sure and (gain.value or 0) > 0
        else "So imbalance is not told from mere lack of pictures here"
    )
    bare = networks.mean(last, "small", "natural", IMBALANCED)
    return [
        f"Of the small class at 1:{last}, {_percent(bare)} of the faces are read right; "
        f"{'; '.join(told)}. {cause}."
    ]


def _agreement(options: ImbalanceOptions, networks: Networks, first: int) -> str:
    small, other = (
        _change(networks, role, "least", first, networks.reach(options.ratios, role, "least"))
        for role in ROLES
    )
    moved = [role for role, change in zip(ROLES, (small, other), strict=True) if change.sure]
    expected = small.sure and (small.value or 0) < 0
    if not moved:
        verdict = "these figures do not show it: neither class moves by more than its interval"
    elif expected:
        verdict = "these figures agree: the class that was seen seldom is deceived by less" + (
            ", and the other one needs more" if other.sure and (other.value or 0) > 0 else ""
        )
    else:
        verdict = f"these figures agree for the {' and the '.join(moved)} class only"
    return (
        "The thesis expects that imbalance in training changes the resistance, as regions without "
        f"training pictures are where deceiving pictures lie; {verdict}. It has no figures of its "
        "own to compare with. A face of the small class that is read right at all is one of the "
        "clearest, so its least epsilon flatters the class as its accuracy falls."
    )


def _percent(mean: Mean) -> str:
    if mean.value is None:
        return "unknown"
    half = f" ± {100 * mean.half:.0f}" if mean.half is not None else ""
    return f"{100 * mean.value:.0f}{half} %"
