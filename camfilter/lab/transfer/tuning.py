"""Fine-tunes a published network for a short schedule, with one ingredient."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from camfilter.lab.augment import Augment
from camfilter.lab.data import Faces, load_faces
from camfilter.lab.networks import SurrogateFolder, size_of
from camfilter.lab.recipe import Recipe
from camfilter.lab.training import optimiser_of
from camfilter.lab.transfer.changes import changed
from camfilter.lab.transfer.losses import LOSSES
from camfilter.lab.transfer.tricks import with_activation

__all__ = ["LFW", "Schedule", "answers", "tuned"]

LFW: Final = "lfw_expressions.zip"

_AVERAGE_DECAY: Final = 0.97
_WARMUP: Final = 0.1
_OTHER_SEED: Final = 1000


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast.

    Attributes:
        steps: of the optimiser.
        batch: pictures of a step.
        lr: greatest learning rate, one cycle.
        seed: of all chance.
    """

    steps: int
    batch: int
    lr: float
    seed: int


def tuned(
    name: str, arm: dict[str, Any], teachers: Sequence[str], data: Path, schedule: Schedule
) -> nn.Module:
    """A network after fine-tuning from its published weights, in evaluation mode.

    Args:
        name: of the network in `models/`.
        arm: an `Arm.order()`.
        teachers: networks whose mean answer is the label; for distillation alone.
        data: as `load_faces` reads it; LFW lies in it where the arm wants it.
        schedule: how long.

    Raises:
        CamfilterError: data or network cannot be used.
    """
    folder = SurrogateFolder.named(name)
    recipe, network = Recipe.load(folder.recipe), folder.load()
    if arm["activation"]:
        with_activation(network, lambda _old: nn.ReLU())
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = recipe.dropout
    seed = schedule.seed + (_OTHER_SEED if arm["other_seed"] else 0)
    batches = _Batches(load_faces(data, size_of(network)).train, arm, teachers, schedule, seed)
    if arm["lfw_share"]:
        batches.add(load_faces(data / LFW, size_of(network)).train, arm["lfw_share"])
    augment = Augment(recipe.augment.model_copy(update=arm["augment"]))
    return _learnt(network, recipe, arm, schedule, batches, augment, seed)


def answers(network: nn.Module, pictures: NDArray[np.uint8]) -> Tensor:
    """Logits (N, 8) of pictures (N, S, S) uint8 of any size, scaled to the network's."""
    size_px = size_of(network)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(pictures), 256):
            part = torch.from_numpy(pictures[start : start + 256])[:, None].float() / 255
            if part.shape[-1] != size_px:
                shape = (size_px, size_px)
                part = nn.functional.interpolate(
                    part, shape, mode="bilinear", align_corners=False, antialias=True
                )
            parts.append(network(part))
    return torch.cat(parts).clone()


class _Batches:
    """Pictures and labels of each step; the same faces for every arm without other data."""

    def __init__(
        self, faces: Faces, arm: dict[str, Any], teachers: Sequence[str],
        schedule: Schedule, seed: int,
    ) -> None:  # fmt: skip
        random = np.random.default_rng([seed, 1])
        wanted = schedule.steps * schedule.batch
        rounds = [random.permutation(len(faces)) for _ in range(-(-wanted // len(faces)))]
        chosen = np.concatenate(rounds)[:wanted]
        self._pictures = faces.pictures[chosen].reshape(schedule.steps, schedule.batch, -1)
        labels = torch.from_numpy(faces.labels[chosen])
        if teachers:
            labels = _taught(teachers, faces.pictures[chosen], arm["strength"])
        self._labels = labels.view(schedule.steps, schedule.batch, -1).clone()
        self._smoothing, self._random = arm["label_smoothing"], random
        self._size_px = faces.pictures.shape[-1]

    def add(self, faces: Faces, share: float) -> None:
        """Put other faces in the place of a share of each batch, rare labels oftener."""
        steps, batch = self._pictures.shape[:2]
        count = round(share * batch)
        weights = 1 / np.sqrt(np.bincount(faces.majority, minlength=8))[faces.majority]
        chosen = self._random.choice(len(faces), (steps, count), p=weights / weights.sum())
        self._pictures[:, :count] = faces.pictures[chosen].reshape(steps, count, -1)
        self._labels[:, :count] = torch.from_numpy(faces.labels[chosen])

    def of(self, step: int) -> tuple[Tensor, Tensor]:
        """(B, 1, S, S) in [0, 1], and (B, 8)."""
        pictures = torch.from_numpy(self._pictures[step]).float() / 255
        labels = torch.lerp(self._labels[step], torch.tensor(1 / 8), self._smoothing)
        return pictures.view(-1, 1, self._size_px, self._size_px), labels


def _learnt(
    network: nn.Module, recipe: Recipe, arm: dict[str, Any], schedule: Schedule,
    batches: _Batches, augment: Augment, seed: int,
) -> nn.Module:  # fmt: skip
    torch.manual_seed(seed)
    network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    average = copy.deepcopy(network) if arm["averaged"] else network
    optimiser = optimiser_of(network, recipe)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, schedule.lr, schedule.steps, pct_start=_WARMUP, cycle_momentum=False
    )
    loss_of = LOSSES[arm["learning"]]
    for step in range(schedule.steps):
        pictures, labels = batches.of(step)
        pictures = changed(augment(pictures), arm).contiguous(memory_format=torch.channels_last)
        loss = loss_of(network, pictures, labels, arm["strength"])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        cycle.step()
        if average is not network:
            _move(average, network)
    return average.eval()


def _move(average: nn.Module, network: nn.Module) -> None:
    pairs = zip(average.state_dict().values(), network.state_dict().values(), strict=True)
    with torch.no_grad():
        for kept, new in pairs:
            if kept.is_floating_point():
                kept.lerp_(new, 1 - _AVERAGE_DECAY)


def _taught(teachers: Sequence[str], pictures: NDArray[np.uint8], temperature: float) -> Tensor:
    each = [answers(SurrogateFolder.named(name).load(), pictures) for name in teachers]
    return torch.stack([torch.softmax(logits / temperature, 1) for logits in each]).mean(0)
