"""What a person may set about the chain, checked once, then immutable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from camfilter.errors import SettingError
from camfilter.expressions import EXPRESSIONS

__all__ = [
    "LEAST_LIKELY",
    "MAX_CHAIN_LENGTH",
    "ChainSettings",
    "Chaining",
    "Mode",
    "Projection",
    "parse_epsilon",
    "parse_targets",
]

LEVELS: Final = 255
"""Levels between black and white in an 8-bit picture."""

MAX_CHAIN_LENGTH: Final = 200
MAX_STAGES_PER_FRAME: Final = 32
LEAST_LIKELY: Final = "least-likely"
_LEAST_STEP_LEVELS: Final = 0.01
"""With a tenth of it nothing is left in 8 bits, and the guard refuses frame after frame."""


class Mode(StrEnum):
    """What the recogniser shall read instead of the true expression.

    NEUTRAL: the neutral face. HIDE: every expression alike.
    UNTARGETED: anything but the truth (CUA). TARGETED: a schedule of targets (CTA).
    """

    NEUTRAL = "neutral"
    HIDE = "hide"
    UNTARGETED = "untargeted"
    TARGETED = "targeted"


class Chaining(StrEnum):
    """Where the stages of a chain are spent.

    OVER_TIME: a few on each frame; the change stays with the face from frame to frame.
    PER_FRAME: all on every frame, each frame by itself, as in the chaining paper.
    """

    OVER_TIME = "over-time"
    PER_FRAME = "per-frame"


class Projection(StrEnum):
    """What keeps a chain of many stages small.

    BALL: after each stage back into the ball of radius epsilon (as BIM and PGD do).
    NONE: nothing, as in the chaining paper; the change grows to chain length times step.
    """

    BALL = "ball"
    NONE = "none"


def parse_epsilon(value: object, name: str = "Epsilon") -> float:
    """Read a size of change in units of [0, 1]: ``0.0235``, ``6/255`` or ``6 levels``.

    Args:
        value: what a person wrote.
        name: which setting it is, for the error.

    Raises:
        SettingError: not a number, or outside [0, 1].
    """
    text = str(value).strip().lower()
    try:
        if text.endswith(("levels", "level")):
            number = float(text.removesuffix("s").removesuffix("level")) / LEVELS
        elif "/" in text:
            above, below = text.split("/")
            number = float(above) / float(below)
        else:
            number = float(text)
    except (ValueError, ZeroDivisionError) as error:
        raise SettingError(
            f"{name} {text!r} is not a number.", "Write 6/255, 0.0235 or '6 levels'."
        ) from error
    if not (math.isfinite(number) and 0 <= number <= 1):
        raise SettingError(
            f"{name} {text!r} is outside 0 to 1.", "Write 6/255, 0.0235 or '6 levels'."
        )
    return number


def parse_targets(value: object) -> tuple[str, ...]:
    """Read a schedule of targets: ``happiness,neutral``, a list of names, or ``least-likely``.

    Raises:
        SettingError: a name that is no expression.
    """
    if isinstance(value, str):
        parts = [part.strip().lower() for part in value.split(",") if part.strip()]
    elif isinstance(value, list | tuple):
        parts = [str(part).strip().lower() for part in value]
    else:
        raise SettingError(f"Targets {value!r} are not names.", "Write happiness,neutral.")
    for part in parts:
        if part not in (*EXPRESSIONS, LEAST_LIKELY):
            raise SettingError(
                f"There is no expression {part!r}.",
                f"Choose from {', '.join(EXPRESSIONS)} or {LEAST_LIKELY}.",
            )
    return tuple(parts)


Epsilon = Annotated[float, BeforeValidator(parse_epsilon)]


def _parse_step(value: object) -> float:
    step = parse_epsilon(value, name="Step")
    if step * LEVELS < _LEAST_STEP_LEVELS:
        raise SettingError(
            f"Steps of {step * LEVELS:g} levels add up to nothing.", "Leave it out, or '1 level'."
        )
    return step


Step = Annotated[float, BeforeValidator(_parse_step)]


class ChainSettings(BaseModel):
    """Settings of the chain of attacks.

    Attributes:
        mode: what the recogniser shall read.
        targets: schedule for mode targeted, first to last; the last one is what shall be read.
        epsilon: radius of the ball, or the step of each stage without projection; in [0, 1].
        chaining: where the stages are spent; unrelated pictures, and a chain without projection,
            are always done per frame.
        chain_length: number of stages, 1 to 200. 1 is the plain attack. Over time a
            new face gets 2.4 times as many at once, 24 at most, and full steps for five times as
            many; then its change settles and follows the face.
        stages_per_frame: stages over time for each frame, 0.1 to 32, shared by its faces; 0.5 is
            one every second frame.
        step: change of one stage, 0.01 levels to 1; None chooses it from epsilon and chain length.
        momentum: how much of the last stages' gradient is kept, 0 (none) to 1.
        projection: what keeps the change small.
        surrogate: name of the network to attack, or several joined by +; None takes all
            of the manifest, in turn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = Mode.UNTARGETED
    targets: Annotated[tuple[str, ...], BeforeValidator(parse_targets)] = ()
    epsilon: Epsilon = 6 / LEVELS
    chaining: Chaining = Chaining.OVER_TIME
    chain_length: int = Field(default=10, ge=1, le=MAX_CHAIN_LENGTH)
    stages_per_frame: float = Field(default=1.0, ge=0.1, le=MAX_STAGES_PER_FRAME)
    step: Step | None = None
    momentum: float = Field(default=1.0, ge=0, le=1)
    projection: Projection = Projection.BALL
    surrogate: str | None = None

    @model_validator(mode="after")
    def _targets_fit_mode(self) -> Self:
        if self.mode is Mode.TARGETED and not self.targets:
            raise SettingError("Mode targeted needs a target.", "Add --target happiness,neutral.")
        if self.mode is not Mode.TARGETED and self.targets:
            raise SettingError(
                f"Mode {self.mode} takes no target.", "Use --mode targeted with --target."
            )
        return self

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Check values that came from a person.

        Raises:
            SettingError: the first value that cannot be used, and what may be.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise _one_line(error) from error

    @property
    def over_time(self) -> bool:
        """Whether stages are spread over frames; a chain without projection must have an end."""
        return self.chaining is Chaining.OVER_TIME and self.projection is Projection.BALL

    @property
    def step_size(self) -> float:
        """Change of one stage in [0, 1]."""
        if self.step is not None:
            return self.step
        if self.projection is Projection.NONE:
            return self.epsilon
        # PGD's customary 2.5 epsilon / N reaches the ball's edge and can come back from it.
        return min(self.epsilon, 2.5 * self.epsilon / self.chain_length)

    @property
    def budget(self) -> float:
        """Greatest change of any pixel before rounding, in [0, 1]."""
        if self.over_time:
            return self.epsilon
        if self.projection is Projection.BALL:
            return min(self.epsilon, self.chain_length * self.step_size)
        return min(1.0, self.chain_length * self.step_size)

    @property
    def budget_levels(self) -> int:
        """Greatest change of any pixel after rounding, in levels."""
        return math.floor(self.budget * LEVELS + 0.5 - 1e-9)

    @property
    def vanishes(self) -> str:
        """Why nothing is left of this setting in an 8-bit picture, in plain words; else empty."""
        if self.budget_levels >= 1:
            return ""
        return (
            f"A change of {self.budget * LEVELS:.2f} levels vanishes when pixels are rounded "
            "to 8 bits: nothing would be protected."
        )


def _one_line(error: ValidationError) -> SettingError:
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, SettingError):
        return cause
    name = ".".join(str(part) for part in first["loc"]) or "settings"
    return SettingError(
        f"{name.replace('_', ' ').capitalize()} {first.get('input')!r} cannot be used:",
        f"{first['msg'].removeprefix('Input should be ')}.".replace("..", "."),
    )
