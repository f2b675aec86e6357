"""Artifact learning: a binary network on what the layers give (Gong et al. 2017)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from camfilter.lab.attacks import Classifier
from camfilter.lab.detectors.base import Detector, Evidence, Judge, stacked, truth_of
from camfilter.lab.detectors.layers import entering, leaving, names_of

__all__ = ["ArtifactLearning"]


@dataclass(frozen=True)
class ArtifactLearning:
    """A small network tells the features of attacked pictures from those of clean ones.

    Attributes:
        layers: by name, whose outputs are the features; where none is named, what enters each
            dense layer, and the logits.
        hidden: units of the small network.
        decay: of its weights; much, as there are more features than pictures.
        epochs: at most so many.
    """

    layers: tuple[str, ...] = ()
    hidden: int = 100
    decay: float = 10.0
    epochs: int = 50
    name: str = "artifacts"

    def learn(self, evidence: Evidence) -> Judge:
        """Learn; see `Detector`."""
        classifier = evidence.classifier
        network = make_pipeline(
            StandardScaler(),
            MLPClassifier(
                (self.hidden,),
                alpha=self.decay,
                max_iter=self.epochs,
                random_state=evidence.seed,
            ),
        )
        features = stacked(
            self._features(classifier, evidence.clean),
            self._features(classifier, evidence.attacked),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(features, truth_of(evidence))

        def judge(pictures: Tensor) -> NDArray[np.bool_]:
            found = network.predict(self._features(classifier, pictures))
            return np.asarray(found, np.bool_)

        return judge

    def _features(self, classifier: Classifier, pictures: Tensor) -> NDArray[np.float32]:
        if self.layers:
            return _joined(leaving(classifier, pictures, list(self.layers)))
        inputs = _joined(entering(classifier, pictures, names_of(classifier.network, nn.Linear)))
        logits = classifier.read(pictures).numpy()
        return np.concatenate([inputs, logits], axis=1)


def _joined(parts: Iterable[dict[str, Tensor]]) -> NDArray[np.float32]:
    rows = [
        np.concatenate([values.flatten(1).numpy() for values in part.values()], axis=1)
        for part in parts
    ]
    return np.concatenate(rows)


def offered() -> Iterable[Detector]:
    """What this module adds."""
    return [ArtifactLearning()]
