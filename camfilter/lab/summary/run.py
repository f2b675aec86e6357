"""The experiment: further attacks, and defences measured by the least change that deceives."""

from __future__ import annotations

from typing import Any

from camfilter.lab.data import stamp
from camfilter.lab.experiment.base import ExperimentOptions
from camfilter.lab.experiment.findings import Findings
from camfilter.lab.experiment.made import Made
from camfilter.lab.experiment.workbench import Workbench
from camfilter.lab.summary.attacking import (
    ATTACKS,
    SLOW,
    craft,
    measure_anonymity,
    measure_attack,
    read_all,
)
from camfilter.lab.summary.collect import TOLERANCE, Measured
from camfilter.lab.summary.drawing import drawings_of
from camfilter.lab.summary.least import measure_least
from camfilter.lab.summary.options import SummaryOptions
from camfilter.lab.summary.subjects import NAMES, TRAINED, UNDEFENDED, subject
from camfilter.lab.summary.tables import tables_of
from camfilter.lab.summary.training import choose_faces, train
from camfilter.lab.summary.verdict import figures_of, text_of

__all__ = ["Summary"]

_TARGETED = ("fgsm", "pgd", "ifgvm", "lbfgs", "one-pixel")


class Summary:
    """I-FGVM, L-BFGS, universal, one-pixel and k-A3 against five kinds of defence."""

    name = "summary"
    title = "Further attacks, and defences by the least change that deceives"
    options: type[ExperimentOptions] = SummaryOptions
    code = (
        "summary/training.py", "summary/subjects.py", "summary/attacking.py", "summary/least.py",
        "defences", "data.py", "attacks",
    )  # fmt: skip

    def run(self, options: Any, workbench: Workbench) -> Findings:
        """Do it; see `Experiment`."""
        faces = workbench.do("faces", choose_faces, {
            "data": str(options.data), "stamp": stamp(options.data),
            "size_px": options.size_px, "seed": options.seed,
            "train_pictures": options.train_pictures, "test_pictures": options.natural_faces,
        })  # fmt: skip
        given = {"faces": faces, **_trained(options, workbench, faces)}
        base = {
            "width": options.width, "size_px": options.size_px, "seed": options.seed,
            "temperature": options.temperature,
        }  # fmt: skip
        crafting = base | {
            "epsilon_levels": options.epsilon_levels, "universal_faces": options.universal_faces,
            "universal_levels": options.universal_levels,
        }  # fmt: skip
        attacks = [
            crafting | {"attack": attack, "targeted": targeted, "faces": _count(options, attack)}
            for attack in ATTACKS
            for targeted in ((False, True) if attack in _TARGETED else (False,))
        ]
        hidden = [
            crafting | {"k": k, "spread": spread, "faces": options.faces, "tolerance": TOLERANCE}
            for k in options.ks
            for spread in (False, True)
        ]
        searches = [
            base | {
                "name": name, "way": way, "norm": norm, "greatest": greatest,
                "rounds": options.rounds, "steps": options.search_steps, "faces": options.faces,
            }
            for name in NAMES
            for way in _ways(name, base, given)
            for norm, greatest in (
                ("linf", options.greatest_levels / 255), ("l2", options.greatest_l2),
            )
        ]  # fmt: skip
        measured = Measured(
            options=options,
            attacks=_pairs(attacks, workbench.do_all("attacks", measure_attack, attacks, given)),
            hidden=_pairs(hidden, workbench.do_all("k-A3", measure_anonymity, hidden, given)),
            read=_read(options, workbench, crafting, given),
            least=_pairs(searches, workbench.do_all("least", measure_least, searches, given)),
        )
        return Findings(
            text_of(measured), tables_of(measured), drawings_of(measured), figures_of(measured)
        )


def _trained(options: SummaryOptions, workbench: Workbench, faces: Made) -> dict[str, Made]:
    base = {
        "width": options.width, "seed": options.seed, "temperature": options.temperature,
        "training_levels": options.training_levels,
    }  # fmt: skip
    first = base | {"kind": UNDEFENDED, "steps": options.steps}
    made = {UNDEFENDED: workbench.do("undefended network", train, first, {"faces": faces})}
    given = {"faces": faces, **made}
    kinds = ["teacher", *(kind for kind in TRAINED if kind not in (UNDEFENDED, "distilled"))]
    orders = [base | {"kind": kind, "steps": options.defence_steps} for kind in kinds]
    made |= zip(kinds, workbench.do_all("defences", train, orders, given), strict=True)
    last = base | {"kind": "distilled", "steps": options.steps}
    teacher = {"faces": faces, "teacher": made.pop("teacher")}
    return made | {"distilled": workbench.do("distilled network", train, last, teacher)}


def _read(
    options: SummaryOptions, workbench: Workbench, crafting: dict[str, Any], given: dict[str, Made]
) -> dict[str, dict[str, Any]]:
    """For each network what it reads, by the way in which the faces were attacked."""
    orders = [
        crafting | {"name": name, "way": way, "attack": attack, "faces": _count(options, attack)}
        for name in NAMES
        for way in ("knowing", *(("naive",) if name == "distilled" else ()))
        for attack in ATTACKS
    ]
    made = workbench.do_all("attacked faces", craft, orders, given)
    crafted = {
        (order["name"], order["way"], order["attack"]): one
        for order, one in zip(orders, made, strict=True)
    }
    found = {}
    for name in NAMES:
        mine = {f"{way} {attack}": m for (n, way, attack), m in crafted.items() if n == name}
        moved = {f"transfer {attack}": crafted[UNDEFENDED, "knowing", attack] for attack in ATTACKS}
        order = crafting | {"name": name, "attacks": sorted({**mine, **moved})}
        found[name] = workbench.do(
            f"reading by {name}", read_all, order, {**given, **mine, **moved}
        ).figures
    return found


def _ways(name: str, order: dict[str, Any], given: dict[str, Made]) -> list[str]:
    """How the search for the least change is steered: by what an attacker may know."""
    ways = ["knowing"]
    if subject(name, order, given).naive is not None:
        ways.append("naive")
    return ways if name == UNDEFENDED else [*ways, "transfer"]


def _count(options: SummaryOptions, attack: str) -> int:
    return min(options.faces, options.slow_faces) if attack in SLOW else options.faces


def _pairs(orders: list[dict[str, Any]], made: list[Made]) -> list[tuple[dict[str, Any], Made]]:
    return list(zip(orders, made, strict=True))
