"""residual48: a residual network for 48x48 luma, SiLU throughout.

Strides instead of pooling, shortcuts around every pair of convolutions and a global average at
the end: what it looks at is unlike what the VGG-like plain48 looks at.
"""

from __future__ import annotations

from torch import Tensor, nn

STEM = 32
BLOCKS = ((32, 1), (64, 2), (64, 1), (112, 2), (112, 1))
CLASSES = 8
SIZE_PX = 48


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
                nn.AvgPool2d(stride) if stride != 1 else nn.Identity(),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )
        self.activation = nn.SiLU()

    def forward(self, picture: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        result: Tensor = self.activation(self.body(picture) + self.shortcut(picture))
        return result


class Residual48(nn.Module):
    """A 5x5 stem with stride 2, five residual blocks, a global average and a linear layer.

    Maps (B, 1, 48, 48) luma in [0, 1] to (B, 8) logits in the order of EXPRESSIONS.
    """

    size_px = SIZE_PX

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
        self.head = nn.Sequential(nn.Dropout(), nn.Linear(inputs, CLASSES))

    def forward(self, picture: Tensor) -> Tensor:
        """Logits of a batch of pictures."""
        logits: Tensor = self.head(self.features(picture).mean((2, 3)))
        return logits


def build() -> nn.Module:
    """A new residual48 with random weights."""
    return Residual48()
