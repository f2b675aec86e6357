"""Figures of an outcome: each way of reading the probes, with its own threshold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from camfilter.lab.smartbox.bench import Attacked, Outcome
from camfilter.lab.smartbox.measures import (
    Claims,
    Detection,
    cumulative_match,
    detection_of,
    rank_one,
    roc_of,
    threshold_of,
    verification,
)

__all__ = ["Effect", "Reading", "detections_of", "effects_of", "readings_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """One network, perhaps with a mitigation, that reads one version of the probes.

    Attributes:
        logits: (N, classes) of the probes.
        claims: of the probes.
        threshold: of verification; from the same network's clean validation pictures.
    """

    logits: NDArray[np.float32]
    claims: Claims
    threshold: float

    @classmethod
    def of(cls, outcome: Outcome, answers: dict[str, NDArray[np.float32]], version: str) -> Reading:
        """Of a version of the probes: clean, float or levels."""
        valid = outcome.valid_claims
        threshold = threshold_of(answers["valid"], valid.labels, valid.targets)
        return cls(answers[version], outcome.claims, threshold)

    @property
    def identified(self) -> float:
        """Rank-1 identification accuracy in percent."""
        return 100 * rank_one(self.logits, self.claims.labels)

    @property
    def verified(self) -> float:
        """Verification accuracy in percent."""
        return 100 * verification(self.logits, self.claims, self.threshold)

    @property
    def at_target(self) -> float:
        """Probes that are read as their target, in percent."""
        return 100 * rank_one(self.logits, self.claims.targets)

    @cached_property
    def matches(self) -> Floats:
        """(classes,) cumulative match in [0, 1]."""
        return cumulative_match(self.logits, self.claims.labels)

    @cached_property
    def operating(self) -> tuple[Floats, Floats, float]:
        """False and true acceptance rates, and the area under their curve."""
        return roc_of(self.logits, self.claims)


@dataclass(frozen=True)
class Effect:
    """What an attack and a mitigation do to identification and verification, in percent.

    Attributes:
        attack: its name.
        mitigation: its name.
        before: without attack and mitigation.
        attacked: 8-bit pictures without a mitigation.
        attacked_float: pictures that were not rounded, without a mitigation.
        mitigated: 8-bit pictures with the mitigation.
        mitigated_float: attacked pictures that were not rounded, with the mitigation.
        clean: pictures that were not attacked, with the mitigation.
    """

    attack: str
    mitigation: str
    before: Reading
    attacked: Reading
    attacked_float: Reading
    mitigated: Reading
    mitigated_float: Reading
    clean: Reading


def readings_of(outcome: Outcome, attack: Attacked) -> dict[str, Reading]:
    """Before the attack, after it, and after each mitigation; attacked pictures have 8 bits."""
    plain = attack.answers[""]
    return {
        "before attack": Reading.of(outcome, plain, "clean"),
        "after attack": Reading.of(outcome, plain, "levels"),
        **{
            name: Reading.of(outcome, answers, "levels")
            for name, answers in attack.answers.items()
            if name
        },
    }


def effects_of(outcome: Outcome) -> list[Effect]:
    """Every attack with every mitigation."""
    effects = []
    for attack, found in outcome.attacks.items():
        plain = found.answers[""]
        for mitigation, answers in found.answers.items():
            if mitigation:
                unmitigated = (Reading.of(outcome, plain, v) for v in ("clean", "levels", "float"))
                mitigated = (Reading.of(outcome, answers, v) for v in ("levels", "float", "clean"))
                effects.append(Effect(attack, mitigation, *unmitigated, *mitigated))
    return effects


def detections_of(outcome: Outcome) -> Iterator[tuple[str, str, Detection, Detection]]:
    """Attack, detector, and what it tells of 8-bit and of float pictures.

    A detector that had too little to learn from, as the attack changed hardly a picture, is left
    out.
    """
    for attack, found in outcome.attacks.items():
        for detector, flags in found.flags.items():
            if len(flags["clean"]):
                levels, exact = (
                    detection_of(flags["clean"], flags[part]) for part in ("levels", "float")
                )
                yield attack, detector, levels, exact
