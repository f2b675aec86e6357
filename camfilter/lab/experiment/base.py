"""What an experiment is: options, and a function from them to findings."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from camfilter.errors import SettingError
from camfilter.lab.experiment.findings import Findings
from camfilter.lab.experiment.workbench import Workbench

__all__ = ["Experiment", "ExperimentOptions", "options_of"]


class ExperimentOptions(BaseModel):
    """What decides the findings of an experiment; each one adds fields of its own.

    Attributes:
        QUICK: the fields that a first look of less than a minute sets.
        data: folder or file of the pictures.
        seed: of all chance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    QUICK: ClassVar[Mapping[str, Any]] = {}

    data: Path = Path("data")
    seed: int = Field(default=0, ge=0)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Check values that came from a person.

        Raises:
            SettingError: the first value that cannot be used.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            cause = first.get("ctx", {}).get("error")
            if isinstance(cause, SettingError):
                raise cause from error
            where = ".".join(str(part) for part in first["loc"])
            raise SettingError(f"The option {where} cannot be used: {first['msg']}.") from error


class Experiment(Protocol):
    """One experiment of the lab.

    Attributes:
        name: of its command and of its folder of findings.
        title: one line for people.
        options: its options' class.
        code: packages and modules below `camfilter/lab` that decide its findings; a change
            of theirs makes what was kept worthless.
    """

    name: str
    title: str
    options: type[ExperimentOptions]
    code: tuple[str, ...]

    def run(self, options: Any, workbench: Workbench) -> Findings:
        """Do it.

        Args:
            options: of the class that `options` names.
            workbench: keeps what was computed and spreads tasks.

        Raises:
            CamfilterError: the data or an option cannot be used.
        """


def options_of(
    kind: type[ExperimentOptions],
    given: Mapping[str, Any],
    *,
    config: Path | None = None,
    quick: bool = False,
) -> ExperimentOptions:
    """Options from a file and from the command line; the more particular wins.

    Args:
        kind: the options' class.
        given: fields from the command line.
        config: a TOML file with fields of the class.
        quick: begin with those of a first look.

    Raises:
        SettingError: the file cannot be read, or a value cannot be used.
    """
    values = dict(kind.QUICK) if quick else {}
    if config is not None:
        try:
            values |= tomllib.loads(config.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingError(f"The configuration {config} cannot be read: {error}.") from error
    return kind.of(values | dict(given))
