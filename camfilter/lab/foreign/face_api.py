"""The expression network of face-api: four dense blocks of separable convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import onnx
from camfilter.errors import UnreadableSource
from camfilter.lab.foreign.graph import Array, GraphBuilder, Value

__all__ = ["expression_network"]

BLOCKS: Final = 4
SIDE_PX: Final = 112


def expression_network(
    name: str, weights: Mapping[str, Array], side_px: int = SIDE_PX
) -> onnx.ModelProto:
    """Build the network from its weights.

    Each block halves the picture, then adds up all its layers so far before the next one. The
    mean over the last picture feeds one dense layer.

    Args:
        name: of the graph.
        weights: by the names of the package's manifest.
        side_px: height and width of the input; 112 in the package.

    Returns:
        A graph from `input` (N, 3, S, S) to `logits` (N, classes).

    Raises:
        UnreadableSource: a weight is missing or does not fit.
    """
    build = GraphBuilder(name, 3, side_px)
    try:
        x = build.input
        for block in range(BLOCKS):
            x = _dense_block(build, x, weights, f"dense{block}")
        x = build.flat(build.average_pool(x, x.side_px, 1))
        return build.model(build.dense(x, weights["fc/weights"], weights["fc/bias"]))
    except KeyError as error:
        raise UnreadableSource(f"The weights lack {error.args[0]}.") from error


def _dense_block(build: GraphBuilder, x: Value, weights: Mapping[str, Array], block: str) -> Value:
    layers: list[Value] = []
    for index in range(BLOCKS):
        at, stride = f"{block}/conv{index}", 1 if layers else 2
        bias = weights[f"{at}/bias"]
        if f"{at}/filters" in weights:
            out = build.conv(x, weights[f"{at}/filters"], bias, stride=stride)
        else:
            depthwise = weights[f"{at}/depthwise_filter"]
            pointwise = weights[f"{at}/pointwise_filter"]
            out = build.separable(x, depthwise, pointwise, bias, stride=stride)
        layers.append(out if layers else build.relu(out))
        x = build.relu(build.add(*layers)) if len(layers) > 1 else layers[0]
    return x
