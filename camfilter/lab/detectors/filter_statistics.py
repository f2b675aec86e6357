"""Statistics of the convolutions' outputs and a cascade (Li & Li 2017, sections 4 and 5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import Tensor, nn

from camfilter.lab.attacks import Classifier
from camfilter.lab.detectors.base import Detector, Evidence, Judge, stacked, truth_of
from camfilter.lab.detectors.layers import leaving, names_of, several

__all__ = ["FilterStatistics", "statistics_of"]

_VECTORS: Final = 20_000
# A 3x3 kernel on one channel has 9 directions, so 16 filters have empty components: only noise.
_KEPT_VARIANCE: Final = 1 - 1e-6


@dataclass(frozen=True)
class FilterStatistics:
    """One linear machine per convolution; a picture is clean when all of them accept it.

    Each machine learns from the pictures that those before it accepted, and accepts so many of
    its clean ones, as in the cascade of Viola and Jones that the paper follows.

    Attributes:
        stages: at most so many convolutions, spread over the network.
        kept: share of the clean training pictures that a stage accepts.
        penalty: C of the machines.
    """

    stages: int = 5
    kept: float = 0.95
    penalty: float = 0.01
    name: str = "filter-statistics"

    def learn(self, evidence: Evidence) -> Judge:
        """Learn; see `Detector`."""
        classifier = evidence.classifier
        names = several(names_of(classifier.network, nn.Conv2d), self.stages)
        projections = _projections(classifier, evidence.clean, names, evidence.seed)
        parts = (evidence.clean, evidence.attacked)
        each = [statistics_of(classifier, part, projections) for part in parts]
        features = {name: stacked(each[0][name], each[1][name]) for name in names}
        truth = truth_of(evidence)
        accepted = np.ones(len(truth), np.bool_)
        cascade: dict[str, tuple[Any, float]] = {}
        for name in names:
            if len(set(truth[accepted])) < 2:
                break
            machine = make_pipeline(
                StandardScaler(), LinearSVC(C=self.penalty, dual=False, class_weight="balanced")
            )
            machine.fit(features[name][accepted], truth[accepted])
            scores = machine.decision_function(features[name])
            limit = float(np.quantile(scores[accepted & ~truth], self.kept))
            cascade[name] = machine, limit
            accepted &= scores <= limit

        def judge(pictures: Tensor) -> NDArray[np.bool_]:
            seen = statistics_of(classifier, pictures, projections)
            refused = np.zeros(len(pictures), np.bool_)
            for name, (machine, limit) in cascade.items():
                refused |= machine.decision_function(seen[name]) > limit
            return refused

        return judge


def statistics_of(
    classifier: Classifier, pictures: Tensor, projections: dict[str, PCA]
) -> dict[str, NDArray[np.float64]]:
    """Statistics of what leaves some convolutions.

    Args:
        classifier: has them.
        pictures: (B, C, S, S).
        projections: for each convolution by name, principal components of its K filters' outputs
            at one place.

    Returns:
        For each convolution (B, P + 2 K): mean magnitude over all places of each of P principal
        coefficients, divided by its standard deviation over clean pictures; the least and the
        greatest output of each filter.
    """
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in projections}
    for outputs in leaving(classifier, pictures, list(projections)):
        for name, projection in projections.items():
            maps = outputs[name].numpy()
            count, filters = maps.shape[:2]
            vectors = maps.transpose(0, 2, 3, 1).reshape(-1, filters)
            coefficients = projection.transform(vectors).reshape(
                count, -1, projection.n_components_
            )
            flat = maps.reshape(count, filters, -1)
            parts = (np.abs(coefficients).mean(axis=1), flat.min(axis=2), flat.max(axis=2))
            found[name].append(np.concatenate(parts, axis=1).astype(np.float64))
    return {name: np.concatenate(rows) for name, rows in found.items()}


def _projections(
    classifier: Classifier, pictures: Tensor, names: list[str], seed: int
) -> dict[str, PCA]:
    random = np.random.default_rng(seed)
    some = max(1, _VECTORS // len(pictures))
    vectors: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    for outputs in leaving(classifier, pictures, names):
        for name in names:
            maps = outputs[name].flatten(2).transpose(1, 2).numpy()
            chosen = random.permutation(maps.shape[1])[:some]
            vectors[name].append(maps[:, chosen].reshape(-1, maps.shape[2]))
    return {
        name: PCA(_KEPT_VARIANCE, whiten=True, svd_solver="full").fit(np.concatenate(rows))
        for name, rows in vectors.items()
    }


def offered() -> Iterable[Detector]:
    """What this module adds."""
    return [FilterStatistics()]
