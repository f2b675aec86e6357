"""The network that SmartBox attacks (section 3), and how a network is trained on few pictures."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from camfilter.errors import SettingError

__all__ = ["FaceNetwork", "Schooling", "schooled"]

_LEAST_SIZE_PX = 8
_MIDDLE = 0.5
_SPREAD = 0.25
_GRADIENT_NORM = 5.0


class FaceNetwork(nn.Module):
    """The paper's network: four convolutions, three poolings, three dense layers and the logits.

    Maps (B, 1, S, S) luma in [0, 1] to (B, classes) logits. The paper gives no activation, no
    padding and no first weights: here rectified, padded by one, and He's.

    Args:
        classes: number of people.
        size_px: width and height of the pictures, S.

    Raises:
        SettingError: pictures are too small for three poolings.
    """

    def __init__(self, classes: int, size_px: int) -> None:
        super().__init__()
        if size_px < _LEAST_SIZE_PX:
            raise SettingError(f"Pictures of {size_px} px are too small.", "Take 8 px or more.")
        self.size_px = size_px
        self.features = nn.Sequential(
            *_convolution(1, 16), *_convolution(16, 16), nn.MaxPool2d(2),
            *_convolution(16, 32), nn.MaxPool2d(2),
            *_convolution(32, 32), nn.MaxPool2d(2),
            nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Sequential(
            nn.Linear(32 * (size_px // 8) ** 2, 100), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(100, 100), nn.ReLU(),
            nn.Linear(100, 1024), nn.ReLU(),
            nn.Linear(1024, classes),
        )  # fmt: skip
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of a batch of pictures."""
        logits: Tensor = self.head(self.features((pictures - _MIDDLE) / _SPREAD))
        return logits


@dataclass(frozen=True)
class Schooling:
    """How a network is trained: SGD with Nesterov momentum, one cycle of the learning rate.

    Attributes:
        epochs: passes over the pictures.
        batch: pictures in a step.
        rate: learning rate at the top of the cycle.
        momentum: of SGD.
        decay: of the weights.
        shift_px: pictures are moved by up to so many pixels either way, their edges repeated.
        mirrored: whether half of the pictures are mirrored.
        light: greatest change of contrast and of brightness, as a share.
    """

    epochs: int
    batch: int = 32
    rate: float = 0.04
    momentum: float = 0.9
    decay: float = 5e-4
    shift_px: int = 2
    mirrored: bool = True
    light: float = 0.1


def schooled(
    network: nn.Module, pictures: Tensor, labels: Tensor, schooling: Schooling, seed: int
) -> nn.Module:
    """Train a network in place.

    Args:
        network: maps (B, 1, S, S) pictures in [0, 1] to logits.
        pictures: (N, 1, S, S) float32 in [0, 1].
        labels: (N,) int64.
        schooling: how.
        seed: of order, augmentation and dropout.

    Returns:
        The same network in evaluation mode.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        steps = -(-len(pictures) // schooling.batch)
        optimiser = torch.optim.SGD(
            network.parameters(), schooling.rate, momentum=schooling.momentum,
            weight_decay=schooling.decay, nesterov=True,
        )  # fmt: skip
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, schooling.rate, schooling.epochs * steps, pct_start=0.2
        )
        network.train()
        for _ in range(schooling.epochs):
            for chosen in torch.split(torch.randperm(len(pictures)), schooling.batch):
                logits = network(varied(pictures[chosen], schooling))
                loss = functional.cross_entropy(logits, labels[chosen])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_NORM)
                optimiser.step()
                schedule.step()
    return network.eval()


def varied(pictures: Tensor, schooling: Schooling) -> Tensor:
    """A batch moved, mirrored and lit otherwise, each picture by itself, in [0, 1]."""
    count, size, reach = len(pictures), pictures.shape[-1], schooling.shift_px
    padded = functional.pad(pictures, (reach,) * 4, mode="replicate")
    place = torch.arange(size)
    rows = torch.randint(0, 2 * reach + 1, (count, 1)) + place
    columns = torch.randint(0, 2 * reach + 1, (count, 1)) + place
    if schooling.mirrored:
        columns = torch.where(torch.rand(count, 1) < 0.5, columns.flip(1), columns)
    one = torch.arange(count)[:, None, None]
    moved = padded[one, 0, rows[:, :, None], columns[:, None, :]][:, None]
    mean = moved.mean(dim=(1, 2, 3), keepdim=True)
    contrast, offset = ((torch.rand(count, 1, 1, 1) * 2 - 1) * schooling.light for _ in range(2))
    return ((moved - mean) * (1 + contrast) + mean + offset).clamp(0, 1)


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
