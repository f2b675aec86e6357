"""How well an embedding knows people: verification of pairs, and matching with a gallery."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

__all__ = ["Pairs", "centroids_of", "gallery_split", "pairs_of", "rank_of", "verified"]


@dataclass(frozen=True)
class Pairs:
    """Pairs of pictures, half of them of one person.

    Attributes:
        distances: (P,) between the embeddings of each pair.
        same: (P,) bool, whether both are of one person.
    """

    distances: NDArray[np.float64]
    same: NDArray[np.bool_]

    @property
    def auc(self) -> float:
        """Area under the ROC curve, 0.5 for chance."""
        return float(roc_auc_score(self.same, -self.distances))

    @property
    def best_threshold(self) -> float:
        """The distance that divides these pairs with the fewest mistakes."""
        wrong, right, scores = roc_curve(self.same, -self.distances)
        return float(-scores[int(np.argmax(right - wrong))])

    def accuracy(self, threshold: float) -> float:
        """Share of pairs that a threshold judges rightly."""
        return float(((self.distances <= threshold) == self.same).mean())


def pairs_of(
    embeddings: NDArray[np.float32], people: NDArray[np.int64], seed: int, most: int = 3000
) -> Pairs:
    """As many pairs of one person as of two, drawn at random, none twice.

    Args:
        embeddings: (N, D).
        people: (N,).
        seed: of the chance.
        most: pairs of each kind.
    """
    random = np.random.default_rng(seed)
    first, second = np.triu_indices(len(people), 1)
    same = people[first] == people[second]
    kinds = [np.flatnonzero(same), np.flatnonzero(~same)]
    count = min(most, *map(len, kinds))
    chosen = np.concatenate([random.choice(kind, count, replace=False) for kind in kinds])
    apart = np.linalg.norm(embeddings[first[chosen]] - embeddings[second[chosen]], axis=1)
    return Pairs(apart.astype(np.float64), same[chosen])


def verified(valid: Pairs, test: Pairs) -> dict[str, float]:
    """AUC and accuracy of test pairs, at the threshold that was best for the validation pairs."""
    threshold = valid.best_threshold
    return {"auc": test.auc, "accuracy": test.accuracy(threshold), "threshold": threshold}


def gallery_split(
    people: NDArray[np.int64], gallery: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the gallery, some pictures of each person at random, and of all others."""
    random = np.random.default_rng(seed)
    chosen = np.concatenate([
        random.choice(np.flatnonzero(people == person), gallery, replace=False)
        for person in np.unique(people)
    ])  # fmt: skip
    return np.sort(chosen), np.setdiff1d(np.arange(len(people)), chosen)


def centroids_of(embeddings: NDArray[np.float32], people: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean embedding of each person, (people, D): beta of section II-A."""
    return np.stack([embeddings[people == person].mean(axis=0) for person in np.unique(people)])


def rank_of(
    embeddings: NDArray[np.float32], centroids: NDArray[np.float32], wanted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(N,) place of the wanted person among all, by distance to the centroids; 0 is the nearest."""
    apart = np.linalg.norm(embeddings[:, None] - centroids[None], axis=2)
    mine = apart[np.arange(len(wanted)), wanted][:, None]
    return np.asarray((apart < mine).sum(axis=1), np.int64)
