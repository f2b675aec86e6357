"""Projection on principal components and a linear machine (Bhagoji et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import Tensor

from camfilter.lab.detectors.base import Detector, Evidence, Judge, stacked, truth_of

__all__ = ["PrincipalComponents"]


@dataclass(frozen=True)
class PrincipalComponents:
    """A linear support vector machine on the coefficients of the clean training pictures' PCA.

    Attributes:
        components: number of them, fewer where there are fewer pictures or pixels.
        penalty: C of the machine.
    """

    components: int = 200
    penalty: float = 0.01
    name: str = "pca"

    def learn(self, evidence: Evidence) -> Judge:
        """Learn; see `Detector`."""
        training = _rows(torch.cat([evidence.clean, evidence.reference]))
        projection = PCA(min(self.components, *training.shape), random_state=evidence.seed)
        projection.fit(training)
        machine = make_pipeline(
            StandardScaler(), LinearSVC(C=self.penalty, dual=False, random_state=evidence.seed)
        )
        features = stacked(_rows(evidence.clean), _rows(evidence.attacked))
        machine.fit(projection.transform(features), truth_of(evidence))

        def judge(pictures: Tensor) -> NDArray[np.bool_]:
            return np.asarray(machine.predict(projection.transform(_rows(pictures))), np.bool_)

        return judge


def _rows(pictures: Tensor) -> NDArray[np.float64]:
    return pictures.flatten(1).numpy().astype(np.float64)


def offered() -> Iterable[Detector]:
    """What this module adds."""
    return [PrincipalComponents()]
