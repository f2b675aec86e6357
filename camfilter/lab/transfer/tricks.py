"""Other ways to take the gradient of a network that stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn

from camfilter.errors import SettingError
from camfilter.lab.transfer.arms import Trick

__all__ = ["has_trick", "with_activation", "with_trick"]

ACTIVATIONS: Final = (nn.ELU, nn.ReLU, nn.LeakyReLU, nn.SiLU, nn.Hardswish)
SHARPNESS: Final = 5.0
SKIPPED: Final = 0.5


def has_trick(network: nn.Module, trick: Trick) -> bool:
    """Whether a trick changes anything: skip gradients need residual bodies."""
    return trick != "skip gradients" or bool(_bodies(network))


def with_trick(network: nn.Module, trick: Trick) -> nn.Module:
    """A copy of a network with the same answers and another gradient.

    Args:
        network: is not changed.
        trick: softened backward (gradient of softplus, sharpness 5), linear backward (Guo et al.
            2020: the later half of the activations pass gradients unchanged), skip gradients
            (Wu et al. 2020: gamma 0.5 on residual bodies); others change nothing here.

    Raises:
        SettingError: the network has no residual bodies.
    """
    network = copy.deepcopy(network)
    if trick == "softened backward":
        with_activation(network, lambda old: _Backward(old, _soft))
    elif trick == "linear backward":
        later = _count(network) // 2
        place = iter(range(_count(network)))
        with_activation(
            network, lambda old: _Backward(old, _linear) if next(place) >= later else old
        )
    elif trick == "skip gradients":
        if not has_trick(network, trick):
            raise SettingError("Skip gradients need a network with residual bodies.")
        for block in _bodies(network):
            block.body = nn.Sequential(block.body, _Scaled())
    return network


def with_activation(network: nn.Module, new: Callable[[nn.Module], nn.Module]) -> None:
    """Put another module in the place of every activation, in the order of the layers."""
    for name, layer in list(network.named_modules()):
        if isinstance(layer, ACTIVATIONS):
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, new(layer))


class _Backward(nn.Module):
    """An activation whose gradient is another function's."""

    def __init__(self, activation: nn.Module, slope: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._activation, self._slope = activation, slope

    def forward(self, values: Tensor) -> Tensor:
        """The activation's values; the gradient is times the slope."""
        with torch.no_grad():
            # Some activations were built to work in place.
            result, slope = self._activation(values.clone()), self._slope(values)
        passed = values * slope
        joined: Tensor = passed + (result - passed).detach()
        return joined


class _Scaled(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        passed = SKIPPED * values
        scaled: Tensor = passed + (values - passed).detach()
        return scaled


def _soft(values: Tensor) -> Tensor:
    return torch.sigmoid(SHARPNESS * values)


def _linear(values: Tensor) -> Tensor:
    return torch.ones_like(values)


def _count(network: nn.Module) -> int:
    return sum(isinstance(layer, ACTIVATIONS) for layer in network.modules())


def _bodies(network: nn.Module) -> list[Any]:
    """Modules that add what their `body` gives to a shortcut."""
    return [
        layer for layer in network.modules()
        if isinstance(getattr(layer, "body", None), nn.Module)
        and (hasattr(layer, "shortcut") or getattr(layer, "same", False))
    ]  # fmt: skip
