"""What decides the findings about unequal classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from pydantic import Field, field_validator

from camfilter.errors import SettingError
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.experiment.base import ExperimentOptions

__all__ = ["ARMS", "IMBALANCED", "SCARCE", "WEIGHTED", "ImbalanceOptions"]

IMBALANCED: Final = "imbalanced"
SCARCE: Final = "scarce"
WEIGHTED: Final = "weighted"

ARMS: Final[Mapping[str, str]] = {
    IMBALANCED: "one class has fewer pictures",
    SCARCE: "every class has as few pictures as the small one",
    WEIGHTED: "one class has fewer pictures, and each counts for more in the loss",
}
"""What a network learns from; the last two tell imbalance from mere lack of pictures."""


class ImbalanceOptions(ExperimentOptions):
    """Options of `camfilter lab imbalance`.

    Attributes:
        size_px: width and height of the pictures.
        classes: expressions that the networks tell apart; each is the small one in turn.
        ratios: pictures of every other class for each picture of the small one.
        control_ratios: those at which the other two arms are trained as well.
        runs: networks for each ratio and class, each with its own seed and pictures.
        pictures: of all classes together in training; the same for every ratio.
        steps: of the optimiser; the same for every network.
        batch: pictures of a step.
        width: of the network's first layer.
        test_pictures: of each class.
        epsilons_levels: sizes of FGSM in grey levels (of 255).
    """

    QUICK: ClassVar[Mapping[str, Any]] = {
        "ratios": [1, 10], "control_ratios": [10], "runs": 1, "pictures": 660,
        "steps": 60, "test_pictures": 40,
    }  # fmt: skip

    size_px: int = Field(default=40, ge=16, le=96)
    classes: tuple[str, ...] = ("happiness", "surprise")
    ratios: tuple[int, ...] = (1, 2, 5, 10, 20, 50, 100)
    control_ratios: tuple[int, ...] = (20,)
    runs: int = Field(default=3, ge=1)
    pictures: int = Field(default=3030, ge=20)
    steps: int = Field(default=500, ge=2)
    batch: int = Field(default=32, ge=2)
    width: int = Field(default=8, ge=2)
    test_pictures: int = Field(default=200, ge=10)
    epsilons_levels: tuple[float, ...] = (0.25, 0.5, 1, 2, 4, 8)

    @field_validator("classes")
    @classmethod
    def _are_expressions(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) < 2 or set(classes) - set(EXPRESSIONS):
            raise SettingError(
                "At least two different expressions are needed.",
                f"Choose from: {', '.join(EXPRESSIONS)}.",
            )
        return classes

    @field_validator("ratios", "control_ratios")
    @classmethod
    def _are_ratios(cls, ratios: tuple[int, ...]) -> tuple[int, ...]:
        if any(ratio < 1 for ratio in ratios):
            raise SettingError("A ratio is a whole number from 1 on.")
        return tuple(sorted(set(ratios)))

    def counts(self, ratio: int, arm: str) -> tuple[int, int]:
        """Training pictures of the small class and of each other one."""
        small = max(2, round(self.pictures / (1 + ratio * (len(self.classes) - 1))))
        return small, small if arm == SCARCE else ratio * small
