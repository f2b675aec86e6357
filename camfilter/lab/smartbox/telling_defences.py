"""What came out of mitigations and detectors, in sentences made from the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from camfilter.lab.smartbox.bench import Outcome
from camfilter.lab.smartbox.paper import DETECTED, MITIGATED
from camfilter.lab.smartbox.readings import Effect, detections_of, effects_of
from camfilter.lab.smartbox.words import (
    GRADIENT,
    LEAST_CHANGE,
    against,
    begun,
    headed,
    listed,
    means,
)

__all__ = ["on_detectors", "on_mitigations"]

_NO_BETTER: Final = 60.0
"""An accuracy in percent that is hardly better than guessing."""


def on_mitigations(outcome: Outcome) -> str:
    """How well identification survives with each mitigation; empty where there is none."""
    effects = effects_of(outcome)
    if not effects:
        return ""
    ours = means((e.mitigation, e.mitigated.identified) for e in effects)
    clean = means((e.mitigation, e.clean.identified) for e in effects)
    order = sorted(ours, key=lambda name: -ours[name])
    text = (
        headed("Mitigations", outcome)
        + "Identification of attacked pictures, mean over the attacks, is "
        + listed(f"{ours[name]:.0f} % with {name}" for name in order)
        + "; of pictures that nobody attacked it is "
        + listed(f"{clean[name]:.0f} %" for name in order)
        + ", in the same order."
    )
    before = effects[0].before.identified
    trained = clean.get("adversarial-training", before)
    if trained < before - 5:
        text += (
            f" The adversarially trained network reads {before - trained:.0f} points fewer clean "
            f"pictures than the first one; it is trained anew, on clean and attacked pictures."
        )
        if outcome.subject == "identity":
            text += (
                " In the paper it reads attacked pictures better than the first network read "
                "clean ones, but for FGSM's."
            )
    worst = min(clean, key=lambda name: clean[name])
    if clean[worst] < before - 5:
        text += (
            f" {begun(worst)} alone costs {before - clean[worst]:.0f} points on clean pictures, "
            f"as the network never saw pictures changed so; {ours[worst]:.0f} % are left under "
            "attack."
        )
    if outcome.subject == "identity":
        text += _against_paper(ours, effects)
    return text + _blur(effects)


def _blur(effects: Sequence[Effect]) -> str:
    """How much of what it reads on clean pictures blur keeps under each kind of attack."""
    shares: dict[bool, list[float]] = {True: [], False: []}
    for effect in effects:
        if effect.mitigation == "blur" and effect.attack in GRADIENT | LEAST_CHANGE:
            share = 100 * effect.mitigated.identified / max(effect.clean.identified, 1e-9)
            shares[effect.attack in GRADIENT].append(share)
    if not shares[True] or not shares[False]:
        return ""
    gradient, least = float(np.mean(shares[True])), float(np.mean(shares[False]))
    return (
        f" With blur the network keeps {least:.0f} % of its clean identification under attacks of "
        f"least change and {gradient:.0f} % under FGSM"
        + (
            "; the paper has the same: blur mitigates the first and fails on FGSM."
            if gradient < least - 20
            else "; the paper's failure of blur on FGSM alone is not seen here."
        )
    )


def _against_paper(ours: Mapping[str, float], effects: Sequence[Effect]) -> str:
    known = [(e.attack, e.mitigation) for e in effects if (e.attack, e.mitigation) in MITIGATED]
    theirs = means((mitigation, MITIGATED[attack, mitigation][1]) for attack, mitigation in known)
    if len(theirs) < 2:
        return ""
    return against(ours, theirs)


def on_detectors(outcome: Outcome) -> str:
    """How well each detector tells attacked pictures; empty where there is none."""
    accuracy: dict[tuple[str, str], float] = {}
    for attack, detector, levels, _ in detections_of(outcome):
        accuracy[attack, detector] = 100 * (levels.accuracy or 0)
    if not accuracy:
        return ""
    ours = means((detector, value) for (_, detector), value in accuracy.items())
    order = sorted(ours, key=lambda name: -ours[name])
    text = (
        headed("Detectors", outcome)
        + "Accuracy, mean over the attacks, where guessing has 50 %: "
        + listed(f"{name} {ours[name]:.0f} %" for name in order)
        + "."
    )
    if outcome.subject == "identity":
        known = [key for key in accuracy if key in DETECTED]
        theirs = means((detector, DETECTED[_, detector][2]) for _, detector in known)
        if len(theirs) > 1:
            text += against(ours, theirs)
    text += _noise_reduction(outcome)
    for detector in ("filter-statistics", "pca"):
        text += _on_gradient(detector, accuracy)
    return text


def _noise_reduction(outcome: Outcome) -> str:
    exact: dict[str, float] = {}
    levels: dict[str, float] = {}
    alarms = []
    for attack, detector, on_levels, on_exact in detections_of(outcome):
        if detector == "noise-reduction":
            levels[attack] = 100 * (on_levels.accuracy or 0)
            exact[attack] = 100 * (on_exact.accuracy or 0)
            alarms.append(100 * on_levels.alarms / (on_levels.alarms + on_levels.passed))
    least = [attack for attack in exact if attack in LEAST_CHANGE]
    gradient = [attack for attack in exact if attack in GRADIENT]
    if not least or not gradient:
        return ""
    fails = float(np.mean([exact[attack] for attack in gradient]))
    other = float(np.mean([exact[attack] for attack in least]))
    text = (
        f" Adaptive noise reduction flags {np.mean(alarms):.0f} % of the clean pictures; on float "
        f"pictures its accuracy is {other:.0f} % on attacks of least change and {fails:.0f} % on "
        "FGSM, "
        + (
            "so it fails on FGSM as in the paper."
            if fails < other - 8
            else "so the paper's failure on FGSM alone is not seen."
        )
    )
    lost = [attack for attack in least if levels[attack] < exact[attack] - 10]
    if lost:
        text += (
            f" In 8 bits it has {listed(f'{levels[name]:.0f} % on {name}' for name in lost)}, as "
            "rounding has undone most of these attacks before it looks."
        )
    return text


def _on_gradient(detector: str, accuracy: Mapping[tuple[str, str], float]) -> str:
    weak = [accuracy[key] for key in accuracy if key[1] == detector and key[0] in LEAST_CHANGE]
    strong = [accuracy[key] for key in accuracy if key[1] == detector and key[0] in GRADIENT]
    if not weak or not strong:
        return ""
    text = (
        f" {begun(detector)} has {np.mean(strong):.0f} % on FGSM and {np.mean(weak):.0f} % on "
        "attacks of least change, "
    )
    if float(np.mean(strong)) > float(np.mean(weak)) + 10:
        return text + "as in the paper: good on the first, poor on the others."
    text += "while the paper has it good on the first and poor on the others"
    if detector == "pca" and float(np.mean(strong)) < _NO_BETTER:
        text += (
            "; these changes go another way in each picture, so a linear machine on pixels finds "
            "no direction that they share"
        )
    return text + "."
