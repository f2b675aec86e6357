"""Filters before a network that is as it was: they do nothing for the network itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["FILTERS", "Filtered", "blurred", "few_levels", "jpeg", "median"]

_QUALITY: Final = 50


def median(pictures: Tensor) -> Tensor:
    """Median of 3 x 3 pixels, the border repeated; with gradients."""
    padded = functional.pad(pictures, (1, 1, 1, 1), mode="replicate")
    windows = padded.unfold(2, 3, 1).unfold(3, 3, 1).flatten(-2)
    return windows.median(dim=-1).values


def blurred(pictures: Tensor) -> Tensor:
    """Gaussian of a deviation of one pixel, over 5 x 5 pixels; with gradients."""
    line = torch.exp(-torch.arange(-2.0, 3).square() / 2)
    line = line / line.sum()
    padded = functional.pad(pictures, (2, 2, 2, 2), mode="replicate")
    kernel = (line[:, None] * line)[None, None].repeat(pictures.shape[1], 1, 1, 1)
    return functional.conv2d(padded, kernel, groups=pictures.shape[1])


def few_levels(pictures: Tensor) -> Tensor:
    """Eight levels of grey (3 bits); no gradients."""
    return (pictures * 7).round() / 7


def jpeg(pictures: Tensor) -> Tensor:
    """Through a JPEG of quality 50; (B, 1, S, S); no gradients."""
    done = []
    for picture in (pictures.detach()[:, 0] * 255).round().byte().numpy():
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        done.append(np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)))
    return torch.from_numpy(np.stack(done))[:, None].float() / 255


FILTERS: Final[Mapping[str, tuple[Callable[[Tensor], Tensor], str]]] = {
    "median": (median, "a median of 3 x 3 pixels before the network"),
    "blur": (blurred, "a Gaussian blur of one pixel before the network"),
    "3 bits": (few_levels, "eight grey levels before the network"),
    "jpeg": (jpeg, f"a JPEG of quality {_QUALITY} before the network"),
}


class Filtered(nn.Module):
    """A network behind a filter.

    Backwards the filter counts as identity where it has no gradient of its own (Athalye et al.
    2018, BPDA), so an attacker who knows of it sees through it.

    Args:
        network: behind.
        change: the filter.
    """

    def __init__(self, network: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self._change = change

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of (B, 1, S, S) pictures in [0, 1]."""
        changed = self._change(pictures)
        # few_levels has a gradient to torch, and it is zero everywhere.
        if self._change in (few_levels, jpeg):
            changed = pictures + (changed - pictures).detach()
        answer: Tensor = self.network(changed)
        return answer
