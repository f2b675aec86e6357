"""What a detector is: it learns from training pictures, then says which pictures are attacked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from camfilter.lab.attacks import Classifier

__all__ = ["Detector", "Evidence", "Judge", "stacked", "truth_of"]

Judge = Callable[[Tensor], NDArray[np.bool_]]
"""(B, C, S, S) pictures in [0, 1] to (B,): whether each one is attacked."""


@dataclass(frozen=True)
class Evidence:
    """What a detector may learn from; training pictures only.

    Attributes:
        classifier: that is to be guarded.
        clean: (N, C, S, S) pictures in [0, 1].
        attacked: (M, C, S, S) attacked versions of pictures among the clean ones.
        reference: (R, C, S, S) further clean training pictures.
        reference_labels: (R,) int64, their true classes.
        seed: of all chance.
    """

    classifier: Classifier
    clean: Tensor
    attacked: Tensor
    reference: Tensor
    reference_labels: Tensor
    seed: int = 0


class Detector(Protocol):
    """A detector with its parameters."""

    @property
    def name(self) -> str:
        """As on the command line."""

    def learn(self, evidence: Evidence) -> Judge:
        """Learn to tell attacked pictures from clean ones.

        Args:
            evidence: from training pictures.

        Returns:
            The trained detector.
        """


def truth_of(evidence: Evidence) -> NDArray[np.bool_]:
    """(N + M,) which of the clean and then the attacked pictures are attacked."""
    return np.repeat([False, True], [len(evidence.clean), len(evidence.attacked)])


def stacked(clean: Any, attacked: Any) -> NDArray[np.float64]:
    """Features of the clean and then of the attacked pictures, one row each."""
    return np.concatenate([np.asarray(clean, np.float64), np.asarray(attacked, np.float64)])
