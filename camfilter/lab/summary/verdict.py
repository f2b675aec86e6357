"""What the figures about further attacks and defences say, in sentences that follow from them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from camfilter.lab.defences.filters import FILTERS
from camfilter.lab.summary.attacking import ATTACKS
from camfilter.lab.summary.collect import CONTROL, TOLERANCE, WAYS, Gain, Measured
from camfilter.lab.summary.subjects import NAMES, TRAINED, UNDEFENDED

__all__ = ["figures_of", "text_of"]

_HARDENED: Final = ("adversarial", "pcl", "m-svdd")


def text_of(measured: Measured) -> list[str]:
    """Paragraphs."""
    return [
        _protocol(measured),
        _attacks(measured),
        _anonymity(measured),
        _filters(measured),
        _masking(measured),
        _hardened(measured),
        _agreement(measured),
    ]


def figures_of(measured: Measured) -> dict[str, Any]:
    """Natural accuracies and gains, for programs."""
    gains = {
        f"{name} {norm}": {"times": gain.ratio, "from": gain.low, "to": gain.high}
        for name in NAMES
        for norm in ("linf", "l2")
        if name != UNDEFENDED and (gain := measured.gain(name, norm)) is not None
    }
    return {"natural": {name: measured.natural(name) for name in NAMES}, "gains": gains}


def _protocol(measured: Measured) -> str:
    options = measured.options
    return (
        "The lecture has no figures of its own, so the protocol is ours: a small network "
        f"learns the eight expressions from {options.train_pictures} FER+ faces of "
        f"{options.size_px} pixels and reads {_percent(measured.natural(UNDEFENDED))} of "
        f"{options.natural_faces} test faces right. Each trained defence goes on from it for "
        f"{options.defence_steps} steps (the distilled one starts anew), and so does a control "
        f"without a defence ({_percent(measured.natural(CONTROL))}). Attacks meet "
        f"{options.faces} test faces."
    )


def _attacks(measured: Measured) -> str:
    told = [
        f"{attack} {_percent(figures['fooled'])} (8 bits {_percent(figures['fooled, 8 bits'])})"
        for attack in ATTACKS
        for figures in [measured.attack(attack)]
    ]
    fgsm, lbfgs = measured.attack("fgsm"), measured.attack("lbfgs", targeted=True)
    pixel, noise = measured.attack("one-pixel"), measured.attack("noise")
    universal = measured.attack("universal")
    return (
        f"Fooled without a target: {', '.join(told)}. L-BFGS reaches a drawn class in "
        f"{_percent(lbfgs['fooled'])} of the faces with a mean L2 of {lbfgs['L2']:.2f}, "
        f"{_than(lbfgs['L2'], fgsm['L2'])} the {fgsm['L2']:.2f} of FGSM. One change for all faces "
        f"fools {_percent(universal['fooled'])} of faces that it never saw, "
        f"{_than(universal['fooled'], noise['fooled'])} the {_percent(noise['fooled'])} of noise "
        f"of the same size. One pixel is enough for {_percent(pixel['fooled'])}."
    )


def _anonymity(measured: Measured) -> str:
    parts = []
    for order, made in measured.hidden:
        figures, k = made.figures, order["k"]
        fullest = max(figures["ranks"])
        how = "the rank drawn" if order["spread"] else "as it is"
        keeps = "keeps" if fullest <= 1 / k + TOLERANCE else "breaks"
        parts.append(
            f"k = {k}, {how}: fools {_percent(figures['fooled'])}, greatest probability within "
            f"1/k + {TOLERANCE:g} for {_percent(figures['within'])} of these, fullest rank "
            f"{fullest:.2f} ({keeps} 1/k = {1 / k:.2f} within {TOLERANCE:g})"
        )
    return (
        "k-A3 in our working form (the lecture has the idea, not the equations): "
        f"{'; '.join(parts)}. The price is a mean SSIM of {_likeness(measured):.2f}. The idea "
        "bounds the rank in which the true class is found; sharing the answer among decoys alone "
        "does not promise that."
    )


def _likeness(measured: Measured) -> float:
    return float(np.mean([made.figures["SSIM"] for _, made in measured.hidden]))


def _filters(measured: Measured) -> str:
    parts, helped = [], []
    for name in FILTERS:
        unaware, aware = (measured.gain(name, "linf", way) for way in ("transfer", "knowing"))
        if unaware is None or aware is None:
            continue
        if aware.low > 1:
            helped.append(name)
        parts.append(
            f"{name} {unaware.told} against who does not know it, {aware.told} against who does"
        )
    verdict = (
        f"Once it is known, what is left surely helps with {' and '.join(helped)} only; the "
        "network behind is as it was, as the lecture says."
        if helped
        else "None surely asks for more once it is known: as the lecture says, a filter does not "
        "make the network itself more robust."
    )
    return (
        "Input filtering, least Linf change over that of the same network without: "
        f"{'; '.join(parts)}. {verdict}"
    )


def _masking(measured: Measured) -> str:
    naive, transfer, knowing = (measured.gain("distilled", "linf", way) for way in WAYS)
    least = measured.least_of("distilled", "linf", "naive")
    if naive is None or transfer is None or knowing is None or least is None:
        return "Distillation could not be measured, as the network reads no face right."
    never = least.never or 0.0
    verdict = (
        f"Its gradient leads nowhere for {_percent(never)} of the faces, which the margin deceives "
        "all the same: masked there, not gone, which is what the lecture warns of."
        if never > 0.05
        else "Its gradient is hardly masked here, as the logits have not grown enough."
    )
    both = [measured.gain("distilled", norm) for norm in ("linf", "l2")]
    words = " and ".join(gain.told for gain in both if gain is not None)
    verdict += (
        f" At its weakest way it is {_verdict(both)} ({words} in Linf and L2; it also has another "
        "start than the control)."
    )
    return (
        f"Distillation at temperature {measured.options.temperature:g}: steered by its "
        f"cross-entropy, the least Linf change is {naive.told} that of the control; by the "
        f"undefended network {transfer.told}; by the margin of its logits, which no softmax masks, "
        f"{knowing.told}. {verdict}"
    )


def _hardened(measured: Measured) -> str:
    parts = []
    for name in _HARDENED:
        natural = measured.natural(name)
        refused = measured.read[name]["natural"]["refused"]
        told = f", refuses {_percent(refused)}" if refused > 0 else ""
        both = [measured.gain(name, norm) for norm in ("linf", "l2")]
        words = " and ".join(
            f"{gain.told} in {norm}"
            for gain, norm in zip(both, ("Linf", "L2"), strict=True)
            if gain is not None
        )
        parts.append(
            f"{name} ({TRAINED[name].split(',')[0]}): reads {_percent(natural)} of clean faces "
            f"right{told}; {_verdict(both)}: {words}"
        )
    return (
        f"Defences that change the network, at their weakest way: {'. '.join(parts)}. The control "
        f"reads {_percent(measured.natural(CONTROL))}."
    )


def _agreement(measured: Measured) -> str:
    gains = {name: measured.gain(name, "linf") for name in NAMES}
    known = {
        name: gain for name, gain in gains.items() if gain and name not in (UNDEFENDED, CONTROL)
    }
    better = [name for name, gain in known.items() if gain.low > 1]
    same = gains[CONTROL]
    chance = f" (training on without a defence: {same.told})" if same else ""
    best = max(known, key=lambda name: known[name].ratio, default="")
    return (
        "The lecture calls a defence robust where deceiving it takes a larger change than "
        "deceiving the undefended network. At the weakest way in Linf this is sure for "
        f"{', '.join(better) if better else 'none of them'}{chance}"
        + (f"; {best} asks for the most, {known[best].told}. " if best else ". ")
        + "Small networks trained for minutes on one core: what they gain or lose need not hold "
        "for large ones. PCL, m-SVDD and k-A3 follow our reading, as the text has no equations for "
        "them. The search finds a change, not a proof that none is smaller."
    )


def _verdict(gains: list[Gain | None]) -> str:
    known = [gain for gain in gains if gain is not None]
    if not known:
        return "reads no face right"
    if all(gain.low > 1 for gain in known):
        return "more robust"
    if all(gain.high < 1 for gain in known):
        return "less robust"
    return "not told from the control in both norms"


def _than(mine: float, other: float) -> str:
    return "less than" if mine < other else "more than" if mine > other else "as much as"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
