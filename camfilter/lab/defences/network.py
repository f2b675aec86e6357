"""A small convolutional network that one core trains in minutes, and its weights as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["SmallNet", "fill", "weights_of"]


class SmallNet(nn.Module):
    """Four convolutions with batch normalisation, one hidden linear layer, and a head.

    Args:
        classes: outputs of the linear head.
        width: channels of the first convolution; the others have two and four times as many.
        hidden: width of the last hidden layer.
    """

    def __init__(self, classes: int, width: int = 16, hidden: int = 64) -> None:
        super().__init__()
        self.first = nn.Sequential(_block(1, width, 5, 2), _block(width, 2 * width, 3, 1))
        self.second = _block(2 * width, 4 * width, 3, 1)
        self.third = _block(4 * width, 4 * width, 3, 1)
        self.hidden = nn.Linear(9 * 4 * width, hidden)
        self.head: nn.Module = nn.Linear(hidden, classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The two hidden layers that a loss may shape.

        Args:
            pictures: (B, 1, S, S) float32 in [0, 1].

        Returns:
            (B, 4 * width) means of the last convolution, and (B, hidden) of the linear layer.
        """
        maps = self.second(functional.max_pool2d(self.first(pictures), 2))
        maps = self.third(functional.max_pool2d(maps, 2))
        flat = functional.adaptive_avg_pool2d(maps, 3).flatten(1)
        return [maps.mean(dim=(2, 3)), functional.relu(self.hidden(flat))]

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, classes) logits of (B, 1, S, S) pictures in [0, 1]."""
        return self.judged(self.features(pictures))

    def judged(self, features: list[Tensor]) -> Tensor:
        """(B, classes) logits of features."""
        answer: Tensor = self.head(features[-1])
        return answer


def _block(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def weights_of(network: nn.Module) -> dict[str, NDArray[Any]]:
    """All weights and running means, by name."""
    return {key: tensor.detach().numpy().copy() for key, tensor in network.state_dict().items()}


def fill(network: nn.Module, weights: Mapping[str, NDArray[Any]]) -> None:
    """Give a network weights, put it in evaluation mode, and freeze it."""
    network.load_state_dict({key: torch.from_numpy(array) for key, array in weights.items()})
    network.eval().requires_grad_(False)
