"""Artifacts in Feinman's form: variance under dropout and density of the last hidden layer."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from camfilter.errors import SettingError
from camfilter.lab.attacks import Classifier, labels_of
from camfilter.lab.detectors.base import Detector, Evidence, Judge, stacked, truth_of
from camfilter.lab.detectors.layers import entering, leaving, names_of

__all__ = ["ArtifactDensity", "dropout_variance", "log_density"]

_WIDTHS: Final = np.logspace(-1.5, 1, 16)


@dataclass(frozen=True)
class ArtifactDensity:
    """Both figures, divided by their deviation, and logistic regression (Feinman et al. 2017).

    The density is that of clean training pictures of the class that is read. Its width is the
    one under which they are likeliest, each by the others.

    Attributes:
        passes: with dropout.
    """

    passes: int = 50
    name: str = "artifact-density"

    def learn(self, evidence: Evidence) -> Judge:
        """Learn; see `Detector`."""
        classifier, seed = evidence.classifier, evidence.seed
        known = _last_hidden(classifier, evidence.reference)
        labels = np.asarray(evidence.reference_labels.numpy(), np.int64)
        width = _likeliest_width(known, labels)

        def features(pictures: Tensor) -> NDArray[np.float64]:
            read = np.asarray(labels_of(classifier, pictures).numpy(), np.int64)
            hidden = _last_hidden(classifier, pictures)
            density = log_density(hidden, read, known, labels, width)
            variance = dropout_variance(classifier, pictures, self.passes, seed)
            return np.stack([variance, density], axis=1)

        regression = make_pipeline(StandardScaler(), LogisticRegression())
        found = stacked(features(evidence.clean), features(evidence.attacked))
        regression.fit(found, truth_of(evidence))

        def judge(pictures: Tensor) -> NDArray[np.bool_]:
            return np.asarray(regression.predict(features(pictures)), np.bool_)

        return judge


def dropout_variance(
    classifier: Classifier, pictures: Tensor, passes: int, seed: int
) -> NDArray[np.float64]:
    """How much the probabilities vary with what is dropped.

    Each pass drops the same in all pictures, so a picture is judged alike in whatever company.

    Args:
        classifier: what its module `features` gives, where it has one without dropout, is
            computed once.
        pictures: (B, C, S, S).
        passes: number of them.
        seed: of what is dropped.

    Returns:
        (B,) mean square of the probabilities less the square of their mean, summed over classes.
    """
    network = copy.deepcopy(classifier.network)
    features = getattr(network, "features", None)
    if isinstance(features, nn.Module) and not names_of(features, nn.Dropout):
        parts = [part["features"] for part in leaving(classifier, pictures, ["features"])]
        network.features = _Kept(torch.cat(parts))
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Dropout):
            network.set_submodule(name, _SameDropped(layer.p))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        drawn = torch.stack([network(pictures).softmax(dim=1).double() for _ in range(passes)])
    variance = (drawn.square().mean(dim=0) - drawn.mean(dim=0).square()).sum(dim=1)
    return np.asarray(variance.numpy(), np.float64)


def log_density(
    hidden: NDArray[np.float64],
    read: NDArray[np.int64],
    known: NDArray[np.float64],
    labels: NDArray[np.int64],
    width: float,
) -> NDArray[np.float64]:
    """Logarithm of the density of known vectors of a class, with Gaussian kernels.

    Args:
        hidden: (B, D) vectors.
        read: (B,) the class under which each is taken.
        known: (R, D) vectors whose class is known.
        labels: (R,) their classes. All of `known` stands for a class that has none.
        width: standard deviation of a kernel.

    Returns:
        (B,) up to the same constant for all.
    """
    exponents = -euclidean_distances(hidden, known, squared=True) / (2 * width**2)
    same = read[:, None] == labels[None, :]
    same |= ~same.any(axis=1, keepdims=True)
    totals = _log_sums(np.where(same, exponents, -np.inf))
    return np.asarray(totals - np.log(same.sum(axis=1)), np.float64)


def _likeliest_width(known: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The kernels' width that makes each known vector likeliest by the others of its class."""
    distances = euclidean_distances(known, squared=True)
    others = (labels[:, None] == labels[None, :]) & ~np.eye(len(known), dtype=bool)
    usable = others.any(axis=1)
    if not usable.any():
        return 1.0
    typical = float(np.sqrt(np.median(distances[others]))) or 1.0

    def likelihood(width: float) -> float:
        exponents = np.where(others, -distances / (2 * width**2), -np.inf)[usable]
        return float(_log_sums(exponents).mean() - known.shape[1] * np.log(width))

    return max((float(share) * typical for share in _WIDTHS), key=likelihood)


def _log_sums(exponents: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B,) logarithm of the sum of the exponentials of each row."""
    return np.asarray(torch.from_numpy(exponents).logsumexp(dim=1).numpy(), np.float64)


def _last_hidden(classifier: Classifier, pictures: Tensor) -> NDArray[np.float64]:
    """(B, D) what enters the last dense layer."""
    last = names_of(classifier.network, nn.Linear)[-1:]
    if not last:
        raise SettingError("The network has no dense layer, which this detector looks at.")
    parts = [part[last[0]].flatten(1) for part in entering(classifier, pictures, last)]
    return torch.cat(parts).numpy().astype(np.float64)


class _SameDropped(nn.Module):
    """Dropout that drops the same values of each picture of a batch.

    Args:
        p: share that is dropped.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, values: Tensor) -> Tensor:
        kept = torch.rand(values.shape[1:]) >= self.p
        return values * kept / (1 - self.p)


class _Kept(nn.Module):
    """In place of a part of a network: what it gave before."""

    def __init__(self, kept: Tensor) -> None:
        super().__init__()
        self.kept = kept

    def forward(self, _pictures: Tensor) -> Tensor:
        return self.kept


def offered() -> Iterable[Detector]:
    """What this module adds."""
    return [ArtifactDensity()]
