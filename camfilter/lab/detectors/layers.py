"""What the layers of a network give for pictures, part by part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from camfilter.errors import SettingError
from camfilter.lab.attacks import Classifier

__all__ = ["entering", "leaving", "names_of", "several"]

_BATCH = 128


def names_of(network: nn.Module, kind: type[nn.Module]) -> list[str]:
    """Names of a network's layers of one kind, in the order of its definition."""
    return [name for name, layer in network.named_modules() if isinstance(layer, kind)]


def several(names: list[str], most: int) -> list[str]:
    """At most so many of the names, spread evenly, the first and the last among them."""
    if len(names) <= most:
        return names
    return [names[round(place * (len(names) - 1) / max(1, most - 1))] for place in range(most)]


def leaving(
    classifier: Classifier, pictures: Tensor, names: list[str]
) -> Iterator[dict[str, Tensor]]:
    """What leaves some layers, for one part of the pictures after the other.

    Raises:
        SettingError: the network has no such layer.
    """
    return _seen(classifier, pictures, names, inputs=False)


def entering(
    classifier: Classifier, pictures: Tensor, names: list[str]
) -> Iterator[dict[str, Tensor]]:
    """What enters some layers, for one part of the pictures after the other.

    Raises:
        SettingError: the network has no such layer.
    """
    return _seen(classifier, pictures, names, inputs=True)


def _seen(
    classifier: Classifier, pictures: Tensor, names: list[str], *, inputs: bool
) -> Iterator[dict[str, Tensor]]:
    layers = dict(classifier.network.named_modules())
    for name in names:
        if name not in layers:
            raise SettingError(
                f"The network has no layer {name!r}.", f"It has: {', '.join(filter(None, layers))}."
            )
    seen: dict[str, Tensor] = {}

    def watch(name: str) -> Any:
        def hook(_layer: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> None:
            seen[name] = (given[0] if inputs else answer).detach()

        return layers[name].register_forward_hook(hook)

    handles = [watch(name) for name in names]
    try:
        for part in torch.split(pictures, _BATCH):
            classifier.read(part)
            yield dict(seen)
    finally:
        for handle in handles:
            handle.remove()
