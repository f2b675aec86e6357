"""The experiment: every chain as a task of its own, then tables, drawings and sentences."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from camfilter.lab.attacks import ATTACKS
from camfilter.lab.caa.curves import Curve, Plan, measured_chain
from camfilter.lab.caa.drawings import drawn_fool_rates, drawn_measures
from camfilter.lab.caa.faces import found_sets, sampled_faces
from camfilter.lab.caa.options import PAPER_EPSILONS, ChainingOptions
from camfilter.lab.caa.plans import main_plans, side_plans
from camfilter.lab.caa.sentences import said
from camfilter.lab.caa.tables import (
    all_figures,
    beside_the_paper,
    by_length,
    correlations,
    other_forms,
)
from camfilter.lab.data import stamp
from camfilter.lab.experiment.base import ExperimentOptions
from camfilter.lab.experiment.findings import Drawing, Findings
from camfilter.lab.experiment.made import Made
from camfilter.lab.experiment.workbench import Workbench
from camfilter.lab.networks import SurrogateFolder, size_of

__all__ = ["Chaining"]


class Chaining:
    """What a chain of attacks gives over a plain one, by its length."""

    name: str = "caa"
    title: str = "Chaining of adversarial attacks (CAA)"
    options: type[ExperimentOptions] = ChainingOptions
    # What decides the tasks; tables, drawings and sentences are made anew in any case.
    code: tuple[str, ...] = (
        "caa/chain.py", "caa/curves.py", "caa/faces.py", "caa/measures.py",
        "attacks/base.py", "attacks/through_foolbox.py", "data.py", "../chain.py",
    )  # fmt: skip

    def run(self, options: Any, workbench: Workbench) -> Findings:
        """Do it; see `Experiment`."""
        sets = found_sets(options.data, options.sets)
        faces = _Faces(sets, options, workbench)
        plans = [
            plan
            for name in sets
            for network in options.networks
            for plan in main_plans(options, name, network)
        ]
        sides = side_plans(options, next(iter(sets))) if options.sides else []
        curves = _done(plans, faces, workbench, options.faces)
        others = _done(sides, faces, workbench, options.side_faces)
        tables = [
            beside_the_paper(curves),
            by_length(curves),
            correlations(curves),
            other_forms(others) if others else None,
            all_figures(curves),
        ]
        figures = {
            "classes": {name: faces.of(name, options.networks[0], options.faces).figures["classes"]
                        for name in sets}
        }  # fmt: skip
        return Findings(
            said(curves, others, options),
            [table for table in tables if table is not None],
            _drawings(curves),
            figures,
        )


class _Faces:
    """Samples of the sets, each at the size that a network takes."""

    def __init__(
        self, sets: dict[str, Path], options: ChainingOptions, workbench: Workbench
    ) -> None:
        self._sets = sets
        self._seed = options.seed
        self._workbench = workbench
        self._sizes: dict[str, int] = {}
        self._made: dict[tuple[str, int, int], Made] = {}

    def of(self, name: str, network: str, count: int) -> Made:
        if network not in self._sizes:
            self._sizes[network] = size_of(SurrogateFolder.named(network).build())
        key = (name, self._sizes[network], count)
        if key not in self._made:
            source = self._sets[name]
            order = {"set": name, "source": str(source), "stamp": stamp(source), "size_px": key[1],
                     "faces": count, "seed": self._seed}  # fmt: skip
            self._made[key] = self._workbench.do(f"faces {name}", sampled_faces, order)
        return self._made[key]


def _done(plans: Sequence[Plan], faces: _Faces, workbench: Workbench, count: int) -> list[Curve]:
    """Curves of plans, in their order; those on one set and network are spread together."""
    done: dict[int, Curve] = {}
    numbered = sorted(enumerate(plans), key=lambda entry: (entry[1].set, entry[1].network))
    for (name, network), group in groupby(
        numbered, key=lambda entry: (entry[1].set, entry[1].network)
    ):
        entries = list(group)
        made = workbench.do_all(
            f"chains {name} {network}", measured_chain,
            [plan.as_order() | {"code": _code_of(plan)} for _, plan in entries],
            {"faces": faces.of(name, network, count)},
        )  # fmt: skip
        for (index, plan), one in zip(entries, made, strict=True):
            done[index] = Curve(plan, one.figures)
    return [done[index] for index in range(len(plans))]


def _code_of(plan: Plan) -> str:
    """Hash of the attack's file and of the network: another one, another curve."""
    folder = SurrogateFolder.named(plan.network)
    attack = Path(inspect.getfile(type(ATTACKS.named(plan.attack))))
    content = hashlib.sha256()
    for file in (attack, folder.path / "network.py", folder.checkpoint):
        content.update(file.read_bytes() if file.is_file() else b"")
    return content.hexdigest()[:20]


def _drawings(curves: Sequence[Curve]) -> list[Drawing]:
    """One of all measures for each of the paper's epsilons, or the first, and one of all rates."""
    drawings = []
    groups: dict[tuple[str, str, str], list[Curve]] = {}
    for curve in curves:
        key = (curve.plan.set, curve.plan.network, curve.plan.attack)
        groups.setdefault(key, []).append(curve)
    for group in groups.values():
        sizes = list(dict.fromkeys(curve.plan.size for curve in group))
        chosen = [size for size in sizes if size in PAPER_EPSILONS] or sizes[:1]
        for size in chosen:
            drawings.append(drawn_measures([curve for curve in group if curve.plan.size == size]))
        drawings.append(drawn_fool_rates(group))
    return drawings
