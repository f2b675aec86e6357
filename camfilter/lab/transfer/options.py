"""What decides the findings about transfer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import Field, field_serializer, field_validator, model_validator

from camfilter.errors import SettingError
from camfilter.lab.experiment.base import ExperimentOptions
from camfilter.lab.transfer.arms import CONTROL, TRAINED

__all__ = ["TransferOptions"]

_ARMS: Final = tuple(arm.name for arm in TRAINED)


class TransferOptions(ExperimentOptions):
    """Options of `camfilter lab transfer`.

    Attributes:
        tuned: networks that are fine-tuned, each with every arm.
        arms: names of the arms; the control is always there.
        tricked: networks whose gradient is taken in other ways, without training.
        together: networks that take the stages of one chain in turn, as published, fine-tuned as
            they were trained, and each distilled from the others; fewer than two is off.
        recognisers: ONNX files of others, with their descriptions beside them.
        faces: of each set's validation part, as many of each label as there are.
        scored: faces of each set's validation part that accuracy is scored on.
        steps: of fine-tuning.
        batch: pictures of a step.
        lr: greatest learning rate of fine-tuning.
        stages: lengths of the chain; the longest decides.
        epsilon_levels: greatest change of a pixel in grey levels (of 255).
    """

    QUICK: ClassVar[Mapping[str, Any]] = {
        "arms": ["label smoothing", "weight averaging"], "tricked": ["residual48"], "together": [],
        "faces": 16, "scored": 100, "steps": 6, "batch": 32, "stages": [2, 4],
    }  # fmt: skip

    tuned: tuple[str, ...] = ("plain48",)
    arms: tuple[str, ...] = _ARMS
    tricked: tuple[str, ...] = ("plain48", "residual48")
    together: tuple[str, ...] = ("plain48", "residual48", "separable64", "branches40")
    recognisers: tuple[Path, ...] = ()
    faces: int = Field(default=150, ge=4)
    scored: int = Field(default=1200, ge=1)
    steps: int = Field(default=80, ge=2)
    batch: int = Field(default=64, ge=4)
    lr: float = Field(default=0.02, gt=0)
    stages: tuple[int, ...] = (10, 20)
    epsilon_levels: float = Field(default=6, gt=0, le=64)

    @field_validator("arms")
    @classmethod
    def _are_arms(cls, arms: tuple[str, ...]) -> tuple[str, ...]:
        for name in arms:
            if name not in _ARMS:
                raise SettingError(f"There is no arm {name!r}.", f"Choose from: {', '.join(_ARMS)}")
        return tuple(name for name in _ARMS if name in {CONTROL, *arms})

    @field_validator("stages")
    @classmethod
    def _are_lengths(cls, stages: tuple[int, ...]) -> tuple[int, ...]:
        if not stages or min(stages) < 1:
            raise SettingError("A length of the chain is a whole number from 1 on.")
        return tuple(sorted(set(stages)))

    @field_serializer("recognisers", when_used="json")
    def _by_name(self, recognisers: tuple[Path, ...]) -> list[str]:
        """Names alone, as findings are published and places of files are nobody's business."""
        return [file.stem for file in recognisers]

    @model_validator(mode="after")
    def _has_networks(self) -> TransferOptions:
        if not (self.tuned or self.tricked):
            raise SettingError("No network is left to measure.", "Name one in tuned or tricked.")
        return self
