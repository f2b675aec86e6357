"""embed-plain48: a VGG-like embedding network for 48x48 luma, smooth throughout.

Plain convolutions, ELU and average pooling, as in the surrogate plain48 but with fewer layers.
It is trained with a margin between the cosines of people (CosFace, Wang et al. 2018).
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

CHANNELS = (16, 40, 80, 128)
DEPTHS = (1, 1, 2, 1)
DIMENSIONS = 64
SIZE_PX = 48


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    """A 3x3 convolution that keeps the size, normalised, then ELU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ELU()
    )


class EmbedPlain48(nn.Module):
    """Four stages of convolutions, each halved by average pooling, and a linear layer.

    Maps (B, 1, 48, 48) luma in [0, 1] to (B, 64) embeddings of length 1.
    """

    size_px = SIZE_PX
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 1
        for outputs, depth in zip(CHANNELS, DEPTHS, strict=True):
            for _ in range(depth):
                layers.append(convolution(inputs, outputs))
                inputs = outputs
            layers.append(nn.AvgPool2d(2))
        cells = (SIZE_PX >> len(CHANNELS)) ** 2
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Dropout(), nn.Linear(inputs * cells, DIMENSIONS, bias=False)
        )

    def forward(self, picture: Tensor) -> Tensor:
        """Embeddings of a batch of pictures."""
        return F.normalize(self.head(self.features(picture)), dim=1)


def build() -> nn.Module:
    """A new embed-plain48 with random weights."""
    return EmbedPlain48()
