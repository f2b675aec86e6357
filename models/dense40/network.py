"""dense40: a densely connected network for 40x40 luma, with leaky ReLU.

Every layer reads the results of all layers before it in its block, so coarse and fine features
reach the last layer side by side; maxima and means of them decide together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

STEM = 24
BLOCKS = ((16, 5), (24, 4))
TRANSITION = 64
WIDTH_LAST = 128
CLASSES = 8
SIZE_PX = 40


def convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """A convolution that keeps the size, normalised, then leaky ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.1),
    )


class DenseBlock(nn.Module):
    """Convolutions that each read everything before them; all results are handed on."""

    def __init__(self, inputs: int, growth: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            convolution(inputs + growth * layer, growth, 3) for layer in range(depth)
        )

    def forward(self, picture: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, inputs + growth * depth, H, W)."""
        for layer in self.layers:
            picture = torch.cat([picture, layer(picture)], dim=1)
        return picture


class Dense40(nn.Module):
    """A stem, two dense blocks with transitions between, then maxima and means.

    Maps (B, 1, 40, 40) luma in [0, 1] to (B, 8) logits in the order of EXPRESSIONS.
    """

    size_px = SIZE_PX

    def __init__(self) -> None:
        super().__init__()
        (growth_1, depth_1), (growth_2, depth_2) = BLOCKS
        middle = STEM + growth_1 * depth_1
        last = TRANSITION + growth_2 * depth_2
        self.features = nn.Sequential(
            convolution(1, STEM, 5),
            nn.AvgPool2d(2),
            DenseBlock(STEM, growth_1, depth_1),
            convolution(middle, TRANSITION, 1),
            nn.AvgPool2d(2),
            DenseBlock(TRANSITION, growth_2, depth_2),
            convolution(last, WIDTH_LAST, 1),
            nn.MaxPool2d(2),
            convolution(WIDTH_LAST, WIDTH_LAST, 3),
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(WIDTH_LAST * 25, CLASSES))

    def forward(self, picture: Tensor) -> Tensor:
        """Logits of a batch of pictures."""
        logits: Tensor = self.head(self.features(picture))
        return logits


def build() -> nn.Module:
    """A new dense40 with random weights."""
    return Dense40()
