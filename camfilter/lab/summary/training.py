"""Trains the subject of the summary and its defences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from camfilter.errors import SourceError
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.data import load_faces
from camfilter.lab.defences.adversarial import OnAttacked
from camfilter.lab.defences.distillation import AtTemperature
from camfilter.lab.defences.learning import Loss, Pace, cross_entropy, learn
from camfilter.lab.defences.network import SmallNet, fill, weights_of
from camfilter.lab.defences.prototypes import PrototypeConformity
from camfilter.lab.defences.spheres import SphereLoss, Spheres
from camfilter.lab.experiment.made import Made

__all__ = ["build", "choose_faces", "train"]

_CLASSES = len(EXPRESSIONS)
_MEASURED = 1024


def choose_faces(order: dict[str, Any], _given: dict[str, Made]) -> Made:
    """Pictures to learn from, and test pictures whose voters agree, in random order.

    Args:
        order: data, size_px, seed, train_pictures and test_pictures.

    Raises:
        SourceError: there are too few pictures.
    """
    faces = load_faces(Path(order["data"]), order["size_px"])
    random = np.random.default_rng(order["seed"])
    chosen = random.permutation(len(faces.train))[: order["train_pictures"]]
    sure = np.flatnonzero(faces.test.labels.max(axis=1) > 0.5)
    tested = random.permutation(sure)[: order["test_pictures"]]
    for needed, found in (("train", chosen), ("test", tested)):
        if len(found) < order[f"{needed}_pictures"]:
            raise SourceError(
                f"The {needed} part has only {len(found)} usable pictures.",
                f"Ask for fewer with the option {needed}_pictures or natural_faces.",
            )
    return Made(
        {},
        {
            "train": faces.train.pictures[chosen],
            "votes": faces.train.labels[chosen],
            "test": faces.test.pictures[tested],
            "labels": faces.test.majority[tested],
        },
    )


def train(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Train one network.

    Args:
        order: kind (undefended, control, teacher, distilled, adversarial, pcl or m-svdd), width,
            steps, seed, temperature and training_levels.
        given: faces; undefended for all but undefended and distilled; teacher for distilled.

    Returns:
        The weights.
    """
    torch.manual_seed(order["seed"])
    kind = order["kind"]
    pictures, votes = (torch.from_numpy(given["faces"].arrays[key]) for key in ("train", "votes"))
    network = SmallNet(_CLASSES, order["width"])
    if kind not in ("undefended", "distilled"):
        fill(network, given["undefended"].arrays)
    loss = _loss(order, given, network, pictures, votes)
    learn(network, loss, pictures, votes, Pace(order["steps"], seed=order["seed"]))
    return Made({}, weights_of(network))


def build(kind: str, made: Made, width: int) -> SmallNet:
    """The trained network of a kind, frozen."""
    network = SmallNet(_CLASSES, width)
    if kind == "m-svdd":
        hidden = network.hidden.out_features
        network.head = Spheres(torch.zeros(_CLASSES, hidden), torch.ones(_CLASSES))
    fill(network, made.arrays)
    return network


def _loss(
    order: dict[str, Any],
    given: dict[str, Made],
    network: SmallNet,
    pictures: Tensor,
    votes: Tensor,
) -> Loss:
    match order["kind"]:
        case "teacher":
            return AtTemperature(order["temperature"])
        case "distilled":
            teacher = build("teacher", given["teacher"], order["width"])
            return AtTemperature(order["temperature"], teacher)
        case "adversarial":
            return OnAttacked(order["training_levels"] / 255)
        case "pcl":
            return PrototypeConformity(_class_means(network, pictures, votes)[0])
        case "m-svdd":
            centres, spread = _class_means(network, pictures, votes)
            network.head = Spheres(centres[-1], spread)
            return SphereLoss()
    return cross_entropy


def _class_means(network: SmallNet, pictures: Tensor, votes: Tensor) -> tuple[list[Tensor], Tensor]:
    """For each hidden layer (classes, width) means, and (classes,) mean square distances."""
    part = pictures[:_MEASURED, None].float() / 255
    labels = votes[:_MEASURED].argmax(dim=1)
    with torch.no_grad():
        features = network.features(part)
    centres = []
    for layer in features:
        # A class without a picture in the part starts from the mean of all.
        rows = [
            layer[labels == index].mean(dim=0)
            if bool((labels == index).any())
            else layer.mean(dim=0)
            for index in range(_CLASSES)
        ]
        centres.append(torch.stack(rows))
    squares = (features[-1] - centres[-1][labels]).square().sum(dim=1)
    return centres, squares.mean().clamp_min(1e-3).repeat(_CLASSES)
