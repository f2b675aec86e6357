"""Gaussian blur before pictures are read (Goel et al. 2018, equation 3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from camfilter.lab.attacks import Classifier
from camfilter.lab.mitigations.base import Lesson, Mitigation, Weights, before

__all__ = ["GaussianBlur"]


@dataclass(frozen=True)
class GaussianBlur:
    """Pictures are blurred; learns nothing.

    Attributes:
        deviation_px: standard deviation of the kernel, which ends at four of them. The default
            costs the bench's network for people 5 points on clean validation pictures of 32 px.
    """

    deviation_px: float = 0.5
    name: str = "blur"

    def learn(self, classifier: Classifier, lesson: Lesson) -> Weights:  # noqa: ARG002
        """Nothing to learn; see `Mitigation`."""
        return {}

    def defended(self, classifier: Classifier, weights: Weights, seed: int) -> Classifier:  # noqa: ARG002
        """Blur first; see `Mitigation`."""
        return before(classifier, _Blur(self.deviation_px))


class _Blur(nn.Module):
    def __init__(self, deviation_px: float) -> None:
        super().__init__()
        reach = int(4 * deviation_px + 0.5)
        places = torch.arange(-reach, reach + 1, dtype=torch.float64)
        kernel = torch.exp(-places.square() / (2 * deviation_px**2))
        self._kernel = (kernel / kernel.sum()).float()

    def forward(self, pictures: Tensor) -> Tensor:
        count, channels, height, width = pictures.shape
        reach = len(self._kernel) // 2
        single = pictures.reshape(count * channels, 1, height, width)
        padded = functional.pad(single, (reach,) * 4, mode="reflect")
        rows = functional.conv2d(padded, self._kernel[None, None, :, None])
        both = functional.conv2d(rows, self._kernel[None, None, None, :])
        return both.reshape(pictures.shape)


def offered() -> Iterable[Mitigation]:
    """What this module adds."""
    return [GaussianBlur()]
