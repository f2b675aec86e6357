"""What a person may set about masking a picture, checked once, then immutable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from camfilter.errors import SettingError
from camfilter.settings import LEVELS, ChainSettings

__all__ = ["Hide", "PhotoSettings"]

_MOST_AMPLIFICATION: Final = 8.0
_CHAIN_LENGTH: Final = 24
_EMOTION_LEVELS: Final = 6.0
_IDENTITY_LEVELS: Final = 12.0
"""Who somebody is stands in more of a face than the mouth; docs/photo.md has the figures."""


class Hide(StrEnum):
    """What a program shall not read in a face.

    EMOTION: its expression. IDENTITY: who it is. BOTH: both, within one budget.
    """

    EMOTION = "emotion"
    IDENTITY = "identity"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class PhotoSettings:
    """How a picture is masked.

    Attributes:
        hide: what a program shall not read.
        chain: the attack's own settings; its epsilon is the strength.
        amplification: Face-Off's alpha, 1 to 8; what was found is multiplied by it.
        quality: of JPEG and WebP, 1 to 100.
    """

    hide: Hide
    chain: ChainSettings
    amplification: float = 1.0
    quality: int = 95

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Check values that came from a person.

        Args:
            values: any of hide, strength (in levels), amplification, quality, mode, targets,
                chain_length and surrogate.

        Raises:
            SettingError: the first value that cannot be used, and what may be.
        """
        given = dict(values)
        hide = _hide(given.pop("hide", Hide.EMOTION))
        default = _EMOTION_LEVELS if hide is Hide.EMOTION else _IDENTITY_LEVELS
        strength = _number("Strength", given.pop("strength", default), 0, LEVELS)
        amplification = _number(
            "Amplification", given.pop("amplification", 1.0), 1, _MOST_AMPLIFICATION
        )
        quality = _number("Quality", given.pop("quality", 95), 1, 100)
        if hide is Hide.IDENTITY and not given.keys().isdisjoint({"mode", "targets"}):
            raise SettingError("Mode and target are of emotions.", "Use --hide emotion or both.")
        chain = ChainSettings.of(
            {"chaining": "per-frame", "chain_length": _CHAIN_LENGTH, **given,
             "epsilon": strength / LEVELS}
        )  # fmt: skip
        settings = cls(hide, chain, amplification, round(quality))
        if settings.allowed.vanishes:
            raise SettingError(settings.allowed.vanishes, "Use a strength of 1 level or more.")
        return settings

    @property
    def allowed(self) -> ChainSettings:
        """The chain's settings with the amplification in them: what the result may be."""
        chain = self.chain
        return chain.model_copy(
            update={
                "epsilon": min(1.0, self.amplification * chain.epsilon),
                "step": min(1.0, self.amplification * chain.step_size),
            }
        )

    def as_json(self) -> dict[str, Any]:
        """All settings as plain values."""
        return {
            "hide": self.hide.value,
            "strength_levels": round(self.chain.epsilon * LEVELS, 3),
            "amplification": self.amplification,
            "quality": self.quality,
            "mode": None if self.hide is Hide.IDENTITY else self.chain.mode.value,
            "targets": list(self.chain.targets),
            "chain_length": self.chain.chain_length,
        }


def _hide(value: object) -> Hide:
    try:
        return Hide(str(value).strip().lower())
    except ValueError as error:
        raise SettingError(
            f"There is nothing called {value!r} to hide.", f"Choose one of: {', '.join(Hide)}."
        ) from error


def _number(name: str, value: object, least: float, most: float) -> float:
    text = str(value).strip().lower().removesuffix("levels").removesuffix("level")
    try:
        number = float(text)
    except ValueError as error:
        raise SettingError(
            f"{name} {value!r} is not a number.", f"Write one from {least:g} to {most:g}."
        ) from error
    if not (math.isfinite(number) and least <= number <= most):
        raise SettingError(
            f"{name} {number:g} is out of range.", f"Write a number from {least:g} to {most:g}."
        )
    return number
