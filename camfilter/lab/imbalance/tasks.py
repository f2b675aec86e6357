"""Trains one network on unequal classes, and measures what FGSM does to each class."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from camfilter.errors import SourceError
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.attacks.base import Classifier, loss_gradient
from camfilter.lab.data import Faces, load_faces
from camfilter.lab.defences.learning import Pace, learn
from camfilter.lab.defences.network import SmallNet
from camfilter.lab.experiment.made import Made
from camfilter.lab.imbalance.options import WEIGHTED

__all__ = ["LEVELS", "WHOLE_LEVELS", "choose_faces", "least_levels", "measure_network", "stepped"]

LEVELS: Final = tuple(float(level) for level in np.geomspace(0.1, 32, 16).round(4))
"""Sizes in grey levels among which the least that deceives is sought, in float."""

_HALVINGS: Final = 5
"""Of the gap between two such sizes."""

WHOLE_LEVELS: Final = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0, 24.0, 32.0)
"""The same for pictures that are rounded to 8 bits."""

_LEAST_READ: Final = 5
"""Fewer pictures than these give no median."""


def choose_faces(order: dict[str, Any], _given: dict[str, Made]) -> Made:
    """Pictures of the classes: all of the training part, and equally many of the test part.

    Args:
        order: data, size_px, classes, pictures (needed of a class in training), test_pictures
            and seed.

    Raises:
        SourceError: a class has too few pictures.
    """
    faces = load_faces(Path(order["data"]), order["size_px"])
    random = np.random.default_rng(order["seed"])
    arrays: dict[str, NDArray[Any]] = {}
    for index, name in enumerate(order["classes"]):
        for part, some in (("train", faces.train), ("test", faces.test)):
            mine = np.flatnonzero(_sure(some, name))
            needed = order["pictures"] if part == "train" else order["test_pictures"]
            if len(mine) < needed:
                raise SourceError(
                    f"The {part} part has {len(mine)} pictures of {name}, not {needed}.",
                    "Ask for fewer pictures, or choose other classes.",
                )
            chosen = random.permutation(mine)[: None if part == "train" else needed]
            arrays[f"{part}{index}"] = some.pictures[np.sort(chosen)]
    return Made({}, arrays)


def measure_network(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Train a network and measure it.

    Args:
        order: small (index of the small class), counts (of it, of each other one), arm, seed,
            steps, batch, width, size_px, classes (their number) and epsilons_levels.
        given: faces, of `choose_faces`.

    Returns:
        For each class, under its index: accuracy by name of what was done to the pictures,
        `least` and `least_8bit` (median over the pictures that were read right, in grey levels,
        None where there were fewer than five), and `never`, the share that no size deceived.
    """
    network = _trained(order, given["faces"].arrays)
    classifier = Classifier(network, order["classes"], order["size_px"])
    figures = {}
    for index in range(order["classes"]):
        pictures = torch.from_numpy(given["faces"].arrays[f"test{index}"])[:, None].float() / 255
        labels = torch.full((len(pictures),), index)
        figures[str(index)] = _measured(classifier, pictures, labels, order)
    return Made(figures)


def stepped(pictures: Tensor, sign: Tensor, levels: float | Tensor, *, rounded: bool) -> Tensor:
    """Pictures after an FGSM step of a size in grey levels; rounded to 8 bits or not."""
    stepped = (pictures + levels / 255 * sign).clamp(0, 1)
    return (stepped * 255).round() / 255 if rounded else stepped


def least_levels(
    classifier: Classifier, pictures: Tensor, sign: Tensor, labels: Tensor, *, rounded: bool
) -> Tensor:
    """(B,) least size in grey levels whose FGSM step is misread; infinite where none is."""
    least = torch.full((len(pictures),), torch.inf)
    bare = torch.zeros(len(pictures))
    sizes = sorted(WHOLE_LEVELS if rounded else LEVELS, reverse=True)
    for level, below in zip(sizes, [*sizes[1:], 0.0], strict=True):
        read = classifier.read(stepped(pictures, sign, level, rounded=rounded)).argmax(dim=1)
        least[read != labels], bare[read != labels] = level, below
    if rounded:
        return least
    for _ in range(_HALVINGS):
        middle = (bare + least) / 2
        # A picture that no size deceived has no middle, and stays as it is.
        tried = stepped(pictures, sign, middle.nan_to_num(0, 0)[:, None, None, None], rounded=False)
        misread = (classifier.read(tried).argmax(dim=1) != labels) & least.isfinite()
        least = torch.where(misread, middle, least)
        bare = torch.where(misread, bare, middle)
    return least


def _trained(order: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> SmallNet:
    random = np.random.default_rng(order["seed"])
    small, other = order["counts"]
    counts = [small if index == order["small"] else other for index in range(order["classes"])]
    chosen = [
        random.permutation(len(arrays[f"train{index}"]))[:count]
        for index, count in enumerate(counts)
    ]
    pictures = np.concatenate([arrays[f"train{i}"][mine] for i, mine in enumerate(chosen)])
    labels = np.repeat(np.arange(order["classes"]), counts)
    weights = torch.ones(order["classes"])
    if order["arm"] == WEIGHTED:
        weights = sum(counts) / len(counts) / torch.tensor(counts)

    def loss(network: SmallNet, batch: Tensor, wanted: Tensor) -> Tensor:
        # Not the mean that torch takes over weights: a batch without the small class counts less.
        each = functional.cross_entropy(network(batch), wanted, reduction="none")
        return (each * (wanted @ weights)).mean()

    torch.manual_seed(order["seed"])
    network = SmallNet(order["classes"], order["width"])
    wanted = functional.one_hot(torch.from_numpy(labels), order["classes"]).float()
    pace = Pace(order["steps"], order["batch"], seed=order["seed"])
    learn(network, loss, torch.from_numpy(pictures), wanted, pace)
    return network


def _measured(
    classifier: Classifier, pictures: Tensor, labels: Tensor, order: dict[str, Any]
) -> dict[str, Any]:
    sign = loss_gradient(classifier, pictures, labels).sign()
    chance = torch.Generator().manual_seed(order["seed"])
    coin = torch.randint(0, 2, sign.shape, generator=chance) * 2.0 - 1

    def accuracy(changed: Tensor) -> float:
        return float((classifier.read(changed).argmax(dim=1) == labels).float().mean())

    right = classifier.read(pictures).argmax(dim=1) == labels
    told: dict[str, Any] = {"natural": float(right.float().mean())}
    for level in order["epsilons_levels"]:
        told[f"fgsm {level:g}"] = accuracy(stepped(pictures, sign, level, rounded=False))
        told[f"fgsm {level:g} 8 bits"] = accuracy(stepped(pictures, sign, level, rounded=True))
        told[f"noise {level:g}"] = accuracy(stepped(pictures, coin, level, rounded=False))
    enough = int(right.sum()) >= _LEAST_READ
    for name, rounded in (("least", False), ("least_8bit", True)):
        least = least_levels(classifier, pictures, sign, labels, rounded=rounded)[right]
        # Those that nothing deceived count as just beyond the greatest size.
        told[name] = float(least.clamp(max=max(LEVELS)).quantile(0.5)) if enough else None
        if not rounded:
            told["never"] = float(least.isinf().float().mean()) if enough else None
    return told


def _sure(faces: Faces, name: str) -> NDArray[np.bool_]:
    """Where more than half of the votes are for an expression."""
    return np.asarray(faces.labels[:, EXPRESSIONS.index(name)] > 0.5)
