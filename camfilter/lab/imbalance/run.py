"""The experiment: networks at several ratios of classes, measured under FGSM."""

from __future__ import annotations

from typing import Any

from camfilter.lab.data import stamp
from camfilter.lab.experiment.base import ExperimentOptions
from camfilter.lab.experiment.findings import Findings
from camfilter.lab.experiment.workbench import Workbench
from camfilter.lab.imbalance.collect import Networks
from camfilter.lab.imbalance.drawing import drawings_of
from camfilter.lab.imbalance.options import IMBALANCED, SCARCE, WEIGHTED, ImbalanceOptions
from camfilter.lab.imbalance.tables import tables_of
from camfilter.lab.imbalance.tasks import choose_faces, measure_network
from camfilter.lab.imbalance.verdict import figures_of, text_of

__all__ = ["Imbalance"]


class Imbalance:
    """Robustness to FGSM by class, against how unequal the classes were in training."""

    name = "imbalance"
    title = "FGSM on networks that learnt from unequal classes"
    options: type[ExperimentOptions] = ImbalanceOptions
    code = (
        "imbalance/tasks.py", "defences/learning.py", "defences/network.py",
        "attacks/base.py", "data.py",
    )  # fmt: skip

    def run(self, options: Any, workbench: Workbench) -> Findings:
        """Do it; see `Experiment`."""
        faces = workbench.do("faces", choose_faces, {
            "data": str(options.data), "stamp": stamp(options.data),
            "size_px": options.size_px, "seed": options.seed,
            "classes": list(options.classes), "test_pictures": options.test_pictures,
            "pictures": max(options.counts(ratio, IMBALANCED)[1] for ratio in options.ratios),
        })  # fmt: skip
        orders = _orders(options)
        made = workbench.do_all("networks", measure_network, orders, {"faces": faces})
        networks = Networks(orders, [one.figures for one in made], len(options.classes))
        return Findings(
            text_of(options, networks),
            tables_of(options, networks),
            drawings_of(options, networks),
            figures_of(options, networks),
        )


def _orders(options: ImbalanceOptions) -> list[dict[str, Any]]:
    kinds = [(ratio, IMBALANCED) for ratio in options.ratios]
    controls = set(options.control_ratios) & set(options.ratios) - {1}
    kinds += [(ratio, arm) for ratio in sorted(controls) for arm in (SCARCE, WEIGHTED)]
    return [
        {
            "small": small, "ratio": ratio, "arm": arm, "run": run,
            "counts": list(options.counts(ratio, arm)),
            "seed": options.seed + 1000 * run + 100 * small,
            "steps": options.steps, "batch": options.batch, "width": options.width,
            "size_px": options.size_px,
            "classes": len(options.classes), "epsilons_levels": list(options.epsilons_levels),
        }
        for ratio, arm in kinds
        for small in range(len(options.classes))
        for run in range(options.runs)
    ]  # fmt: skip
