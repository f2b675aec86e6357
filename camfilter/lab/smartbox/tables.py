"""Tables 2 and 3 of the paper again, and two more."""

from __future__ import annotations

from typing import Any

import numpy as np

from camfilter.lab.experiment.findings import Table
from camfilter.lab.intervals import wilson
from camfilter.lab.smartbox.bench import Outcome
from camfilter.lab.smartbox.paper import AFTER_ATTACK, DETECTED, MITIGATED
from camfilter.lab.smartbox.readings import (
    Reading,
    detections_of,
    effects_of,
    readings_of,
)

__all__ = ["figures_of", "tables_of"]


def tables_of(outcome: Outcome) -> list[Table]:
    """All tables of one subject; figures in percent where nothing else is said."""
    tables = [_attacks(outcome), _mitigations(outcome), _detectors(outcome), _areas(outcome)]
    return [table for table in tables if table.rows]


def figures_of(outcome: Outcome) -> dict[str, Any]:
    """Sizes and the figures before any attack, for programs."""
    before = readings_of(outcome, next(iter(outcome.attacks.values())))["before attack"]
    return {
        "classes": outcome.classes, "pictures": outcome.sizes,
        "identified": before.identified, "verified": before.verified,
        "threshold": before.threshold,
    }  # fmt: skip


def _attacks(outcome: Outcome) -> Table:
    rows = []
    for name, found in outcome.attacks.items():
        change = (found.pictures - outcome.clean).reshape(len(outcome.clean), -1)
        rounded = np.rint(found.pictures * 255) - np.rint(outcome.clean * 255)
        exact, levels = (
            Reading.of(outcome, found.answers[""], part) for part in ("float", "levels")
        )
        paper = AFTER_ATTACK.get(name, (None, None)) if _compared(outcome) else (None, None)
        rows.append({
            "attack": name,
            "identified": levels.identified, "identified, float": exact.identified,
            **({"identified, paper": paper[1]} if _compared(outcome) else {}),
            "verified": levels.verified, "verified, float": exact.verified,
            **({"verified, paper": paper[0]} if _compared(outcome) else {}),
            "read as target": levels.at_target,
            "L2": float(np.linalg.norm(change, axis=1).mean()),
            "Linf in levels": float(np.abs(change).max(axis=1).mean() * 255),
            "unchanged in 8 bits": 100 * float((rounded == 0).all(axis=(1, 2, 3)).mean()),
            "CPU seconds": found.seconds,
        })  # fmt: skip
    note = (
        "After the attack, in percent: 8-bit pictures, and the attack's own float pictures. L2 is "
        "of pixels in [0, 1], both norms are means; the time is of all probes and lessons."
    )
    return Table(f"{outcome.subject}-attacks", f"What attacks do ({outcome.subject})", rows, note)


def _mitigations(outcome: Outcome) -> Table:
    rows = []
    for effect in effects_of(outcome):
        key = (effect.attack, effect.mitigation)
        paper = MITIGATED.get(key, (None, None))
        rows.append({
            "attack": effect.attack, "mitigation": effect.mitigation,
            "ver. before": effect.before.verified,
            "ver. attacked": effect.attacked.verified,
            "ver. mitigated": effect.mitigated.verified,
            **({"ver. mitigated, paper": paper[0]} if _compared(outcome) else {}),
            "id. before": effect.before.identified,
            "id. attacked": effect.attacked.identified,
            "id. mitigated": effect.mitigated.identified,
            **({"id. mitigated, paper": paper[1]} if _compared(outcome) else {}),
            "id. attacked, float": effect.attacked_float.identified,
            "id. mitigated, float": effect.mitigated_float.identified,
            "id. clean, mitigated": effect.clean.identified,
        })  # fmt: skip
    probes = outcome.sizes["test"]
    low, high = wilson(probes // 2, probes)
    note = (
        f"Verification and identification in percent of {probes} probes; a figure of 50 has a "
        f"95 % interval of {100 * low:.0f} to {100 * high:.0f}. Attacked pictures have 8 bits, "
        "where float is not said. The last column is of pictures that were not attacked."
    )
    title = f"Mitigations: table 2 again ({outcome.subject})"
    return Table(f"{outcome.subject}-mitigations", title, rows, note)


def _detectors(outcome: Outcome) -> Table:
    rows: list[dict[str, Any]] = []
    for attack, detector, levels, exact in detections_of(outcome):
        paper = DETECTED.get((attack, detector), (None, None, None))
        row: dict[str, Any] = {"attack": attack, "detector": detector, "pictures": levels.pictures}
        for place, name in enumerate(("precision", "recall", "accuracy")):
            value, (low, high) = getattr(levels, name), levels.intervals[name]
            row[name] = None if value is None else 100 * value
            row[f"{name}, 95 %"] = f"{100 * low:.0f} to {100 * high:.0f}"
            if _compared(outcome):
                row[f"{name}, paper"] = paper[place]
        row["accuracy, float"] = None if exact.accuracy is None else 100 * exact.accuracy
        rows.append(row)
    note = (
        "In percent, of the probes that the attack changed in 8 bits and of as many clean ones. "
        "Each detector learned from attacked training pictures in 8 bits; intervals are Wilson's."
    )
    title = f"Detectors: table 3 again ({outcome.subject})"
    return Table(f"{outcome.subject}-detectors", title, rows, note)


def _areas(outcome: Outcome) -> Table:
    rows = [
        {
            "attack": attack, "read": name, "area under the curve": reading.operating[2],
            "rank 1": 100 * float(reading.matches[0]),
            f"rank {_later(outcome)}": 100 * float(reading.matches[_later(outcome) - 1]),
        }
        for attack, found in outcome.attacks.items()
        for name, reading in readings_of(outcome, found).items()
    ]  # fmt: skip
    note = "Attacked pictures have 8 bits. Each probe makes a genuine claim and an impostor's."
    title = f"Verification curves and cumulative match ({outcome.subject})"
    return Table(f"{outcome.subject}-curves", title, rows, note)


def _later(outcome: Outcome) -> int:
    return min(5, outcome.classes)


def _compared(outcome: Outcome) -> bool:
    """Whether the paper has figures for this subject."""
    return outcome.subject == "identity"
