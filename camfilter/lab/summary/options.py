"""What decides the findings about further attacks and defences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, field_validator

from camfilter.errors import SettingError
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.experiment.base import ExperimentOptions

__all__ = ["SummaryOptions"]


class SummaryOptions(ExperimentOptions):
    """Options of `camfilter lab summary`.

    Attributes:
        size_px: width and height of the pictures.
        train_pictures: of the training part.
        width: of the network's first layer.
        steps: of the optimiser for the undefended network, and for the distilled one.
        defence_steps: for every defence that goes on from the undefended network, and for the
            control that goes on without a defence.
        temperature: of distillation.
        training_levels: greatest change in adversarial training, in grey levels.
        faces: of the test part, for attacks.
        slow_faces: the first of them, for L-BFGS and one pixel.
        natural_faces: of the test part, for the natural accuracy.
        universal_faces: of the training part, on which the universal perturbation is learnt.
        epsilon_levels: greatest change of FGSM and PGD, in grey levels.
        universal_levels: greatest change of the universal perturbation, and of noise.
        ks: of k-A3.
        rounds: of bisection for the least change.
        search_steps: of PGD in each.
        greatest_levels: greatest Linf change that is tried.
        greatest_l2: greatest L2 norm that is tried, pixels in [0, 1].
    """

    QUICK: ClassVar[Mapping[str, Any]] = {
        "size_px": 32, "train_pictures": 1000, "width": 4, "steps": 80, "defence_steps": 15,
        "faces": 8, "slow_faces": 1, "natural_faces": 60, "universal_faces": 32, "ks": [3],
        "rounds": 2, "search_steps": 4,
    }  # fmt: skip

    size_px: int = Field(default=40, ge=16, le=96)
    train_pictures: int = Field(default=10000, ge=100)
    width: int = Field(default=8, ge=2)
    steps: int = Field(default=1200, ge=2)
    defence_steps: int = Field(default=300, ge=2)
    temperature: float = Field(default=20, gt=1)
    training_levels: float = Field(default=6, gt=0)
    faces: int = Field(default=64, ge=4)
    slow_faces: int = Field(default=12, ge=1)
    natural_faces: int = Field(default=1500, ge=10)
    universal_faces: int = Field(default=256, ge=4)
    epsilon_levels: float = Field(default=4, gt=0)
    universal_levels: float = Field(default=16, gt=0)
    ks: tuple[int, ...] = (2, 3, 4)
    rounds: int = Field(default=8, ge=1)
    search_steps: int = Field(default=10, ge=1)
    greatest_levels: float = Field(default=24, gt=0)
    greatest_l2: float = Field(default=3, gt=0)

    @field_validator("ks")
    @classmethod
    def _leave_a_class(cls, ks: tuple[int, ...]) -> tuple[int, ...]:
        if not ks or any(not 1 <= k < len(EXPRESSIONS) for k in ks):
            raise SettingError(f"Each k is from 1 to {len(EXPRESSIONS) - 1}.")
        return tuple(sorted(set(ks)))
