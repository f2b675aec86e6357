"""embed-residual56: a residual network for 56x56 luma, SiLU throughout.

Strides instead of pooling, shortcuts around every pair of convolutions and a global average at
the end. It is trained with a softmax over people and the centre loss (Wen et al. 2016).
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

STEM = 24
BLOCKS = ((48, 2), (48, 1), (96, 2), (96, 1), (160, 2))
DIMENSIONS = 128
SIZE_PX = 56


class Block(nn.Module):
    """Two 3x3 convolutions and the shortcut around them; the first may halve the size."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.SiLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.activation = nn.SiLU()

    def forward(self, picture: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        result: Tensor = self.activation(self.body(picture) + self.shortcut(picture))
        return result


class EmbedResidual56(nn.Module):
    """A 5x5 stem with stride 2, five residual blocks, a global average and a linear layer.

    Maps (B, 1, 56, 56) luma in [0, 1] to (B, 128) embeddings of length 1.
    """

    size_px = SIZE_PX
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(1, STEM, 5, 2, 2, bias=False),
            nn.BatchNorm2d(STEM),
            nn.SiLU(),
        ]
        inputs = STEM
        for outputs, stride in BLOCKS:
            layers.append(Block(inputs, outputs, stride))
            inputs = outputs
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(), nn.Linear(inputs, DIMENSIONS, bias=False))

    def forward(self, picture: Tensor) -> Tensor:
        """Embeddings of a batch of pictures."""
        return F.normalize(self.head(self.features(picture).mean((2, 3))), dim=1)


def build() -> nn.Module:
    """A new embed-residual56 with random weights."""
    return EmbedResidual56()
