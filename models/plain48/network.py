"""plain48: a VGG-like network for 48x48 luma, smooth throughout.

Plain convolutions, ELU and average pooling have gradients that vary slowly with
the picture; that is what carries a perturbation over to unknown recognisers.
"""

from __future__ import annotations

from torch import Tensor, nn

CHANNELS = (16, 32, 64, 128)
DEPTHS = (1, 2, 3, 3)
HIDDEN = 256
CLASSES = 8
SIZE_PX = 48


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    """A 3x3 convolution that keeps the size, normalised, then ELU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ELU()
    )


class Plain48(nn.Module):
    """Four stages of convolutions, each halved by average pooling, and two linear layers.

    Maps (B, 1, 48, 48) luma in [0, 1] to (B, 8) logits in the order of EXPRESSIONS.
    """

    size_px = SIZE_PX

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
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(inputs * cells, HIDDEN),
            nn.ELU(),
            nn.Dropout(),
            nn.Linear(HIDDEN, CLASSES),
        )

    def forward(self, picture: Tensor) -> Tensor:
        """Logits of a batch of pictures."""
        logits: Tensor = self.head(self.features(picture))
        return logits


def build() -> nn.Module:
    """A new plain48 with random weights."""
    return Plain48()
