"""The experiment: one ingredient each, and what other families then read."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from camfilter.errors import SettingError
from camfilter.lab.data import stamp
from camfilter.lab.evaluate.recognisers import load_recognisers
from camfilter.lab.experiment.base import ExperimentOptions
from camfilter.lab.experiment.findings import Findings
from camfilter.lab.experiment.made import digest_of_lab
from camfilter.lab.experiment.workbench import Workbench
from camfilter.lab.networks import SurrogateFolder
from camfilter.lab.transfer.arms import AS_IT_IS, CONTROL, TRAINED, TRICKS, Arm
from camfilter.lab.transfer.collect import Measured
from camfilter.lab.transfer.drawing import drawings_of
from camfilter.lab.transfer.options import TransferOptions
from camfilter.lab.transfer.tables import tables_of
from camfilter.lab.transfer.tasks import choose_faces, measure_arm, read_clean, sets_at
from camfilter.lab.transfer.together import measure_together
from camfilter.lab.transfer.tricks import has_trick
from camfilter.lab.transfer.tuning import LFW
from camfilter.lab.transfer.verdict import figures_of, text_of

__all__ = ["Transfer"]

_TEACHERS: Final = 2


class Transfer:
    """What each ingredient of a surrogate gives against families that it does not know."""

    name = "transfer"
    title = "Ingredients of a surrogate, and what they give for transfer"
    options: type[ExperimentOptions] = TransferOptions
    code = (
        "transfer/tasks.py", "transfer/tuning.py", "transfer/losses.py", "transfer/changes.py",
        "transfer/tricks.py", "transfer/chain.py", "transfer/arms.py", "augment.py", "data.py",
        "evaluate/recognisers.py", "networks.py", "one_pass.py", "training.py",
    )  # fmt: skip

    def run(self, options: Any, workbench: Workbench) -> Findings:
        """Do it; see `Experiment`."""
        sets = sets_at(options.data)
        readers = load_recognisers(options.recognisers)
        stamps = {name: stamp(source) for name, source in sets.items()}
        faces = workbench.do("faces", choose_faces, {
            "data": str(options.data), "stamps": stamps, "faces": options.faces,
            "scored": options.scored, "seed": options.seed,
        })  # fmt: skip
        shared = {
            "recognisers": [str(file) for file in options.recognisers],
            "keys": [hashlib.sha256(reader.key.encode()).hexdigest()[:12] for reader in readers],
        }
        clean = workbench.do("clean readings", read_clean, shared, {"faces": faces})
        own = [reader.name for reader in readers if reader.kind is None]
        common = shared | {
            "stamps": stamps, "data": str(options.data), "stages": list(options.stages),
            "seed": options.seed, "epsilon_levels": options.epsilon_levels,
        }  # fmt: skip
        given = {"faces": faces, "clean": clean}
        orders = _orders(options, own, common)
        made = workbench.do_all("arms", measure_arm, orders, given)
        joint = _joint_orders(options, common)
        made += workbench.do_all("several together", measure_together, joint, given)
        measured = Measured([*orders, *joint], made, clean, options.stages, options.seed)
        return Findings(
            text_of(options, measured, faces.figures["counts"]),
            tables_of(measured),
            drawings_of(measured),
            figures_of(measured),
        )


def _orders(
    options: TransferOptions, own: list[str], common: dict[str, Any]
) -> list[dict[str, Any]]:
    """Every network with every arm and trick."""
    orders = []
    for name in dict.fromkeys((*options.tuned, *options.tricked)):
        folder = SurrogateFolder.named(name)
        plain = common | {"network": name, "arm": None, "teachers": [], "weights": _weights(name)}
        network = folder.load()
        for trick in TRICKS:
            if trick == AS_IT_IS or (name in options.tricked and has_trick(network, trick)):
                orders.append(plain | {"trick": trick})
        for arm in TRAINED if name in options.tuned else ():
            if arm.name not in options.arms or (arm.lfw_share and not _has_lfw(options)):
                continue
            for teachers in _folds(own, name, arm):
                orders.append(plain | _pace(options) | {
                    "trick": AS_IT_IS, "arm": arm.order(), "teachers": teachers,
                })  # fmt: skip
    return orders


def _joint_orders(options: TransferOptions, common: dict[str, Any]) -> list[dict[str, Any]]:
    """Several networks in one chain: as published, and with the two arms that compare."""
    if len(options.together) < 2:
        return []
    plain = common | {
        "network": "+".join(options.together), "arm": None, "teachers": [], "trick": AS_IT_IS,
        "weights": [_weights(name) for name in options.together],
        "code": digest_of_lab(("transfer/together.py",)),
    }  # fmt: skip
    arms = [arm for arm in TRAINED if arm.name == CONTROL or arm.taught_by == "others"]
    return [plain, *(plain | _pace(options) | {"arm": arm.order()} for arm in arms)]


def _pace(options: TransferOptions) -> dict[str, Any]:
    return {"steps": options.steps, "batch": options.batch, "lr": options.lr}


def _folds(own: list[str], name: str, arm: Arm) -> list[list[str]]:
    """Teachers, so that each other family is left out by some."""
    if arm.taught_by != "others":
        return [[name] if arm.taught_by else []]
    others = [other for other in own if other != name]
    if len(others) <= _TEACHERS:
        raise SettingError("Distillation needs three other networks.", "Leave it out of arms.")
    return [others[:_TEACHERS], others[_TEACHERS:]]


def _weights(name: str) -> str:
    checkpoint = SurrogateFolder.named(name).checkpoint
    return hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:12]


def _has_lfw(options: TransferOptions) -> bool:
    return (options.data / LFW).is_file()
