"""What the bench computes, each result by itself: it can be kept, and done elsewhere."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from camfilter.lab.attacks import ATTACKS, Classifier, Goal
from camfilter.lab.detectors import DETECTORS, Evidence
from camfilter.lab.experiment.made import Made
from camfilter.lab.mitigations import MITIGATIONS, Lesson
from camfilter.lab.mitigations.base import weights_of
from camfilter.lab.smartbox.measures import Claims
from camfilter.lab.smartbox.network import FaceNetwork, Schooling, schooled
from camfilter.lab.smartbox.options import configured
from camfilter.lab.smartbox.subjects import classifier_from

__all__ = ["attack", "detect", "learn", "mitigate", "read", "rounded", "tensor_of"]

LEAST_LESSONS = 10
"""So many attacked training pictures must differ from the clean ones for a detector to learn."""


def learn(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Train the network for people.

    Args:
        order: `schooling` and `seed`.
        given: `faces`.

    Returns:
        Its weights.
    """
    faces = given["faces"]
    network = _new_network(faces, order["seed"])
    pictures, labels = _part(faces, "train")
    schooled(network, pictures, labels, Schooling(**order["schooling"]), order["seed"])
    return Made({"kind": "face"}, weights_of(network))


def attack(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Attack some pictures.

    Args:
        order: `attack`, its `settings`, `aimed`, `part`, `indices` of the pictures, and `seed`.
        given: `faces` and `network`.

    Returns:
        Array `pictures` (N, 1, S, S) float32, and the `seconds` it took.
    """
    faces = given["faces"]
    classifier = classifier_from(given["network"], faces)
    chosen = np.asarray(order["indices"], np.int64)
    pictures, labels = _part(faces, order["part"])
    if order["aimed"]:
        claims = Claims.drawn(labels.numpy(), classifier.classes, order["seed"])
        wanted = torch.from_numpy(claims.targets)
    else:
        wanted = labels
    goal = Goal(wanted[chosen], order["aimed"], order["seed"])
    started = time.process_time()
    chosen_attack = configured(ATTACKS.named(order["attack"]), order["settings"])
    changed = chosen_attack.perturb(classifier, pictures[chosen], goal)
    seconds = time.process_time() - started
    return Made({"seconds": seconds}, {"pictures": changed.detach().numpy().astype(np.float32)})


def read(_order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Read probes without a mitigation.

    Args:
        _order: empty.
        given: `faces`, `network`, and of the attack `probes`.

    Returns:
        Logits of the `valid` and `clean` pictures, and of the attacked ones as `float` and
        rounded to 8 bits, `levels`.
    """
    return _answers(classifier_from(given["network"], given["faces"]), given)


def mitigate(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Train a mitigation and read probes with it.

    Args:
        order: `mitigation`, its `settings`, `indices` of the attacked training pictures,
            `schooling` of networks, and `seed`.
        given: `faces`, `network`, and of the attack `lessons` and `probes`.

    Returns:
        As `read`.
    """
    faces, seed = given["faces"], order["seed"]
    classifier = classifier_from(given["network"], faces)
    clean, labels = _part(faces, "train")
    mitigation = configured(MITIGATIONS.named(order["mitigation"]), order["settings"])
    origins = torch.tensor(order["indices"], dtype=torch.int64)
    attacked = rounded(tensor_of(given["lessons"]))
    train = _trainer(given["network"], faces, Schooling(**order["schooling"]), seed)
    lesson = Lesson(clean, labels, attacked, origins, train, seed)
    weights = mitigation.learn(classifier, lesson)
    return _answers(mitigation.defended(classifier, weights, seed), given)


def detect(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Train a detector and let it judge probes.

    Pictures that an attack left as they are, once rounded, are no attacked pictures; neither
    their clean nor their attacked version is learned from or judged.

    Args:
        order: `detector`, its `settings`, `indices` of the attacked training pictures, `seed`.
        given: as for `mitigate`.

    Returns:
        Arrays of bool, whether it flags the `clean`, the attacked `float` and the attacked
        8-bit `levels` probes. They are empty where there was too little to learn from.
    """
    faces = given["faces"]
    classifier = classifier_from(given["network"], faces)
    pictures, labels = _part(faces, "train")
    origins = torch.tensor(order["indices"], dtype=torch.int64)
    clean, attacked = pictures[origins], rounded(tensor_of(given["lessons"]))
    probes, attacked_probes = _part(faces, "test")[0], tensor_of(given["probes"])
    changed = _differ(probes, rounded(attacked_probes))
    known = _differ(clean, attacked)
    if int(known.sum()) < LEAST_LESSONS or not changed.any():
        return Made({}, {name: np.zeros(0, np.bool_) for name in ("clean", "float", "levels")})
    rest = torch.ones(len(pictures), dtype=torch.bool)
    rest[origins[known]] = False
    if not rest.any():
        rest[:] = True
    evidence = Evidence(
        classifier, clean[known], attacked[known], pictures[rest], labels[rest], order["seed"]
    )
    judge = configured(DETECTORS.named(order["detector"]), order["settings"]).learn(evidence)
    flags = {
        "clean": judge(probes[changed]),
        "float": judge(attacked_probes[changed]),
        "levels": judge(rounded(attacked_probes[changed])),
    }
    return Made({}, {name: np.asarray(value, np.bool_) for name, value in flags.items()})


def rounded(pictures: Tensor) -> Tensor:
    """Pictures as 8 bits hold them, in [0, 1]."""
    return (pictures * 255).round() / 255


def tensor_of(made: Made) -> Tensor:
    """Attacked pictures that were kept."""
    return torch.from_numpy(made.arrays["pictures"])


def _part(faces: Made, part: str) -> tuple[Tensor, Tensor]:
    pictures = torch.from_numpy(faces.arrays[part])[:, None].float() / 255
    return pictures, torch.from_numpy(faces.arrays[f"{part}_labels"])


def _answers(classifier: Classifier, given: dict[str, Made]) -> Made:
    attacked = tensor_of(given["probes"])
    pictures = {
        "valid": _part(given["faces"], "valid")[0],
        "clean": _part(given["faces"], "test")[0],
        "float": attacked,
        "levels": rounded(attacked),
    }
    return Made({}, {name: classifier.read(part).numpy() for name, part in pictures.items()})


def _new_network(faces: Made, seed: int) -> FaceNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FaceNetwork(int(faces.figures["classes"]), int(faces.figures["size_px"]))


def _trainer(
    network: Made, faces: Made, schooling: Schooling, seed: int
) -> Callable[[Tensor, Tensor], nn.Module]:
    """Trains networks like the attacked one: for people anew, for expressions further."""

    def train(pictures: Tensor, labels: Tensor) -> nn.Module:
        if network.figures["kind"] == "face":
            return schooled(_new_network(faces, seed + 1), pictures, labels, schooling, seed + 1)
        trained = copy.deepcopy(classifier_from(network, faces).network)
        return schooled(trained, pictures, labels, schooling, seed + 1)

    return train


def _differ(one: Tensor, other: Tensor) -> NDArray[np.bool_] | Any:
    return (one - other).abs().amax(dim=(1, 2, 3)) > 0.5 / 255
