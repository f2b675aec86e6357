"""Identification, verification, and detection in figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from camfilter.lab.intervals import wilson

__all__ = [
    "Claims",
    "Detection",
    "claim_scores",
    "cumulative_match",
    "detection_of",
    "rank_one",
    "roc_of",
    "threshold_of",
    "verification",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Claims:
    """What each probe claims to be.

    Attributes:
        labels: (N,) true class of each probe.
        targets: (N,) another class, drawn at random: what a targeted attack aims at, and what
            the probe claims to be where it is an impostor.
        genuine: (N,) whether the probe claims its true class.
    """

    labels: NDArray[np.int64]
    targets: NDArray[np.int64]
    genuine: NDArray[np.bool_]

    @classmethod
    def drawn(cls, labels: NDArray[np.int64], classes: int, seed: int) -> Claims:
        """Draw a target for each probe, and whether it is genuine, each with one half."""
        random = np.random.default_rng([seed, 1])
        targets = (labels + random.integers(1, classes, len(labels))) % classes
        return cls(labels, targets, random.random(len(labels)) < 0.5)

    @property
    def claimed(self) -> NDArray[np.int64]:
        """(N,) class that each probe claims."""
        return np.where(self.genuine, self.labels, self.targets)


def rank_one(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Share of probes whose likeliest class is the true one."""
    return float((logits.argmax(axis=1) == labels).mean())


def cumulative_match(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Floats:
    """(classes,) share of probes whose true class is among the 1, 2, ... likeliest.

    Of equally likely classes the true one counts as the last.
    """
    own = logits[np.arange(len(labels)), labels]
    ranks = (logits >= own[:, None]).sum(axis=1)
    return np.asarray([(ranks <= rank).mean() for rank in range(1, logits.shape[1] + 1)])


def claim_scores(logits: NDArray[np.float32], claimed: NDArray[np.int64]) -> Floats:
    """(N,) probability that the network gives to the claimed class."""
    chances = torch.from_numpy(logits).double().softmax(dim=1).numpy()
    return np.asarray(chances[np.arange(len(claimed)), claimed], np.float64)


def threshold_of(
    logits: NDArray[np.float32], labels: NDArray[np.int64], targets: NDArray[np.int64]
) -> float:
    """The threshold of verification; from validation pictures.

    Each picture makes a genuine claim and an impostor's. The threshold lies midway between two
    scores and gives the greatest accuracy; of equally good ones it is the least.
    """
    genuine, impostor = claim_scores(logits, labels), claim_scores(logits, targets)
    scores = np.unique(np.concatenate([genuine, impostor]))
    middles = np.concatenate([[0.0], (scores[1:] + scores[:-1]) / 2])
    right = [(genuine >= m).sum() + (impostor < m).sum() for m in middles]
    return float(middles[int(np.argmax(right))])


def verification(logits: NDArray[np.float32], claims: Claims, threshold: float) -> float:
    """Share of claims that are decided rightly.

    A claim is accepted where the probability of the claimed class reaches the threshold. It is
    decided rightly where a genuine claim is accepted or an impostor's is refused. So an attack
    that reaches its target in every probe leaves 0, and one that only leaves the true class a
    half.
    """
    accepted = claim_scores(logits, claims.claimed) >= threshold
    return float((accepted == claims.genuine).mean())


def roc_of(logits: NDArray[np.float32], claims: Claims) -> tuple[Floats, Floats, float]:
    """Receiver operating characteristic of verification.

    Each probe makes both claims, the genuine one and the impostor's.

    Returns:
        False acceptance rates, true acceptance rates, and the area under their curve.
    """
    scores = np.concatenate(
        [claim_scores(logits, claims.labels), claim_scores(logits, claims.targets)]
    )
    truth = np.repeat([True, False], len(claims.labels))
    falsely, truly, _ = roc_curve(truth, scores)
    return np.asarray(falsely), np.asarray(truly), float(roc_auc_score(truth, scores))


@dataclass(frozen=True)
class Detection:
    """How well attacked pictures are told from clean ones.

    Attributes:
        found: attacked pictures that were flagged.
        missed: attacked pictures that were not.
        alarms: clean pictures that were flagged.
        passed: clean pictures that were not.
    """

    found: int
    missed: int
    alarms: int
    passed: int

    @property
    def precision(self) -> float | None:
        """Share of attacked ones among the flagged; None where nothing was flagged."""
        flagged = self.found + self.alarms
        return self.found / flagged if flagged else None

    @property
    def recall(self) -> float | None:
        """Share of flagged ones among the attacked; None where there are none."""
        attacked = self.found + self.missed
        return self.found / attacked if attacked else None

    @property
    def accuracy(self) -> float | None:
        """Share of right answers; None where there are no pictures."""
        return (self.found + self.passed) / self.pictures if self.pictures else None

    @property
    def pictures(self) -> int:
        """Number of all pictures."""
        return self.found + self.missed + self.alarms + self.passed

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % confidence interval of each figure."""
        return {
            "precision": wilson(self.found, self.found + self.alarms),
            "recall": wilson(self.found, self.found + self.missed),
            "accuracy": wilson(self.found + self.passed, self.pictures),
        }


def detection_of(on_clean: NDArray[np.bool_], on_attacked: NDArray[np.bool_]) -> Detection:
    """Count a detector's flags on clean and on attacked pictures."""
    found, alarms = int(on_attacked.sum()), int(on_clean.sum())
    return Detection(found, len(on_attacked) - found, alarms, len(on_clean) - alarms)
