"""What the figures about transfer say, in sentences that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from camfilter.lab.transfer.arms import TRAINED
from camfilter.lab.transfer.chain import STEP_LEVELS
from camfilter.lab.transfer.collect import Measured, Rate, Row
from camfilter.lab.transfer.options import TransferOptions

__all__ = ["WORTH", "figures_of", "text_of", "wins"]

WORTH: Final = 0.03
"""Least gain against unseen families that is worth new weights."""

_WHITE_LOSS: Final = 0.01
_OTHER_SEED: Final = next(arm.name for arm in TRAINED if arm.other_seed)


def text_of(options: TransferOptions, measured: Measured, counts: Mapping[str, int]) -> list[str]:
    """Paragraphs."""
    others = [row for row in measured.rows if row != row.baseline]
    trained = [row for row in others if row.arm and not row.joint]
    tricked = [row for row in others if not row.arm]
    joint = [row for row in others if row.joint]
    parts = [_protocol(options, measured, counts)]
    if trained:
        parts += [_chance(measured, trained), _told(measured, trained, "Of the trained arms")]
    if tricked:
        parts.append(_told(measured, tricked, "Of the ways to take the gradient"))
    parts += [_together(measured, row) for row in joint]
    return [part for part in (*parts, _limits(options)) if part]


def figures_of(measured: Measured) -> dict[str, Any]:
    """Gains and winners, for programs."""
    rows = [row for row in measured.rows if row != row.baseline]
    return {
        "faces": measured.faces,
        "winners": [_name(row) for row in rows if wins(measured, row)],
        "gains": {_name(row): _plain(_gain(measured, row, own=True)) for row in rows},
    }


def wins(measured: Measured, row: Row) -> bool:
    """Whether an arm is worth new weights.

    It gains three points against unseen families, its interval is clear of zero, and the network
    itself is fooled no more than a point less.
    """
    gain = _gain(measured, row, own=True)
    white = measured.white_gain(row, f"fooled-{measured.stages[-1]}")
    return (
        gain is not None and white is not None
        and gain.value >= WORTH and gain.low > 0 and white.value >= -_WHITE_LOSS
    )  # fmt: skip


def _protocol(options: TransferOptions, measured: Measured, counts: Mapping[str, int]) -> str:
    faces = " and ".join(f"{count} of {name}" for name, count in counts.items())
    parts = [
        f"Each arm makes the same chain with one network: {measured.stages[-1]} stages with "
        f"momentum, each with another view of the face, in steps of {STEP_LEVELS:g} level up to "
        f"{options.epsilon_levels:g}, at 48 pixels, rounded to 8 bits, away from what the network "
        f"itself reads. {measured.faces} validation faces are changed ({faces}); recognisers of "
        "other families read them before and after. Fooled: another answer than to the clean face, "
        "counted where the recogniser was sure by half or more; the mean counts each family once. "
        "The random control has the same energy, spectrum and greatest value. Gains are in "
        "points; brackets hold 95 % of them when faces are drawn anew."
    ]
    if options.tuned and len(options.arms) > 1:
        parts.append(
            f"Trained arms begin with the published weights of {' and '.join(options.tuned)} and "
            f"take {options.steps} steps of {options.batch} faces, at most {options.lr:g} fast. "
            "Distilled networks are read only by families that did not teach them."
        )
    return " ".join(parts)


def _chance(measured: Measured, rows: Sequence[Row]) -> str:
    found = [(row, _gain(measured, row, own=True)) for row in rows if row.arm == _OTHER_SEED]
    return " ".join(
        f"Another seed of the control alone moves {row.network} by {_points(gain)} points: a "
        "smaller gain means nothing."
        for row, gain in found
        if gain is not None
    )


def _told(measured: Measured, rows: Sequence[Row], begin: str) -> str:
    known = [(row, _gain(measured, row, own=True)) for row in rows if row.arm != _OTHER_SEED]
    gains = sorted(
        ((row, gain) for row, gain in known if gain is not None), key=lambda pair: -pair[1].value
    )
    winners = [(row, gain) for row, gain in gains if wins(measured, row)]
    helped = [(row, gain) for row, gain in gains if gain.low > 0 and not wins(measured, row)]
    hurt = [(row, gain) for row, gain in gains[::-1] if gain.high < 0]
    level = [(row, gain) for row, gain in gains if not gain.sure]
    sentences = [
        f"{begin}, {_list(measured, winners)} win: three points or more against unseen families, "
        "and the network itself fooled as often."
        if winners
        else f"{begin}, none wins three points against unseen families with the network itself "
        "fooled as often."
    ]
    for what, group in (
        ("Less than that, or at a cost", helped), ("Hurt", hurt), ("No difference told", level),
    ):  # fmt: skip
        if group:
            sentences.append(f"{what}: {_list(measured, group)}.")
    return " ".join(sentences)


def _together(measured: Measured, row: Row) -> str:
    gains = [_gain(measured, row, own=own) for own in (True, False)]
    told = [
        f"{_points(gain)} points against {whom}"
        for gain, whom in zip(gains, ("own networks", "recognisers of others"), strict=True)
        if gain is not None
    ]
    worth = any(gain is not None and gain.value >= WORTH and gain.low > 0 for gain in gains)
    return (
        f"With {row.network.replace('+', ', ')} taking turns in one chain, {row.name} gives "
        f"{' and '.join(told)} that nobody attacked or learnt from: "
        + ("it adds to what several families give." if worth else
           "it adds nothing to what several families give.")
    )  # fmt: skip


def _list(measured: Measured, pairs: Sequence[tuple[Row, Rate]]) -> str:
    several = len({row.network for row in measured.rows}) > 1 and not all(
        row.arm for row, _ in pairs
    )
    what = f"fooled-{measured.stages[-1]}"
    told = []
    for row, gain in pairs:
        foreign = _gain(measured, row, own=False)
        white = measured.white_gain(row, what)
        notes = [f"foreign {_points(foreign)}"] if foreign is not None else []
        if white is not None and abs(white.value) > _WHITE_LOSS:
            notes.append(f"white-box {100 * white.value:+.1f}")
        name = f"{row.name} on {row.network}" if several else row.name
        told.append(f"{name} {_points(gain)}" + (f" ({', '.join(notes)})" if notes else ""))
    return ", ".join(told)


def _limits(options: TransferOptions) -> str:
    return (
        "What a short fine-tuning gives need not be what training from the start with the same "
        f"ingredient gives. No figure here is of a test part. Seed {options.seed}."
    )


def _gain(measured: Measured, row: Row, *, own: bool) -> Rate | None:
    readers = measured.readers(row.network, own=own)
    return measured.gain(row, f"fooled-{measured.stages[-1]}", readers)


def _points(gain: Rate) -> str:
    return f"{100 * gain.value:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"


def _plain(gain: Rate | None) -> list[float] | None:
    return None if gain is None else [round(v, 4) for v in (gain.value, gain.low, gain.high)]


def _name(row: Row) -> str:
    return f"{row.network}: {row.name}"
