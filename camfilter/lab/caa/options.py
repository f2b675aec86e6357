"""Options of the experiment on chains."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field, field_validator

from camfilter.errors import SettingError
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.experiment.base import ExperimentOptions
from camfilter.settings import LEAST_LIKELY, LEVELS, Projection, parse_epsilon

__all__ = ["PAPER_EPSILONS", "PAPER_SCHEDULE", "ChainingOptions", "shown_epsilon"]

PAPER_EPSILONS: Final = (0.001, 0.0001)
PAPER_SCHEDULE: Final = ("happiness", "sadness", "surprise", "neutral")
"""The targets of the paper's figure 1, stage by stage."""

Epsilon = Annotated[float, BeforeValidator(parse_epsilon)]


class ChainingOptions(ExperimentOptions):
    """What decides the findings on chains.

    Attributes:
        sets: of the data; empty takes all that are found.
        faces: sampled from the test part of each set, in the proportions of its classes.
        networks: folders of `models/`, each attacked from the inside.
        attacks: that are chained, by name.
        epsilons: size of each stage in [0, 1]; "2/255" and "2 levels" are understood.
        chain_length: of the longest chain; all lengths from 1 on are reported.
        projection: none as in the paper, or back into the ball of radius epsilon around the clean
            picture after each stage, with steps of 2.5 epsilon / chain_length as the product has.
        relabel: take the label anew from what each stage begins with, as a chain of ART's
            FastGradientMethod does.
        targets: of the targeted chain, spread over its stages; the last one is what shall be read.
        sides: also compare with other forms of the chain, other attacks and other networks.
        side_faces: of the first set, for that.
        side_epsilons: for that; the other attacks take the first, as one stage of theirs is many.
        side_attacks: for that, chained with the parameters that they have.
        side_networks: for that.
    """

    QUICK: ClassVar[Mapping[str, Any]] = {
        "sets": ("ferplus",),
        "faces": 40,
        "epsilons": (0.001, 2 / LEVELS),
        "chain_length": 4,
        "side_faces": 10,
        "side_attacks": ("deepfool",),
        "side_networks": ("separable64",),
    }

    data: Path = Path("data")
    sets: tuple[Literal["ferplus", "lfw", "yours"], ...] = ()
    faces: int = Field(default=300, ge=8)
    networks: tuple[str, ...] = Field(default=("plain48",), min_length=1)
    attacks: tuple[str, ...] = Field(default=("fgsm",), min_length=1)
    epsilons: tuple[Epsilon, ...] = Field(
        default=(*PAPER_EPSILONS, *(levels / LEVELS for levels in (1, 2, 4, 6, 8))), min_length=1
    )
    chain_length: int = Field(default=10, ge=2, le=200)
    projection: Projection = Projection.NONE
    relabel: bool = False
    targets: tuple[str, ...] = Field(default=(LEAST_LIKELY,), min_length=1)
    sides: bool = True
    side_faces: int = Field(default=60, ge=8)
    side_epsilons: tuple[Epsilon, ...] = Field(default=(0.001, 2 / LEVELS), min_length=1)
    side_attacks: tuple[str, ...] = ("pgd", "mi-fgsm", "deepfool")
    side_networks: tuple[str, ...] = ("residual48", "separable64", "branches40", "dense40")

    @field_validator("targets")
    @classmethod
    def _known_targets(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        for target in targets:
            if target not in (LEAST_LIKELY, *EXPRESSIONS):
                raise SettingError(
                    f"There is no expression {target!r}.",
                    f"Choose from: {', '.join((LEAST_LIKELY, *EXPRESSIONS))}.",
                )
        return targets


def shown_epsilon(epsilon: float | None) -> str:
    """A size as people write it: 2/255 where it is whole levels; a dash for none."""
    if epsilon is None:
        return "–"  # noqa: RUF001 - a dash for nothing
    levels = epsilon * LEVELS
    whole = round(levels)
    return f"{whole}/{LEVELS}" if whole and abs(levels - whole) < 1e-6 else f"{epsilon:g}"
