"""Adversarial training: a new network from clean and attacked pictures (Szegedy et al. 2014)."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from camfilter.lab.attacks import Classifier
from camfilter.lab.mitigations.base import Lesson, Mitigation, Weights, filled, weights_of

__all__ = ["AdversarialTraining"]


@dataclass(frozen=True)
class AdversarialTraining:
    """Trains on all clean pictures and on the attacked ones under their true labels.

    Attributes:
        share: of attacked pictures among all; they are repeated where there are too few.
    """

    share: float = 0.5
    name: str = "adversarial-training"

    def learn(self, classifier: Classifier, lesson: Lesson) -> Weights:  # noqa: ARG002
        """Train; see `Mitigation`."""
        wanted = round(len(lesson.clean) * self.share / (1 - self.share))
        drawn = torch.arange(wanted) % len(lesson.attacked)
        pictures = torch.cat([lesson.clean, lesson.attacked[drawn]])
        labels = torch.cat([lesson.labels, lesson.labels[lesson.origins[drawn]]])
        return weights_of(lesson.train(pictures, labels))

    def defended(self, classifier: Classifier, weights: Weights, seed: int) -> Classifier:  # noqa: ARG002
        """The new network; see `Mitigation`."""
        network = filled(copy.deepcopy(classifier.network), weights)
        return Classifier(network, classifier.classes, classifier.size_px, classifier.channels)


def offered() -> Iterable[Mitigation]:
    """What this module adds."""
    return [AdversarialTraining()]
