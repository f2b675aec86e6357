"""Whether the protection works now, in plain words, from what recognisers read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from camfilter.expressions import EXPRESSIONS
from camfilter.meter import Change, FaceMeasure
from camfilter.settings import ChainSettings, Mode

__all__ = ["Standing", "Verdict", "judge"]

_UNSURE_BITS: Final = 2.0
"""Of 3; a recogniser that spreads over four of eight expressions or more knows little."""


class Standing(StrEnum):
    """How well a face is protected, as far as it can be measured here."""

    GOOD = "good"
    PARTLY = "partly"
    NOT_YET = "not-yet"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the meter found.

    Attributes:
        standing: good when every recogniser asked is misled, partly when one of two is.
        text: the same in words.
    """

    standing: Standing
    text: str


def judge(measured: FaceMeasure, settings: ChainSettings) -> Verdict:
    """Judge one face by the aim of the mode.

    Untargeted asks for another reading than before, neutral for neutral, hide for an unsure
    reading (2 bits of entropy or more) and targeted for the target that comes last.

    Args:
        measured: what was read in it.
        settings: mode and targets.
    """
    surrogates = _misled(measured.attacked, settings)
    truth = measured.attacked.before.label
    if measured.held_out is None:
        unseen, other = surrogates, measured.attacked.after.label
    else:
        unseen, other = _misled(measured.held_out, settings), measured.held_out.after.label
    if settings.mode is Mode.UNTARGETED:
        unseen = unseen and other != truth  # it may have left an error of its own for the truth
    if surrogates and unseen:
        return Verdict(Standing.GOOD, _good(measured.attacked, settings))
    if surrogates:
        return Verdict(Standing.PARTLY, f"Partly: another reads {other}.")
    still = measured.attacked.after.label
    if unseen:
        return Verdict(Standing.PARTLY, f"Partly: they read {still}.")
    return Verdict(Standing.NOT_YET, f"Not yet: read as {still}.")


def _good(change: Change, settings: ChainSettings) -> str:
    if settings.mode is Mode.UNTARGETED:
        return f"Protected: {change.before.label} is not read."
    if settings.mode is Mode.HIDE:
        return "Protected: readers are unsure."
    return f"Protected: read as {change.after.label}."


def _misled(change: Change, settings: ChainSettings) -> bool:
    if settings.mode is Mode.UNTARGETED:
        return change.fooled
    if settings.mode is Mode.HIDE:
        return change.after.entropy_bits >= _UNSURE_BITS
    if settings.mode is Mode.NEUTRAL:
        return change.after.label == "neutral"
    wanted = settings.targets[-1]
    return change.after.label == wanted or (wanted not in EXPRESSIONS and change.fooled)
