"""Read networks that Keras saved as HDF5, without Keras."""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import onnx
from camfilter.errors import SettingError, UnreadableSource
from camfilter.lab.foreign.graph import Array, GraphBuilder, Value

__all__ = ["layers_to_onnx", "read_keras"]

Layer = Mapping[str, Any]
"""Configuration of a layer, as Keras writes it."""

Weights = Mapping[str, Mapping[str, Array]]
"""Per layer, its weights by their short names, such as `kernel` and `bias`."""


def read_keras(content: bytes) -> tuple[list[Layer], Weights]:
    """Layers and weights of a saved model.

    Args:
        content: HDF5, as `Model.save` of Keras 2 writes it.

    Returns:
        The layers' configurations in order, and the weights of each layer.

    Raises:
        SettingError: h5py is not installed.
        UnreadableSource: it is no such model.
    """
    try:
        h5py: Any = importlib.import_module("h5py")
    except ImportError as error:
        raise SettingError(
            "Networks saved by Keras need the package h5py.", "Run: pip install h5py"
        ) from error
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            layers = json.loads(file.attrs["model_config"])["config"]["layers"]
            weights = {name: _weights(group, h5py) for name, group in file["model_weights"].items()}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UnreadableSource("The network is not a model saved by Keras.") from error
    return layers, weights


def _weights(group: Any, h5py: Any) -> dict[str, Array]:
    """All arrays below a group, by their last names without Keras' `:0`."""
    found: dict[str, Array] = {}

    def keep(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[path.rpartition("/")[2].partition(":")[0]] = np.asarray(item, np.float32)

    group.visititems(keep)
    return found


def layers_to_onnx(name: str, layers: Sequence[Layer], weights: Weights) -> onnx.ModelProto:
    """Convert a model with one picture as input, up to its softmax.

    Args:
        name: of the graph.
        layers: configurations, each after the layers that it reads from; one that does not say
            where it reads from reads from the one before it.
        weights: of each layer by its name.

    Returns:
        A graph from `input` (N, C, S, S) to `logits` (N, classes).

    Raises:
        UnreadableSource: a layer is not supported or lacks a weight, or no softmax ends it.
    """
    _, side_px, _, channels = layers[0]["config"]["batch_input_shape"]
    build = GraphBuilder(name, channels, side_px)
    previous = str(layers[0]["config"]["name"])
    values = {previous: build.input}
    for layer in layers[1:]:
        named = str(layer["config"]["name"])
        links = layer.get("inbound_nodes")
        inputs = [values[link[0]] for link in links[0]] if links else [values[previous]]
        try:
            value = _layer(build, layer, inputs, weights.get(named, {}))
        except KeyError as error:
            raise UnreadableSource(f"The layer {named} lacks {error.args[0]}.") from error
        activation = layer["config"].get("activation", "linear")
        if activation == "softmax":
            return build.model(value)
        if activation not in ("linear", "relu"):
            raise UnreadableSource(f"The activation {activation} of {named} is not supported.")
        values[named] = build.relu(value) if activation == "relu" else value
        previous = named
    raise UnreadableSource(f"{name} does not end in a softmax.")


def _layer(
    build: GraphBuilder, layer: Layer, inputs: Sequence[Value], own: Mapping[str, Array]
) -> Value:
    """What a layer computes before its activation."""
    kind, config, x = layer["class_name"], layer["config"], inputs[0]
    same = config.get("padding") == "same"
    match kind:
        case "Activation" | "Dropout":
            value = x
        case "Conv2D":
            stride = config["strides"][0]
            value = build.conv(x, own["kernel"], own.get("bias"), stride=stride, same=same)
        case "SeparableConv2D":
            kernels = own["depthwise_kernel"], own["pointwise_kernel"]
            stride = config["strides"][0]
            value = build.separable(x, *kernels, own.get("bias"), stride=stride, same=same)
        case "BatchNormalization":
            learnt = own["gamma"], own["beta"], own["moving_mean"], own["moving_variance"]
            value = build.batch_norm(x, *learnt, epsilon=config["epsilon"])
        case "MaxPooling2D":
            value = build.max_pool(x, config["pool_size"][0], config["strides"][0], same=same)
        case "GlobalAveragePooling2D":
            value = build.global_average(x)
        case "Flatten":
            value = build.flat(x, channels_last=True)
        case "Dense":
            value = build.dense(x, own["kernel"], own["bias"])
        case "Add":
            value = build.add(*inputs)
        case _:
            raise UnreadableSource(f"The layer {kind} is not supported.")
    return value
