"""Two plain convolutional networks that others saved as PyTorch state dictionaries."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch

import onnx
from camfilter.errors import UnreadableSource
from camfilter.lab.foreign.graph import Array, GraphBuilder

__all__ = ["read_state", "strided_network", "tanh_network"]

SIDE_PX: Final = 48


def read_state(content: bytes, key: str | None = None) -> dict[str, Array]:
    """Weights of a PyTorch file; no code in the file is run.

    Args:
        content: what `torch.save` wrote.
        key: under which the weights lie, where they are not all that the file holds.

    Raises:
        UnreadableSource: it holds no such weights, or anything else than tensors and numbers.
    """
    try:
        state: Any = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if key is not None:
            state = state[key]
        return {name: np.asarray(tensor.numpy(), np.float32) for name, tensor in state.items()}
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, AttributeError) as error:
        raise UnreadableSource("The network is not a PyTorch state dictionary.") from error


def strided_network(
    name: str, weights: Mapping[str, Array], side_px: int = SIDE_PX
) -> onnx.ModelProto:
    """Four convolutions with mirrored borders, three of them halving, then two dense layers.

    The package ends it in a sigmoid for each class; the logits are what goes into it.

    Args:
        name: of the graph.
        weights: by PyTorch's names.
        side_px: height and width of the input; 48 in the package.

    Raises:
        UnreadableSource: a weight is missing or does not fit.
    """
    build = GraphBuilder(name, 1, side_px)
    x = build.input
    try:
        for block, stride in enumerate((1, 2, 2, 2), 1):
            conv, norm = f"conv_{block}.1", f"conv_{block}.2"
            kernel = weights[f"{conv}.weight"].transpose(2, 3, 1, 0)
            x = build.mirrored(x, 1)
            x = build.conv(x, kernel, weights[f"{conv}.bias"], stride=stride, same=False)
            parts = ("weight", "bias", "running_mean", "running_var")
            gamma, beta, mean, variance = (weights[f"{norm}.{part}"] for part in parts)
            x = build.relu(build.batch_norm(x, gamma, beta, mean, variance, epsilon=1e-5))
        x = build.flat(x)
        x = build.relu(build.dense(x, weights["linear.0.weight"].T, weights["linear.0.bias"]))
        return build.model(build.dense(x, weights["linear.2.weight"].T, weights["linear.2.bias"]))
    except KeyError as error:
        raise UnreadableSource(f"The weights lack {error.args[0]}.") from error


def tanh_network(
    name: str, weights: Mapping[str, Array], side_px: int = SIDE_PX
) -> onnx.ModelProto:
    """Three convolutions with tanh, each pooled, then three dense layers.

    Args:
        name: of the graph.
        weights: by PyTorch's names.
        side_px: height and width of the input; 48 in the package.

    Raises:
        UnreadableSource: a weight is missing or does not fit.
    """
    build = GraphBuilder(name, 1, side_px)
    x = build.input
    try:
        for layer in ("conv1", "conv2", "conv3"):
            kernel = weights[f"{layer}.weight"].transpose(2, 3, 1, 0)
            x = build.tanh(build.conv(x, kernel, weights[f"{layer}.bias"], same=False))
            x = build.max_pool(x, 2, 2, same=False)
        x = build.flat(x)
        for layer in ("fc1", "fc2"):
            x = build.relu(build.dense(x, weights[f"{layer}.weight"].T, weights[f"{layer}.bias"]))
        return build.model(build.dense(x, weights["fc3.weight"].T, weights["fc3.bias"]))
    except KeyError as error:
        raise UnreadableSource(f"The weights lack {error.args[0]}.") from error
