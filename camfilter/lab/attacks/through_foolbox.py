"""Runs the attacks of foolbox on a classifier: no gradients of weights, all chance by seed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn

from camfilter.lab.attacks.base import Classifier, Goal, clipped

__all__ = ["foolbox_attacks", "least_change", "within"]

_BATCH: Final = 128


def foolbox_attacks() -> Any:
    """The module `foolbox.attacks`."""
    with warnings.catch_warnings():  # it asks scipy for a name of old
        warnings.simplefilter("ignore", DeprecationWarning)
        import foolbox.attacks  # noqa: PLC0415 - takes a second, and most commands do without

    return foolbox.attacks


def within(
    attack: Any, classifier: Classifier, pictures: Tensor, goal: Goal, radius: float
) -> Tensor:
    """Run an attack that keeps to a radius.

    Args:
        attack: of foolbox, with fixed epsilon.
        classifier: attacked.
        pictures: (B, C, S, S) float32 in [0, 1].
        goal: what shall be read.
        radius: in the attack's norm, pixels in [0, 1].

    Returns:
        Pictures of the same shape in [0, 1].
    """
    return _in_batches(attack, classifier, pictures, goal, {"epsilon": radius})


def least_change(
    attack: Any, classifier: Classifier, pictures: Tensor, goal: Goal, *, margin: bool = False
) -> Tensor:
    """Run an attack that looks for the least change that reaches the goal.

    A picture stays as it is where the goal is reached already, and where the attack fails:
    foolbox gives a black picture there.

    Args:
        attack: of foolbox, with minimal change.
        classifier: attacked.
        pictures: (B, C, S, S) float32 in [0, 1].
        goal: what shall be read.
        margin: whether the attack wants more than the goal, so that all pictures are tried.

    Returns:
        Pictures of the same shape in [0, 1].
    """
    reached = goal.reached(classifier.read(pictures))
    tried = torch.ones_like(reached) if margin else ~reached
    changed = pictures.detach().clone()
    if tried.any():
        part = Goal(goal.labels[tried], goal.targeted, goal.seed)
        found = _in_batches(attack, classifier, pictures[tried], part, {})
        good = part.reached(classifier.read(found)) & found.isfinite().all(dim=(1, 2, 3))
        changed[tried] = torch.where(good[:, None, None, None], found, pictures[tried])
    return changed


def _in_batches(
    attack: Any, classifier: Classifier, pictures: Tensor, goal: Goal, options: dict[str, float]
) -> Tensor:
    foolbox_attacks()
    from foolbox.criteria import Misclassification, TargetedMisclassification  # noqa: PLC0415
    from foolbox.models.pytorch import PyTorchModel  # noqa: PLC0415

    kind = TargetedMisclassification if goal.targeted else Misclassification
    done = []
    with torch.random.fork_rng(devices=[]), _frozen(classifier.network):
        torch.manual_seed(goal.seed)
        model: Any = PyTorchModel(classifier.network, bounds=(0, 1), device="cpu")
        batches = zip(torch.split(pictures, _BATCH), torch.split(goal.labels, _BATCH), strict=True)
        for part, labels in batches:
            criterion: Any = kind(labels)
            done.append(clipped(attack.run(model, part.detach(), criterion, **options).detach()))
    return torch.cat(done) if done else pictures.clone()


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Ask for no gradients of weights, which foolbox would compute and nobody reads."""
    asked = [weight for weight in network.parameters() if weight.requires_grad]
    for weight in asked:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in asked:
            weight.requires_grad_(True)
