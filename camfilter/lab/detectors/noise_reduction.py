"""Adaptive noise reduction: does the class survive some smoothing (Liang et al. 2017)?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from camfilter.lab.attacks import labels_of
from camfilter.lab.detectors.base import Detector, Evidence, Judge

__all__ = ["AdaptiveNoiseReduction", "entropy_of", "reduced"]

_COARSE: Final = 128
_MIDDLE: Final = 64
_FINE: Final = 43
_COARSE_BELOW_BITS: Final = 4.0
_MIDDLE_BELOW_BITS: Final = 5.0
_ARM_PX: Final = 3


@dataclass(frozen=True)
class AdaptiveNoiseReduction:
    """A picture is attacked when the class changes as its noise is reduced; learns nothing."""

    name: str = "noise-reduction"

    def learn(self, evidence: Evidence) -> Judge:
        """Take the classifier; see `Detector`."""
        classifier = evidence.classifier

        def judge(pictures: Tensor) -> NDArray[np.bool_]:
            changed = labels_of(classifier, reduced(pictures)) != labels_of(classifier, pictures)
            return np.asarray(changed.numpy(), np.bool_)

        return judge


def entropy_of(pictures: Tensor) -> NDArray[np.float64]:
    """(B,) entropy in bits of each picture's histogram of 256 levels, mean over its channels."""
    levels = np.rint(pictures.numpy() * 255).astype(np.int64)
    entropies = np.zeros(levels.shape[:2])
    for place in np.ndindex(*entropies.shape):
        counts = np.bincount(levels[place].ravel(), minlength=256)
        shares = counts[counts > 0] / counts.sum()
        entropies[place] = -(shares * np.log2(shares)).sum()
    return np.asarray(entropies.mean(axis=1), np.float64)


def reduced(pictures: Tensor) -> Tensor:
    """Reduce noise by the rule for each picture's entropy.

    Below 4 bits: quantised with an interval of 128 levels; below 5 bits: of 64; else of 43, and
    then each pixel takes that value or the mean over a cross of 13 of them, whichever is nearer
    to what it was. Pixels beyond the edge repeat it, which the paper leaves open.

    Args:
        pictures: (B, C, S, S) float32 in [0, 1].

    Returns:
        Of the same shape.
    """
    entropy = torch.from_numpy(entropy_of(pictures))[:, None, None, None]
    levels = pictures * 255
    fine = _quantised(levels, _FINE)
    smooth = _crossed(fine)
    nearer = torch.where((fine - levels).abs() <= (smooth - levels).abs(), fine, smooth)
    coarse = torch.where(
        entropy < _COARSE_BELOW_BITS, _quantised(levels, _COARSE), _quantised(levels, _MIDDLE)
    )
    return torch.where(entropy < _MIDDLE_BELOW_BITS, coarse, nearer) / 255


def _quantised(levels: Tensor, interval: int) -> Tensor:
    return torch.floor(levels / interval) * interval


def _crossed(levels: Tensor) -> Tensor:
    size = 2 * _ARM_PX + 1
    cross = torch.zeros(size, size)
    cross[_ARM_PX, :] = cross[:, _ARM_PX] = 1 / (2 * size - 1)
    channels = levels.shape[1]
    padded = functional.pad(levels, (_ARM_PX,) * 4, mode="replicate")
    return functional.conv2d(padded, cross.expand(channels, 1, size, size), groups=channels)


def offered() -> Iterable[Detector]:
    """What this module adds."""
    return [AdaptiveNoiseReduction()]
