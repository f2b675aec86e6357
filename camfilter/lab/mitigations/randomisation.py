"""Randomisation: pictures of a random size at a random place (Xie et al. 2018, section 3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from camfilter.errors import SettingError
from camfilter.lab.attacks import Classifier
from camfilter.lab.mitigations.base import Lesson, Mitigation, Weights, before

__all__ = ["Randomisation"]


@dataclass(frozen=True)
class Randomisation:
    """Each picture is resized to a random size and padded with zeros at a random place.

    As in SmartBox it is enlarged first, then made smaller, and padded to the size it had.

    Attributes:
        enlarged: factor of the first resizing.
        smallest: least size, as a share of the picture's; the greatest is one pixel less.
    """

    enlarged: float = 2.0
    smallest: float = 0.85
    name: str = "randomisation"

    def __post_init__(self) -> None:
        if not 0 < self.smallest < 1 or self.enlarged < 1:
            raise SettingError("Choose 0 < smallest < 1 and enlarged >= 1 for randomisation.")

    def learn(self, classifier: Classifier, lesson: Lesson) -> Weights:  # noqa: ARG002
        """Nothing to learn; see `Mitigation`."""
        return {}

    def defended(self, classifier: Classifier, weights: Weights, seed: int) -> Classifier:  # noqa: ARG002
        """Resize and pad first; see `Mitigation`."""
        return before(classifier, _Resized(self.enlarged, self.smallest, seed))


class _Resized(nn.Module):
    def __init__(self, enlarged: float, smallest: float, seed: int) -> None:
        super().__init__()
        self._enlarged, self._smallest = enlarged, smallest
        self._random = torch.Generator().manual_seed(seed)

    def forward(self, pictures: Tensor) -> Tensor:
        size = pictures.shape[-1]
        least = min(size - 1, max(1, round(self._smallest * size)))
        sizes = torch.randint(least, size, (len(pictures),), generator=self._random)
        greater = functional.interpolate(
            pictures, scale_factor=self._enlarged, mode="bilinear", antialias=True
        )
        result = torch.zeros_like(pictures)
        for index, side in enumerate(sizes.tolist()):
            top, left = torch.randint(0, size - side + 1, (2,), generator=self._random).tolist()
            smaller = functional.interpolate(
                greater[index : index + 1], (side, side), mode="bilinear", antialias=True
            )
            result[index : index + 1, :, top : top + side, left : left + side] = smaller
        return result


def offered() -> Iterable[Mitigation]:
    """What this module adds."""
    return [Randomisation()]
