"""Read networks of TensorFlow.js: weight shards, quantised or not, and graph models."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

import onnx
from camfilter.errors import UnreadableSource
from camfilter.lab.foreign.graph import Array, GraphBuilder, Value

__all__ = ["graph_model", "read_weights"]

Shard = Callable[[str], bytes]
"""Bytes of a shard by the name that the manifest has for it."""

STORED: Final[dict[str, np.dtype[Any]]] = {
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "int32": np.dtype("<i4"),
    "uint8": np.dtype("u1"),
    "uint16": np.dtype("<u2"),
}


def read_weights(manifest: Sequence[Mapping[str, Any]], shard: Shard) -> dict[str, Array]:
    """Decode the weights that a manifest describes.

    The shards of a group are joined and cut up in the manifest's order. A quantised weight is
    `code * scale + min`; one stored as float16 is taken as it is.

    Args:
        manifest: groups of `weights` (name, shape, dtype, perhaps quantization) and `paths`.
        shard: bytes of each path.

    Returns:
        Weights by name, float32, in the manifest's shapes.

    Raises:
        UnreadableSource: a type is unknown, or the shards are longer or shorter than the weights.
    """
    weights: dict[str, Array] = {}
    for group in manifest:
        content = b"".join(shard(path) for path in group["paths"])
        offset = 0
        for entry in group["weights"]:
            quantised = entry.get("quantization") or {}
            kind = quantised.get("dtype", entry["dtype"])
            if kind not in STORED:
                raise UnreadableSource(f"Weights stored as {kind} are not supported.")
            shape = tuple(entry["shape"])
            count, size = math.prod(shape), STORED[kind].itemsize
            if offset + count * size > len(content):
                raise UnreadableSource("The weight shards are shorter than their manifest says.")
            stored = np.frombuffer(content, STORED[kind], count, offset).astype(np.float32)
            offset += count * size
            if "scale" in quantised:
                stored = stored * np.float32(quantised["scale"]) + np.float32(quantised["min"])
            weights[entry["name"]] = stored.reshape(shape)
        if offset != len(content):
            raise UnreadableSource("The weight shards are longer than their manifest says.")
    return weights


def graph_model(name: str, content: Mapping[str, Any], shard: Shard) -> onnx.ModelProto:
    """Convert a graph model with one picture as input, up to its softmax.

    Args:
        name: of the graph.
        content: the model's JSON.
        shard: bytes of each path that the JSON names.

    Returns:
        A graph from `input` (N, C, S, S) to `logits` (N, classes).

    Raises:
        UnreadableSource: the graph has an operation or attribute that is not supported.
    """
    weights = read_weights(content["weightsManifest"], shard)
    return _Walk(name, content["modelTopology"]["node"], weights).model()


class _Walk:
    """Follows the nodes from the softmax back to the picture."""

    def __init__(
        self, name: str, nodes: Sequence[Mapping[str, Any]], weights: Mapping[str, Array]
    ) -> None:
        self._nodes = {node["name"]: node for node in nodes}
        self._weights = weights
        self._done: dict[str, Value] = {}
        inputs = [node for node in nodes if node["op"] == "Placeholder"]
        if len(inputs) != 1:
            raise UnreadableSource(f"{name} has {len(inputs)} inputs; only one is supported.")
        side_px, channels = _input_shape(inputs[0])
        self._builder = GraphBuilder(name, channels, side_px)
        self._done[inputs[0]["name"]] = self._builder.input

    def model(self) -> onnx.ModelProto:
        ends = [node for node in self._nodes.values() if node["op"] == "Softmax"]
        if len(ends) != 1:
            raise UnreadableSource(f"The graph has {len(ends)} softmaxes; only one is supported.")
        return self._builder.model(self._value(ends[0]["input"][0]))

    def _value(self, name: str) -> Value:
        if name not in self._done:
            self._done[name] = self._converted(self._nodes[name])
        return self._done[name]

    def _converted(self, node: Mapping[str, Any]) -> Value:
        build, kind = self._builder, node["op"]
        first = self._value(node["input"][0])
        rest = node["input"][1:]
        if kind == "_FusedConv2D":
            kernel, bias = (self._weights[name] for name in rest)
            return self._finished(
                node, build.conv(first, kernel, bias, stride=_stride(node), same=_same(node))
            )
        if kind == "DepthwiseConv2dNative":
            kernel = self._weights[rest[0]]
            return build.depthwise(first, kernel, stride=_stride(node), same=_same(node))
        if kind == "MaxPool":
            window = int(node["attr"]["ksize"]["list"]["i"][1])
            return build.max_pool(first, window, _stride(node), same=_same(node))
        if kind == "AddV2":
            return build.add(first, self._value(rest[0]))
        if kind == "Relu":
            return build.relu(first)
        if kind == "Mean" and self._weights[rest[0]].astype(int).tolist() == [1, 2]:
            return build.global_average(first)
        raise UnreadableSource(f"The operation {kind} is not supported.")

    def _finished(self, node: Mapping[str, Any], value: Value) -> Value:
        fused = [_text(one) for one in node["attr"]["fused_ops"]["list"]["s"]]
        if fused == ["BiasAdd"]:
            return value
        if fused == ["BiasAdd", "Relu"]:
            return self._builder.relu(value)
        raise UnreadableSource(f"The fused operations {fused} are not supported.")


def _input_shape(node: Mapping[str, Any]) -> tuple[int, int]:
    _, height, width, channels = (int(dim["size"]) for dim in node["attr"]["shape"]["shape"]["dim"])
    if height != width:
        raise UnreadableSource("Only square inputs are supported.")
    return height, channels


def _stride(node: Mapping[str, Any]) -> int:
    _, down, across, _ = (int(one) for one in node["attr"]["strides"]["list"]["i"])
    if down != across:
        raise UnreadableSource("Only equal strides are supported.")
    return down


def _same(node: Mapping[str, Any]) -> bool:
    return _text(node["attr"]["padding"]["s"]) == "SAME"


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()
