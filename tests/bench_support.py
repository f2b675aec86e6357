"""A small face network on six people of LFW, and what stands around it."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from camfilter.lab.attacks import ATTACKS, Classifier, Goal, labels_of
from camfilter.lab.experiment.made import Made
from camfilter.lab.smartbox import tasks
from camfilter.lab.smartbox.options import BenchOptions, configured
from camfilter.lab.smartbox.subjects import classifier_from, people_in

DATA = Path(os.environ.get("CAMFILTER_DATA", Path(__file__).parents[2] / "shared" / "data"))

needs_faces = pytest.mark.skipif(
    not (DATA / "lfw_expressions.zip").is_file(), reason=f"the LFW faces are not in {DATA}"
)


@cache
def people() -> Made:
    options = BenchOptions(data=DATA, size_px=32, people=5, most_pictures=80)
    return people_in(options)


@cache
def network() -> Made:
    order = {"schooling": {"epochs": 14, "rate": 0.04}, "seed": 0}
    return tasks.learn(order, {"faces": people()})


def classifier() -> Classifier:
    return classifier_from(network(), people())


def part(name: str) -> tuple[Tensor, Tensor]:
    faces = people()
    pictures = torch.from_numpy(faces.arrays[name])[:, None].float() / 255
    return pictures, torch.from_numpy(faces.arrays[f"{name}_labels"])


@cache
def attacked(name: str, count: int, epsilon: float = 8 / 255) -> Tensor:
    """The first pictures of a part after FGSM, in 8 bits."""
    pictures, labels = part(name)
    attack = configured(ATTACKS.named("fgsm"), {"epsilon": epsilon})
    return tasks.rounded(attack.perturb(classifier(), pictures[:count], Goal(labels[:count])))


def accuracy(guarded: Classifier, pictures: Tensor, labels: Tensor) -> float:
    return float((labels_of(guarded, pictures) == labels).float().mean())
