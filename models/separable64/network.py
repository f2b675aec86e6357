"""separable64: depthwise separable convolutions for 64x64 luma, with hard swish.

It sees the finest picture of all surrogates, and filters space and channels apart.
"""

from __future__ import annotations

from torch import Tensor, nn

STEM = 24
BLOCKS = ((48, 2), (48, 1), (96, 2), (96, 1), (96, 1), (192, 2), (192, 1))
KERNEL = 5
CLASSES = 8
SIZE_PX = 64


class Separable(nn.Module):
    """A depthwise convolution, a pointwise one, and a shortcut where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.same = inputs == outputs and stride == 1
        self.body = nn.Sequential(
            nn.Conv2d(inputs, inputs, KERNEL, stride, KERNEL // 2, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.Hardswish(),
        )

    def forward(self, picture: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        result: Tensor = self.body(picture)
        return picture + result if self.same else result


class Separable64(nn.Module):
    """A stem with stride 2, separable blocks, a linear layer over the last 4x4 cells.

    Maps (B, 1, 64, 64) luma in [0, 1] to (B, 8) logits in the order of EXPRESSIONS.
    """

    size_px = SIZE_PX

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(1, STEM, 5, 2, 2, bias=False),
            nn.BatchNorm2d(STEM),
            nn.Hardswish(),
        ]
        inputs = STEM
        for outputs, stride in BLOCKS:
            layers.append(Separable(inputs, outputs, stride))
            inputs = outputs
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(inputs * 16, CLASSES))

    def forward(self, picture: Tensor) -> Tensor:
        """Logits of a batch of pictures."""
        logits: Tensor = self.head(self.features(picture))
        return logits


def build() -> nn.Module:
    """A new separable64 with random weights."""
    return Separable64()
