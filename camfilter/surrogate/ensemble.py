"""Several unlike surrogates as one: what moves them all moves recognisers that nobody knows."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.surrogate.base import Crops, Stage, StageResult, Surrogate
from camfilter.surrogate.reading import softmax

__all__ = ["Ensemble", "log_mean", "members_of", "resized"]

_LEAST_PROBABILITY = 1e-6


class Ensemble:
    """Reads as the mean of its members; each stage is taken on the next member in turn.

    Args:
        members: one or more surrogates; each sees the crop at its own size.
    """

    def __init__(self, members: Sequence[Surrogate]) -> None:
        if not members:
            raise ValueError("An ensemble needs a member.")
        self.members = tuple(members)
        self._turn = 0

    @property
    def name(self) -> str:
        """Names of all members."""
        return "+".join(member.name for member in self.members)

    @property
    def size_px(self) -> int:
        """Width and height of the crop: the largest that a member sees."""
        return max(member.size_px for member in self.members)

    @property
    def provider(self) -> str:
        """Hardware that the first member truly runs on."""
        return self.members[0].provider

    def read(self, pictures: Crops) -> NDArray[np.float32]:
        """Logarithm of the members' mean probabilities, (faces, 8).

        Args:
            pictures: (faces, size, size) luma in [0, 1].
        """
        return log_mean([member.read(resized(pictures, member.size_px)) for member in self.members])

    def take(self, stage: Stage) -> StageResult:
        """Take one stage on the next member; its gradient is carried to the ensemble's grid."""
        member = self.members[self._turn % len(self.members)]
        self._turn += 1
        if member.size_px == stage.picture.shape[-1]:
            return member.take(stage)
        size_px = member.size_px
        seen = resized(stage.picture, size_px)
        still = np.zeros_like(seen)
        found = member.take(
            Stage(seen, stage.label, stage.step, still, still, still, still, decay=0.0)
        )
        gradient = resized(found.momentum, stage.picture.shape[-1])
        weight = np.abs(gradient).sum(axis=(1, 2), keepdims=True)
        momentum = stage.decay * stage.momentum + gradient / np.maximum(weight, 1e-12)
        step = stage.step[:, None, None] * stage.mask * np.sign(momentum)
        stepped = np.clip(stage.picture + step, stage.lower, stage.upper)
        return StageResult(
            np.asarray(stepped, np.float32), np.asarray(momentum, np.float32), found.logits
        )


def log_mean(logits: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Logarithm of the mean probabilities of several recognisers.

    Args:
        logits: one (faces, 8) for each.
    """
    mean = np.mean([softmax(each) for each in logits], axis=0)
    return np.asarray(np.log(np.maximum(mean, _LEAST_PROBABILITY)), np.float32)


def members_of(surrogate: Surrogate) -> tuple[Surrogate, ...]:
    """The members of an ensemble, or the surrogate alone."""
    return surrogate.members if isinstance(surrogate, Ensemble) else (surrogate,)


def resized(pictures: Crops, size_px: int) -> Crops:
    """Pictures on another grid; averaged where it is coarser.

    Args:
        pictures: (faces, s, s) float32.
        size_px: width and height of the result.
    """
    size_from = pictures.shape[-1]
    if size_from == size_px:
        return pictures
    how = cv2.INTER_AREA if size_px < size_from else cv2.INTER_LINEAR
    return np.stack(
        [cv2.resize(picture, (size_px, size_px), interpolation=how) for picture in pictures]
    )
