"""What a person may choose of the bench."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from camfilter.errors import SettingError
from camfilter.lab.experiment.base import ExperimentOptions

__all__ = ["BenchOptions", "SubjectName", "configured"]

SubjectName = Literal["identity", "expression"]
Settings = dict[str, dict[str, Any]]


class BenchOptions(ExperimentOptions):
    """What decides the findings of the bench.

    Attributes:
        QUICK: those of a first look.
        subjects: what is read from faces: identity, expression, or both; None takes what the
            data has labels for.
        attacks: by name.
        detectors: by name.
        mitigations: by name.
        targeted: attacks that aim at each probe's target; the others leave the true class.
        attack_settings: for an attack by name, other values of its parameters; those here made
            attacks reach their targets on validation pictures, also in 8 bits.
        detector_settings: likewise of a detector.
        mitigation_settings: likewise of a mitigation.
        size_px: of the pictures of people.
        people: at most so many, those with the most pictures.
        most_pictures: of a person.
        epochs: of the network for people.
        rate: its learning rate at the top of the cycle.
        probes: test pictures, at most.
        lessons: training pictures that are attacked, for detectors and mitigations to learn from.
        expression_network: a folder of `models`.
        expression_probes: test pictures of expressions, at most.
        expression_lessons: training pictures of expressions that are attacked.
        expression_training: clean training pictures of expressions, at most.
        expression_epochs: of adversarial training, which goes on from the trained network.
        expression_rate: its learning rate.
    """

    QUICK: ClassVar[Mapping[str, Any]] = {
        "subjects": ["identity"], "attacks": ["fgsm", "deepfool"], "people": 6,
        "most_pictures": 50, "epochs": 12, "probes": 40, "lessons": 40,
        "mitigation_settings": {"autoencoder": {"epochs": 15}},
    }  # fmt: skip

    subjects: tuple[SubjectName, ...] | None = None
    attacks: tuple[str, ...] = ("deepfool", "ead-l1", "ead-en", "fgsm", "cw-l2")
    detectors: tuple[str, ...] = (
        "noise-reduction", "artifacts", "artifact-density", "filter-statistics", "pca",
    )  # fmt: skip
    mitigations: tuple[str, ...] = (
        "adversarial-training", "blur", "randomisation", "autoencoder",
    )  # fmt: skip
    targeted: tuple[str, ...] = ("ead-l1", "ead-en", "cw-l2")
    attack_settings: Settings = Field(
        default_factory=lambda: {
            "cw-l2": {"confidence": 1.0},
            "ead-en": {"first_constant": 1.0, "steps": 100},
            "ead-l1": {"first_constant": 1.0, "steps": 100},
        }
    )
    detector_settings: Settings = Field(default_factory=dict)
    mitigation_settings: Settings = Field(default_factory=dict)
    size_px: int = Field(default=32, ge=8, le=256, multiple_of=8)
    people: int = Field(default=38, ge=2)
    most_pictures: int = Field(default=100, ge=10)
    epochs: int = Field(default=40, ge=1)
    rate: float = Field(default=0.04, gt=0)
    probes: int = Field(default=200, ge=2)
    lessons: int = Field(default=300, ge=2)
    expression_network: str = "plain48"
    expression_probes: int = Field(default=80, ge=2)
    expression_lessons: int = Field(default=80, ge=2)
    expression_training: int = Field(default=800, ge=10)
    expression_epochs: int = Field(default=2, ge=1)
    expression_rate: float = Field(default=0.01, gt=0)


T = TypeVar("T")


def configured(thing: T, settings: Mapping[str, Any]) -> T:
    """A copy of an attack, detector or mitigation with other values of its parameters.

    Args:
        thing: a dataclass, where there are settings.
        settings: values by parameter.

    Raises:
        SettingError: it has no such parameter, or a value cannot be used.
    """
    if not settings:
        return thing
    name = getattr(thing, "name", "it")
    known = [field.name for field in fields(thing)] if is_dataclass(thing) else []
    for key in settings:
        if key not in known or key in {"name", "targeted"}:
            offered = ", ".join(sorted({*known} - {"name", "targeted"})) or "none"
            raise SettingError(f"{name} has no parameter {key!r}.", f"It has: {offered}.")
    values = {key: getattr(thing, key) for key in known} | dict(settings)
    try:
        return TypeAdapter(type(thing)).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "value"
        raise SettingError(f"{where} of {name} cannot be used: {first['msg']}.") from error
