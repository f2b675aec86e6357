"""The figures of one channel that the project's promises are about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from camfilter.lab.evaluate.description import Kind
from camfilter.settings import Mode

__all__ = ["OWN", "Row", "mode_measure", "summary_of"]

Row: TypeAlias = Mapping[str, Any]
"""One line of the report: a recogniser behind a counter-measure in a channel."""

OWN = "own"
"""Kind of the project's own networks."""


def summary_of(rows: Sequence[Row], channel: str, mode: Mode) -> dict[str, Any]:
    """What the project promises, in one channel, where spies read plainly.

    Args:
        rows: of the report.
        channel: name of the channel.
        mode: of the filter.
    """
    plain = [r for r in rows if r["channel"] == channel and r["countermeasure"] == "plain"]
    unseen = [r for r in plain if r["unseen"] and r["kind"] in (OWN, Kind.FOREIGN)]
    known = [r for r in plain if r["kind"] == OWN and not r["unseen"]]
    return {
        "surrogates_fooled": _mean(r["frame"]["fooled"]["all"] for r in known),
        "surrogates_fooled_right": _mean(r["frame"]["fooled"]["right"] for r in known),
        "unseen": _group(unseen),
        "unseen_own": _group([r for r in unseen if r["kind"] == OWN]),
        "unseen_foreign": _group([r for r in unseen if r["kind"] != OWN]),
        "mode": mode_measure(unseen, mode),
        "fighting_spies": {
            row["recogniser"]: {
                "kind": row["kind"],
                "accuracy_coded": row["frame"]["accuracy"]["coded"],
                "accuracy_filtered": row["frame"]["accuracy"]["filtered"],
                "fooled_sure": row["frame"]["fooled"]["sure"],
                "leakage_coded_bits": _bits(row, "coded"),
                "leakage_filtered_bits": _bits(row, "filtered"),
            }
            for row in plain
            if row["kind"] in (Kind.ADAPTIVE, Kind.HARDENED)
        },
    }


def mode_measure(rows: Sequence[Row], mode: Mode) -> dict[str, Any]:
    """What a mode promises, as a mean over families.

    Neutral and targeted: share of the frames, whose reading was not the target, that read the
    target. Untargeted: share of the frames that read another expression. Hide: leakage in bits.

    Args:
        rows: of unseen recognisers.
        mode: of the filter.
    """
    families = _by_family(rows).values()
    if mode is Mode.HIDE:
        name, before, after = "leakage_bits", ("leakage", "coded"), ("leakage", "filtered")
    elif any("steered" in row["frame"] for row in rows):
        name, before, after = "steered", ("steered", "control"), ("steered", "filtered")
    else:
        name, before, after = "fooled", ("control", "all"), ("fooled", "all")
    return {
        "name": name,
        "reference": _mean(_mean(_figure(row, *before) for row in rows) for rows in families),
        "filtered": _mean(_mean(_figure(row, *after) for row in rows) for rows in families),
    }


def _group(rows: Sequence[Row]) -> dict[str, Any]:
    """Means over families; a family's figure is the mean over its members.

    `leakage_chance_p95_ratio` is what readers that know nothing stay under in 95 of 100
    evaluations of as many clips: a ratio below it is none that can be told from nothing.
    """
    families = _by_family(rows)
    fooled = {
        name: _mean(_sure(r, "fooled") for r in members) for name, members in families.items()
    }
    there = [share for share in fooled.values() if share is not None]
    before, after = (
        _mean(_mean(_bits(row, name) for row in members) for members in families.values())
        for name in ("coded", "filtered")
    )
    return {
        "families": fooled,
        "fooled_sure_mean": _mean(there),
        "fooled_sure_least": min(there, default=None),
        "fooled_right_mean": _mean(
            _mean(_figure(row, "fooled", "right") for row in members)
            for members in families.values()
        ),
        "control_sure_mean": _mean(
            _mean(_sure(row, "control") for row in members) for members in families.values()
        ),
        "leakage_coded_bits": before,
        "leakage_filtered_bits": after,
        "leakage_ratio": _ratio(after, before),
        "leakage_chance_p95_ratio": _ratio(_chance_p95_bits(families), before),
    }


def _chance_p95_bits(families: Mapping[str, Sequence[Row]]) -> float | None:
    """What the mean over families stays under in 95 of 100 dealings of the labels.

    Not the mean of what each stays under: not all readers are lucky in the same dealing.
    """
    dealt = [
        np.mean([row["frame"]["leakage"]["filtered"]["dealt_bits"] for row in there], axis=0)
        for members in families.values()
        if (there := [row for row in members if _bits(row, "filtered") is not None])
    ]
    return float(np.percentile(np.mean(dealt, axis=0), 95)) if dealt else None


def _by_family(rows: Sequence[Row]) -> dict[str, list[Row]]:
    families: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        families[row["family"]].append(row)
    return families


def _figure(row: Row, part: str, name: str) -> float | None:
    if part == "leakage":
        return _bits(row, name)
    value = row["frame"].get(part, {}).get(name)
    return None if value is None else float(value)


def _sure(row: Row, part: str) -> float | None:
    return _figure(row, part, "sure")


def _bits(row: Row, name: str) -> float | None:
    figures = row["frame"]["leakage"][name]
    return None if figures is None else float(figures["bits"])


def _ratio(after: float | None, before: float | None) -> float | None:
    return round(after / before, 4) if before and after is not None else None


def _mean(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return round(float(np.mean(there)), 4) if there else None
