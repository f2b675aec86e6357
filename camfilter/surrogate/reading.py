"""What a recogniser reads in one face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camfilter.expressions import EXPRESSIONS

__all__ = ["Reading", "entropy_bits", "softmax"]


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), np.float32)


def entropy_bits(probabilities: NDArray[np.float32]) -> float:
    """Entropy in bits, 0 (sure) to 3 (eight classes alike); equation 1 of the chaining paper."""
    p = probabilities[probabilities > 0]
    return max(0.0, float(-(p * np.log2(p)).sum()))


@dataclass(frozen=True, slots=True)
class Reading:
    """One face, as a recogniser sees it.

    Attributes:
        label: the most probable expression.
        confidence: its probability, 0 to 1.
        entropy_bits: how unsure the recogniser is, 0 to 3.
    """

    label: str
    confidence: float
    entropy_bits: float

    @classmethod
    def of(cls, logits: NDArray[np.float32]) -> Reading:
        """Read one row of eight logits."""
        probabilities = softmax(logits)
        best = int(probabilities.argmax())
        return cls(EXPRESSIONS[best], float(probabilities[best]), entropy_bits(probabilities))

    def __str__(self) -> str:
        return f"{self.label} {self.confidence:.0%}"
