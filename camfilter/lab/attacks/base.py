"""What an attack is: pictures in, pictures out that a classifier reads otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from camfilter.errors import SettingError

__all__ = [
    "Attack",
    "Classifier",
    "Goal",
    "clipped",
    "labels_of",
    "loss_gradient",
    "require_no_target",
]


@dataclass(frozen=True)
class Classifier:
    """A network as attacks see it: differentiable, in evaluation mode, on the CPU.

    Attributes:
        network: maps (B, C, S, S) float32 pictures in [0, 1] to (B, classes) logits.
        classes: number of them.
        size_px: width and height of the pictures.
        channels: 1 for luma.
    """

    network: nn.Module
    classes: int
    size_px: int
    channels: int = 1

    def logits(self, pictures: Tensor) -> Tensor:
        """(B, classes) logits; gradients flow to the pictures."""
        answer: Tensor = self.network(pictures)
        return answer

    def read(self, pictures: Tensor, batch: int = 256) -> Tensor:
        """(B, classes) logits without gradients, computed in parts."""
        with torch.no_grad():
            parts = [self.logits(part) for part in torch.split(pictures, batch)]
        return torch.cat(parts)


@dataclass(frozen=True)
class Goal:
    """What an attack wants to be read.

    Attributes:
        labels: (B,) int64; the class to be left, or with `targeted` the class to be reached.
        targeted: whether the labels are to be reached.
        seed: of all chance.
    """

    labels: Tensor
    targeted: bool = False
    seed: int = 0

    @property
    def sign(self) -> float:
        """+1 where the loss with the labels shall grow, -1 where it shall fall."""
        return -1.0 if self.targeted else 1.0

    def reached(self, logits: Tensor) -> Tensor:
        """(B,) bool: which pictures are read as wanted."""
        same: Tensor = logits.argmax(dim=1) == self.labels
        return same if self.targeted else ~same


class Attack(Protocol):
    """An attack with its parameters."""

    @property
    def name(self) -> str:
        """As on the command line."""

    @property
    def targeted(self) -> bool:
        """Whether it can aim at a class."""

    def perturb(self, classifier: Classifier, pictures: Tensor, goal: Goal) -> Tensor:
        """Change pictures.

        Args:
            classifier: attacked from the inside, or by its answers only.
            pictures: (B, C, S, S) float32 in [0, 1]; not written to.
            goal: what shall be read.

        Returns:
            Pictures of the same shape in [0, 1].

        Raises:
            SettingError: the goal aims at a class, and the attack cannot.
        """


def require_no_target(attack: Attack, goal: Goal) -> None:
    """Refuse a goal that an attack without targets cannot have.

    Raises:
        SettingError: the goal aims at a class.
    """
    if goal.targeted:
        raise SettingError(
            f"The attack {attack.name} cannot aim at a class.", "Choose another, or no target."
        )


def clipped(pictures: Tensor) -> Tensor:
    """Pictures in [0, 1]."""
    return pictures.clamp(0, 1)


def labels_of(classifier: Classifier, pictures: Tensor) -> Tensor:
    """(B,) int64: what the classifier reads."""
    return classifier.read(pictures).argmax(dim=1)


def loss_gradient(classifier: Classifier, pictures: Tensor, labels: Tensor) -> Tensor:
    """Gradient of the cross-entropy with some labels, of the shape of the pictures."""
    leaf = pictures.detach().clone().requires_grad_(True)
    loss = functional.cross_entropy(classifier.logits(leaf), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, leaf)
    return gradient
