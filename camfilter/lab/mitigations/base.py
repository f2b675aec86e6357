"""What a mitigation is: it may learn from training pictures, then reads pictures more safely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from camfilter.lab.attacks import Classifier

__all__ = ["Lesson", "Mitigation", "Weights", "before", "filled", "weights_of"]

Weights = dict[str, NDArray[Any]]
"""What a mitigation learned, by name; empty where it learns nothing."""


@dataclass(frozen=True)
class Lesson:
    """What a mitigation may learn from; training pictures only.

    Attributes:
        clean: (N, C, S, S) pictures in [0, 1].
        labels: (N,) int64, their true classes.
        attacked: (M, C, S, S) attacked versions of some of them.
        origins: (M,) int64, index of the clean picture of each.
        train: trains a network like the classifier's on pictures and labels.
        seed: of all chance.
    """

    clean: Tensor
    labels: Tensor
    attacked: Tensor
    origins: Tensor
    train: Callable[[Tensor, Tensor], nn.Module]
    seed: int = 0


class Mitigation(Protocol):
    """A mitigation with its parameters."""

    @property
    def name(self) -> str:
        """As on the command line."""

    def learn(self, classifier: Classifier, lesson: Lesson) -> Weights:
        """Learn what is needed.

        Args:
            classifier: that is to be guarded; not changed.
            lesson: from training pictures.

        Returns:
            Arrays that can be kept; `defended` takes them.
        """

    def defended(self, classifier: Classifier, weights: Weights, seed: int) -> Classifier:
        """The classifier with this mitigation.

        Args:
            classifier: not changed.
            weights: that `learn` returned.
            seed: of chance while pictures are read; one reading after the other goes on from it.
        """


def weights_of(network: nn.Module) -> Weights:
    """All weights of a network as arrays."""
    return {name: value.detach().numpy() for name, value in network.state_dict().items()}


def filled(network: nn.Module, weights: Weights) -> nn.Module:
    """Put weights into a network; it is then in evaluation mode."""
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return network.eval()


def before(classifier: Classifier, change: nn.Module) -> Classifier:
    """The classifier of changed pictures.

    Args:
        classifier: reads them then.
        change: maps pictures to pictures of the same shape.
    """
    network = nn.Sequential(change, classifier.network)
    return Classifier(network, classifier.classes, classifier.size_px, classifier.channels)
