"""The figures about transfer as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from camfilter.lab.experiment.findings import Table
from camfilter.lab.transfer.arms import TRAINED, TRICKS
from camfilter.lab.transfer.collect import Measured, Rate, Row

__all__ = ["tables_of"]

_SETS: Final = {"ferplus": "FER+", "lfw": "LFW", "yours": "your faces"}
_UNSEEN: Final = (("unseen", True), ("foreign", False))


def tables_of(measured: Measured) -> list[Table]:
    """Arms that were trained, ways to take the gradient, each recogniser, and lengths."""
    trained = [row for row in measured.rows if row.arm and not row.joint]
    untrained = [row for row in measured.rows if not row.arm and not row.joint]
    joint = [row for row in measured.rows if row.joint]
    last = measured.stages[-1]
    tables = []
    if trained:
        words = "; ".join(f"{arm.name}: {arm.words}" for arm in TRAINED)
        tables.append(Table(
            "transfer-trained",
            f"Ingredients of training: fooled where sure after {last} stages",
            [_row(measured, row) for row in trained],
            f"Gains are over the control arm on the same faces; from and to hold 95 % when faces "
            f"are drawn anew. What the seed alone does stands in the second line. {words}.",
        ))  # fmt: skip
    tables.append(Table(
        "transfer-gradients",
        f"Ways to take the gradient, without training: fooled where sure after {last} stages",
        [_row(measured, row) for row in untrained],
        "Gains are over the same network as it is. "
        f"{'; '.join(f'{name}: {told}' for name, told in TRICKS.items())}.",
    ))  # fmt: skip
    if joint:
        tables.append(Table(
            "transfer-together",
            f"Several surrogates in turn: fooled where sure after {last} stages",
            [_row(measured, row) for row in joint],
            "Control: each fine-tuned as it was trained. Distillation: each taught by the others "
            "in the chain; the recognisers asked taught nobody. White-box and right: means.",
        ))  # fmt: skip
    tables.append(Table(
        "transfer-readers",
        f"Each recogniser: fooled where sure after {last} stages",
        [_by_reader(measured, row) for row in measured.rows],
        "Nothing stands where a network would read what was made with itself.",
    ))  # fmt: skip
    if len(measured.stages) > 1:
        tables.append(Table(
            "transfer-stages",
            "Lengths of the chain: unseen networks fooled where sure",
            [_by_stages(measured, row) for row in measured.rows],
        ))  # fmt: skip
    return tables


def _row(measured: Measured, row: Row) -> dict[str, Any]:
    what = f"fooled-{measured.stages[-1]}"
    cells: dict[str, Any] = {"network": row.network, "ingredient": row.name}
    for title, own in _UNSEEN:
        readers = measured.readers(row.network, own=own)
        if not readers:
            continue
        share, gain = measured.share(row, what, readers), measured.gain(row, what, readers)
        cells |= {title: share and share.value, **_gain(title, gain)}
        drawn = measured.share(row, "control", readers)
        cells[f"{title}, random"] = drawn and drawn.value
    cells |= {"white-box": measured.white(row, what).value}
    white = measured.white_gain(row, what)
    cells["white-box gain"] = white and white.value
    for name, told in _SETS.items():
        right = measured.accuracy(row, name)
        if right is not None:
            cells[f"right on {told}"] = right
    return cells | {"PSNR": measured.psnr(row)}


def _gain(title: str, gain: Rate | None) -> dict[str, float | None]:
    if gain is None:
        return {f"{title} gain": None, f"{title} from": None, f"{title} to": None}
    return {f"{title} gain": gain.value, f"{title} from": gain.low, f"{title} to": gain.high}


def _by_reader(measured: Measured, row: Row) -> dict[str, Any]:
    what = f"fooled-{measured.stages[-1]}"
    every = [name for own in (True, False) for name in measured.readers("", own=own)]
    known = [name for own in (True, False) for name in measured.readers(row.network, own=own)]
    return {"network": row.network, "ingredient": row.name} | {
        name: _value(measured, row, what, [name]) if name in known else None for name in every
    }


def _by_stages(measured: Measured, row: Row) -> dict[str, Any]:
    readers = measured.readers(row.network, own=True)
    cells: dict[str, Any] = {"network": row.network, "ingredient": row.name}
    for stages in measured.stages:
        cells[f"{stages} stages"] = _value(measured, row, f"fooled-{stages}", readers)
        gain = measured.gain(row, f"fooled-{stages}", readers)
        cells[f"gain at {stages}"] = gain and gain.value
    return cells


def _value(measured: Measured, row: Row, what: str, readers: Sequence[str]) -> float | None:
    share = measured.share(row, what, readers)
    return None if share is None else share.value
