"""What is measured of a chain: entropy, norms, fool rate, their average incremental ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]
from sklearn.metrics import roc_auc_score
from torch import Tensor

from camfilter.lab.attacks import Goal
from camfilter.settings import LEVELS

__all__ = [
    "FORMS",
    "MEASURES",
    "PerFace",
    "entropy_bits",
    "increments",
    "rank_correlation",
    "rounded",
    "summary",
]

FORMS: Final = ("float", "rint")
"""As computed, and after rounding to whole levels as an 8-bit picture has them."""

MEASURES: Final = (
    "entropy_bits", "l0_px", "l0_share", "l0_exact_share", "l2", "linf",
    "fool_rate", "fool_rate_correct", "left_rate", "wrong_rate", "entropy_auc",
)  # fmt: skip
"""Each a figure of a chain of one length; docs/lab.md says what they are."""

LEAST_CHANGE: Final = 1e-6
"""Less is the rounding of float32: adding and taking away epsilon does not give a pixel back."""


def rounded(pictures: Tensor) -> Tensor:
    """Pictures in [0, 1] in whole levels, by rint."""
    return (pictures * LEVELS).round() / LEVELS


def entropy_bits(logits: Tensor) -> Tensor:
    """(B,) entropy of the prediction in bits: -sum p_i log2 p_i (the paper's equation 1)."""
    logarithms = torch.log_softmax(logits, dim=1)
    return -(logarithms.exp() * logarithms).sum(dim=1) / float(np.log(2))


@dataclass(frozen=True)
class PerFace:
    """Figures of each face after a chain.

    Attributes:
        values: by name, each (B,) float64 or bool.
    """

    values: dict[str, NDArray[np.float64]]

    @classmethod
    def of(
        cls, clean: Tensor, changed: Tensor, logits: Tensor, goal: Goal, read: Tensor, true: Tensor
    ) -> PerFace:
        """Measure pictures.

        Args:
            clean: (B, C, S, S) in [0, 1].
            changed: the same, attacked.
            logits: (B, classes) of the attacked ones.
            goal: of the attack.
            read: (B,) int64, what was read in the clean ones.
            true: (B,) int64, what is in them.
        """
        change = (changed - clean).flatten(1).double()
        now = logits.argmax(dim=1)
        values = {
            "entropy_bits": entropy_bits(logits),
            "l0_px": (change.abs() > LEAST_CHANGE).sum(dim=1),
            "l0_exact_px": (change != 0).sum(dim=1),
            "l2": change.norm(dim=1),
            "linf": change.abs().amax(dim=1),
            "reached": goal.reached(logits),
            "left": now != read,
            "wrong": now != true,
            "correct": read == true,
        }
        return cls({name: value.double().numpy() for name, value in values.items()})

    @classmethod
    def joined(cls, parts: Sequence[PerFace]) -> PerFace:
        """Several batches as one."""
        names = parts[0].values
        return cls({name: np.concatenate([part.values[name] for part in parts]) for name in names})


def summary(faces: PerFace, pixels: int) -> dict[str, float | None]:
    """Means over faces, named as in MEASURES.

    Args:
        faces: their figures.
        pixels: of a picture.

    Returns:
        None where a figure has no meaning: a rate over no faces, for example.
    """
    values = faces.values
    correct = values["correct"] > 0
    return {
        "entropy_bits": _mean(values["entropy_bits"]),
        "l0_px": _mean(values["l0_px"]),
        "l0_share": _mean(values["l0_px"] / pixels),
        "l0_exact_share": _mean(values["l0_exact_px"] / pixels),
        "l2": _mean(values["l2"]),
        "linf": _mean(values["linf"]),
        "fool_rate": _mean(values["reached"]),
        "fool_rate_correct": _mean(values["reached"][correct]),
        "left_rate": _mean(values["left"]),
        "wrong_rate": _mean(values["wrong"]),
        "entropy_auc": _area(values["left"], values["entropy_bits"]),
    }


def increments(series: Sequence[float | None]) -> dict[str, float | None]:
    """The average incremental ratio of a figure over chain lengths 1, 2, ..., in three forms.

    The paper does not define it.

    Args:
        series: m_1, m_2, ...

    Returns:
        relative: mean of (m_i - m_{i-1}) / m_{i-1} over i >= 2 with m_{i-1} above 0;
        difference: mean of m_i - m_{i-1}; over_first: that divided by m_1.
    """
    values = np.array([np.nan if value is None else value for value in series], np.float64)
    if len(values) < 2 or np.isnan(values).any():
        return {"relative": None, "difference": None, "over_first": None}
    steps, before = np.diff(values), values[:-1]
    usable = before > 0
    difference = float(steps.mean())
    return {
        "relative": float((steps[usable] / before[usable]).mean()) if usable.any() else None,
        "difference": difference,
        "over_first": difference / float(values[0]) if values[0] > 0 else None,
    }


def rank_correlation(first: Sequence[float | None], second: Sequence[float | None]) -> float | None:
    """Spearman's correlation of two figures over chain lengths; None where one never changes."""
    one, two = (np.array(values, np.float64) for values in (first, second))
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(two) == 0:
        return None
    return float(stats.spearmanr(one, two).statistic)


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _area(happened: NDArray[np.float64], score: NDArray[np.float64]) -> float | None:
    """Area under the ROC curve: how well a score tells where something happened."""
    if len(np.unique(happened)) < 2:
        return None
    return float(roc_auc_score(happened > 0, score))
