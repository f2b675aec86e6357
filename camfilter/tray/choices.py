"""What the menu and the window offer to choose from, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from camfilter.expressions import EXPRESSIONS
from camfilter.settings import LEAST_LIKELY, Mode

__all__ = [
    "CHAIN_LENGTHS",
    "CHAIN_LENGTH_PRESETS",
    "EPSILON_LEVELS",
    "EPSILON_PRESETS",
    "FIRST_TARGET",
    "MODES",
    "TARGETS",
    "Choice",
    "levels_text",
    "stages_text",
]


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose.

    Attributes:
        value: what the settings call it.
        label: what a person reads; & marks the key that picks it.
        hint: one line more.
    """

    value: str
    label: str
    hint: str = ""


MODES: Final = (
    Choice(Mode.NEUTRAL.value, "&Neutral", "The recogniser shall read a neutral face."),
    Choice(Mode.HIDE.value, "&Hide", "Every expression shall look alike to it."),
    Choice(Mode.UNTARGETED.value, "&Untargeted", "It shall read anything but the truth."),
    Choice(Mode.TARGETED.value, "&Targeted", "It shall read the expression that you choose."),
)
TARGETS: Final = (
    *(Choice(name, name.capitalize()) for name in EXPRESSIONS),
    Choice(LEAST_LIKELY, "Least likely", "The expression that it holds for least likely."),
)
FIRST_TARGET: Final = "happiness"
"""Target of mode targeted until the person chooses one."""

EPSILON_LEVELS: Final = range(1, 17)
EPSILON_PRESETS: Final = (2, 4, 6, 8)
CHAIN_LENGTHS: Final = range(1, 51)
CHAIN_LENGTH_PRESETS: Final = (1, 5, 10, 20)


def levels_text(levels: float) -> str:
    """A size of change in words: "1 level", "5.1 levels"."""
    number = f"{levels:.1f}".removesuffix(".0")
    return f"{number} level" if number == "1" else f"{number} levels"


def stages_text(stages: int) -> str:
    """A chain length in words."""
    return "1 stage" if stages == 1 else f"{stages} stages"
