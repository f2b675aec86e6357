"""embed-branches64: near and far neighbours side by side for 64x64 luma, with ReLU and maxima.

In the manner of Inception: half of each layer looks at the next cells, the other half at cells
two apart. It is trained with the triplet loss, as FaceNet is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

STEM = 16
WIDTHS = ((48, 64), (96, 128), (128,))
DIMENSIONS = 96
SIZE_PX = 64


def convolution(inputs: int, outputs: int, dilation: int) -> nn.Sequential:
    """A 3x3 convolution that keeps the size, normalised."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Branches(nn.Module):
    """A near and a far 3x3 convolution side by side, then ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.near = convolution(inputs, outputs // 2, 1)
        self.far = convolution(inputs, outputs - outputs // 2, 2)
        self.activation = nn.ReLU()

    def forward(self, picture: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        both = torch.cat([self.near(picture), self.far(picture)], dim=1)
        result: Tensor = self.activation(both)
        return result


class EmbedBranches64(nn.Module):
    """A stem with stride 2, five layers of branches with maxima between, a linear layer.

    Maps (B, 1, 64, 64) luma in [0, 1] to (B, 96) embeddings of length 1.
    """

    size_px = SIZE_PX
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(1, STEM, 5, 2, 2, bias=False),
            nn.BatchNorm2d(STEM),
            nn.ReLU(),
        ]
        inputs = STEM
        for widths in WIDTHS:
            layers.append(nn.MaxPool2d(2))
            for outputs in widths:
                layers.append(Branches(inputs, outputs))
                inputs = outputs
        self.features = nn.Sequential(*layers)
        # The norm spreads the embeddings of a new network; near ones teach a triplet loss nothing.
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(inputs * 16, DIMENSIONS, bias=False),
            nn.BatchNorm1d(DIMENSIONS),
        )

    def forward(self, picture: Tensor) -> Tensor:
        """Embeddings of a batch of pictures."""
        return F.normalize(self.head(self.features(picture)), dim=1)


def build() -> nn.Module:
    """A new embed-branches64 with random weights."""
    return EmbedBranches64()
