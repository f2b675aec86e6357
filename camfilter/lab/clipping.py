"""Straight lines clipped to [0, 1] as one operator instead of three."""

from __future__ import annotations

import onnx
from onnx import helper, numpy_helper

__all__ = ["merge_clipped_lines"]


def merge_clipped_lines(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace Clip(x * slope + offset, 0, 1) by HardSigmoid.

    Steps, masks and derivatives are such lines. On a CPU ONNX Runtime computes HardSigmoid in the
    layout of its convolutions, but not Clip, nor sums and products with a bare number.

    Args:
        model: changed in place.
    """
    graph = model.graph
    numbers = _numbers(graph)
    makers = {name: node for node in graph.node for name in node.output}

    def without(kind: str, name: str, neutral: float) -> tuple[str, float]:
        """What a number is added to or multiplied with, and that number."""
        node = makers.get(name)
        if node is not None and node.op_type == kind:
            for given, number in (node.input, reversed(node.input)):
                if number in numbers:
                    return given, numbers[number]
        return name, neutral

    for node in graph.node:
        if node.op_type != "Clip" or [numbers.get(name) for name in node.input[1:]] != [0, 1]:
            continue
        line, offset = without("Add", node.input[0], 0.0)
        given, slope = without("Mul", line, 1.0)
        if given == node.input[0]:
            continue
        merged = helper.make_node(
            "HardSigmoid", [given], node.output, node.name, alpha=slope, beta=offset
        )
        node.CopyFrom(merged)
    _drop_unread(graph)
    return model


def _numbers(graph: onnx.GraphProto) -> dict[str, float]:
    """Values of all constants that are a single number without axes."""
    constants = [(tensor.name, tensor) for tensor in graph.initializer]
    return {
        name: float(numpy_helper.to_array(tensor)) for name, tensor in constants if not tensor.dims
    }


def _drop_unread(graph: onnx.GraphProto) -> None:
    """Remove sums, products and numbers that nothing reads any more."""
    while True:
        read = {name for node in graph.node for name in node.input}
        read.update(output.name for output in graph.output)
        unread = [
            node
            for node in graph.node
            if node.op_type in {"Add", "Mul"} and read.isdisjoint(node.output)
        ]
        if not unread:
            break
        for node in unread:
            graph.node.remove(node)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)
