"""The experiment: place faces, attack, judge; then tables, drawings and sentences."""

from __future__ import annotations

import json
from typing import Any

from camfilter.lab.data import stamp
from camfilter.lab.experiment.base import ExperimentOptions
from camfilter.lab.experiment.findings import Findings
from camfilter.lab.experiment.made import Made
from camfilter.lab.experiment.workbench import Workbench
from camfilter.lab.faceoff.cast import Cast, place_cast
from camfilter.lab.faceoff.drawings import (
    drawn_amplification,
    drawn_kappa,
    drawn_portraits,
    drawn_transfer,
)
from camfilter.lab.faceoff.options import KAPPA_SCALE, FaceOffOptions
from camfilter.lab.faceoff.plans import Attacked, Section, Wish, wishes
from camfilter.lab.faceoff.portraits import mask_portraits
from camfilter.lab.faceoff.sentences import said
from camfilter.lab.faceoff.tables import (
    amplification_table,
    channel_table,
    epsilon_table,
    grid_table,
    kappa_table,
    network_table,
    training_table,
    transfer_table,
)
from camfilter.lab.faceoff.tasks import CAST, attack_and_judge, price_of_training, read_clean

__all__ = ["FaceOff"]


class FaceOff:
    """Attacks on face embeddings, and what of them reaches other networks."""

    name: str = "faceoff"
    title: str = "Face-Off: attacks on face embeddings"
    options: type[ExperimentOptions] = FaceOffOptions
    # What decides the tasks; tables, drawings and sentences are made anew in any case.
    code: tuple[str, ...] = (
        "faceoff/cast.py", "faceoff/judging.py", "faceoff/learning.py", "faceoff/losses.py",
        "faceoff/masks.py", "faceoff/metric_losses.py", "faceoff/networks.py",
        "faceoff/optimisers.py", "faceoff/people.py", "faceoff/portraits.py", "faceoff/tasks.py",
        "faceoff/verification.py", "attacks/base.py", "attacks/through_foolbox.py", "augment.py",
        "data.py", "identities.py", "networks.py",
    )  # fmt: skip

    def run(self, options: Any, workbench: Workbench) -> Findings:
        """Do it; see `Experiment`."""
        cast = workbench.do("faces", place_cast, {
            "data": str(options.data), "stamp": stamp(options.data),
            "seed": options.seed, "people": options.people,
            "gallery": options.gallery, "anchors": options.anchors, "probes": options.probes,
        })  # fmt: skip
        given = {CAST: cast}
        wanted = wishes(options)
        weights = wanted[0].order["weights"]
        clean = workbench.do("matching", read_clean, {
            "networks": list(options.networks), "seed": options.seed, "weights": weights,
        }, given)  # fmt: skip
        done = _done(wanted, given, workbench)
        training = workbench.do("adversarial training", price_of_training, {
            "data": str(options.data), "stamp": stamp(options.data),
            "seed": options.seed, "network": options.networks[-1],
            "least_pictures": 5, "people": options.training_people, "lr": 3e-4,
            "pictures": options.training_pictures, "steps": options.training_steps,
            "attack_steps": options.training_attack_steps, "epsilon": options.epsilon,
            "alpha": options.alpha, "weights": weights,
        }, given)  # fmt: skip
        shown = [0.0, *sorted({options.alphas[0], options.alpha, options.alphas[-1]})]
        portraits = workbench.do("portraits", mask_portraits, {
            "network": options.main, "steps": options.steps, "epsilon": options.epsilon,
            "kappa": options.kappa * KAPPA_SCALE, "alphas": shown, "weights": weights,
        })  # fmt: skip
        people = Cast.of(cast)
        parts = {
            section: [one for one in done if one.wish.section is section] for section in Section
        }
        tables = [
            network_table(clean, people, cast.figures["missed"]),
            transfer_table(parts[Section.TRANSFER], options),
            amplification_table(parts[Section.AMPLIFY], options),
            kappa_table(parts[Section.KAPPA], options),
            epsilon_table(parts[Section.EPSILON], options),
            channel_table(parts[Section.CHANNEL], options),
            *([grid_table(parts[Section.GRID], options)] if parts[Section.GRID] else []),
            training_table(training, len(people.probes)),
        ]
        drawings = [
            drawn_transfer(parts[Section.TRANSFER], options),
            drawn_amplification(parts[Section.AMPLIFY], options),
            drawn_kappa(parts[Section.KAPPA], options),
            drawn_portraits(portraits, shown, options.main),
        ]
        return Findings(said(parts, clean, training, options), tables, drawings)


def _done(wanted: list[Wish], given: dict[str, Made], workbench: Workbench) -> list[Attacked]:
    """Do all attacks; those of one order are done once."""
    orders: dict[str, dict[str, Any]] = {
        json.dumps(wish.order, sort_keys=True): wish.order for wish in wanted
    }
    made = workbench.do_all("attacks", attack_and_judge, list(orders.values()), given)
    results = dict(zip(orders, made, strict=True))
    return [Attacked(wish, results[json.dumps(wish.order, sort_keys=True)]) for wish in wanted]
