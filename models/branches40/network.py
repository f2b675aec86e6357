"""branches40: two branches of near and far neighbours for 40x40 luma, with ReLU and maxima.

Half of each layer looks at the next cells, the other half at cells two apart, so that small and
large traits meet in every layer; maxima carry them on, as in most recognisers in use.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

STEM = 16
WIDTHS = ((40, 48), (80, 96), (96,))
CLASSES = 8
SIZE_PX = 40


def convolution(inputs: int, outputs: int, kernel: int, dilation: int) -> nn.Sequential:
    """A convolution that keeps the size, normalised."""
    reach = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=reach, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Branches(nn.Module):
    """A near and a far 3x3 convolution side by side, then ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.near = convolution(inputs, outputs // 2, 3, 1)
        self.far = convolution(inputs, outputs - outputs // 2, 3, 2)
        self.activation = nn.ReLU()

    def forward(self, picture: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        both = torch.cat([self.near(picture), self.far(picture)], dim=1)
        result: Tensor = self.activation(both)
        return result


class Branches40(nn.Module):
    """A stem, five layers of branches with maxima between, a linear layer over 5x5 cells.

    Maps (B, 1, 40, 40) luma in [0, 1] to (B, 8) logits in the order of EXPRESSIONS.
    """

    size_px = SIZE_PX

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(1, STEM, 5, 1), nn.ReLU()]
        inputs = STEM
        for widths in WIDTHS:
            layers.append(nn.MaxPool2d(2))
            for outputs in widths:
                layers.append(Branches(inputs, outputs))
                inputs = outputs
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(inputs * 25, CLASSES))

    def forward(self, picture: Tensor) -> Tensor:
        """Logits of a batch of pictures."""
        logits: Tensor = self.head(self.features(picture))
        return logits


def build() -> nn.Module:
    """A new branches40 with random weights."""
    return Branches40()
