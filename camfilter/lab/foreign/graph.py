"""Write ONNX graphs by hand, in TensorFlow's meaning of layers.

Networks of Keras and TensorFlow.js keep pictures as (N, H, W, C) and pad "SAME": as little as the
stride allows, the odd row or column below and on the right. The graphs written here keep pictures
as (N, C, H, W) and state each pad in numbers, so that any runtime reads them alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

import onnx
from camfilter.errors import UnreadableSource
from onnx import TensorProto, helper, numpy_helper

__all__ = ["Array", "GraphBuilder", "Value", "padding"]

Array = npt.NDArray[np.float32]

OPSET: Final = 17
IR: Final = 8


@dataclass(frozen=True)
class Value:
    """A tensor of the graph.

    Attributes:
        name: in the graph.
        channels: size of axis 1.
        side_px: height and width of a picture, or 0 for (N, channels).
    """

    name: str
    channels: int
    side_px: int = 0


def padding(side_px: int, window: int, stride: int, *, same: bool) -> tuple[int, int, int]:
    """How TensorFlow pads one axis.

    Args:
        side_px: length of the axis.
        window: of the kernel, along the axis.
        stride: along the axis.
        same: "SAME", otherwise "VALID".

    Returns:
        Pads before and after, and the length of the output.
    """
    if not same:
        return 0, 0, (side_px - window) // stride + 1
    out = -(-side_px // stride)
    total = max((out - 1) * stride + window - side_px, 0)
    return total // 2, total - total // 2, out


class GraphBuilder:
    """One network with one picture as input, built layer by layer.

    Args:
        name: of the graph.
        channels: of the input.
        side_px: height and width of the input.
    """

    def __init__(self, name: str, channels: int, side_px: int) -> None:
        self._name = name
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self.input = Value("input", channels, side_px)

    def conv(
        self,
        x: Value,
        kernel: Array,
        bias: Array | None = None,
        *,
        stride: int = 1,
        same: bool = True,
    ) -> Value:
        """Convolution with a (k, k, in, out) kernel, in TensorFlow's order.

        Raises:
            UnreadableSource: the kernel does not fit the input.
        """
        window, _, channels_in, channels_out = _shape(kernel, 4)
        self._fits(x, channels_in, "convolution")
        weights = kernel.transpose(3, 2, 0, 1)
        return self._windowed(x, weights, bias, window, stride, same, 1, channels_out)

    def depthwise(self, x: Value, kernel: Array, *, stride: int = 1, same: bool = True) -> Value:
        """Convolution of each channel by itself, with a (k, k, channels, 1) kernel.

        Raises:
            UnreadableSource: the kernel does not fit the input.
        """
        window, _, channels, multiplier = _shape(kernel, 4)
        self._fits(x, channels, "depthwise convolution")
        if multiplier != 1:
            raise UnreadableSource("A depthwise convolution with several filters is not supported.")
        weights = kernel.transpose(2, 3, 0, 1)
        return self._windowed(x, weights, None, window, stride, same, channels, channels)

    def separable(
        self,
        x: Value,
        depthwise: Array,
        pointwise: Array,
        bias: Array | None = None,
        *,
        stride: int = 1,
        same: bool = True,
    ) -> Value:
        """Depthwise convolution, then a 1x1 convolution that mixes the channels."""
        return self.conv(self.depthwise(x, depthwise, stride=stride, same=same), pointwise, bias)

    def batch_norm(
        self, x: Value, gamma: Array, beta: Array, mean: Array, variance: Array, *, epsilon: float
    ) -> Value:
        """Normalise with the statistics of the training."""
        weights = [self._weight(one) for one in (gamma, beta, mean, variance)]
        return self._node("BatchNormalization", [x.name, *weights], x, epsilon=epsilon)

    def relu(self, x: Value) -> Value:
        """Negative values become zero."""
        return self._node("Relu", [x.name], x)

    def tanh(self, x: Value) -> Value:
        """Hyperbolic tangent."""
        return self._node("Tanh", [x.name], x)

    def mirrored(self, x: Value, border_px: int) -> Value:
        """A picture with its own mirror image as border; the edge itself is not repeated."""
        name = f"weight_{len(self._weights)}"
        pads = np.array([0, 0, border_px, border_px] * 2, np.int64)
        self._weights.append(numpy_helper.from_array(pads, name))
        wider = Value("", x.channels, x.side_px + 2 * border_px)
        return self._node("Pad", [x.name, name], wider, mode="reflect")

    def add(self, *terms: Value) -> Value:
        """Sum of two or more tensors of one shape, from the left.

        Raises:
            UnreadableSource: the shapes differ.
        """
        total = terms[0]
        for term in terms[1:]:
            if (term.channels, term.side_px) != (total.channels, total.side_px):
                raise UnreadableSource("Two tensors of different shapes cannot be added.")
            total = self._node("Add", [total.name, term.name], total)
        return total

    def max_pool(self, x: Value, window: int, stride: int, *, same: bool) -> Value:
        """Greatest value in each window; pads never win."""
        return self._pool("MaxPool", x, window, stride, same)

    def average_pool(self, x: Value, window: int, stride: int) -> Value:
        """Mean of each window, without pads."""
        return self._pool("AveragePool", x, window, stride, False)

    def global_average(self, x: Value) -> Value:
        """Mean over the picture: (N, channels)."""
        pooled = self._node("GlobalAveragePool", [x.name], Value("", x.channels, 1))
        return self.flat(pooled)

    def flat(self, x: Value, *, channels_last: bool = False) -> Value:
        """A picture as (N, values).

        Args:
            x: the picture.
            channels_last: in the order row, column, channel, as TensorFlow flattens, instead of
                channel, row, column.
        """
        values = x.channels * x.side_px**2
        if channels_last and x.side_px > 1:
            x = self._node("Transpose", [x.name], x, perm=[0, 2, 3, 1])
        return self._node("Flatten", [x.name], Value("", values), axis=1)

    def dense(self, x: Value, weights: Array, bias: Array) -> Value:
        """Matrix product with (in, out) weights, plus bias.

        Raises:
            UnreadableSource: the weights do not fit the input.
        """
        channels_in, channels_out = _shape(weights, 2)
        self._fits(x, channels_in, "dense layer")
        inputs = [x.name, self._weight(weights), self._weight(bias)]
        return self._node("Gemm", inputs, Value("", channels_out))

    def model(self, output: Value) -> onnx.ModelProto:
        """The finished graph: `input` (N, C, S, S) to `logits` (N, classes), N free.

        Raises:
            UnreadableSource: the graph breaks a rule of ONNX.
        """
        nodes = [*self._nodes, helper.make_node("Identity", [output.name], ["logits"])]
        shape: list[str | int | None] = [
            "batch",
            self.input.channels,
            self.input.side_px,
            self.input.side_px,
        ]
        graph = helper.make_graph(
            nodes,
            self._name,
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
            [
                helper.make_tensor_value_info(
                    "logits", TensorProto.FLOAT, ["batch", output.channels]
                )
            ],
            self._weights,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR)
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise UnreadableSource(f"The converted graph of {self._name} is not valid.") from error
        return model

    def _windowed(
        self,
        x: Value,
        weights: Array,
        bias: Array | None,
        window: int,
        stride: int,
        same: bool,
        groups: int,
        channels: int,
    ) -> Value:
        before, after, side_px = padding(x.side_px, window, stride, same=same)
        inputs = [x.name, self._weight(weights)]
        if bias is not None:
            inputs.append(self._weight(bias))
        return self._node(
            "Conv",
            inputs,
            Value("", channels, side_px),
            kernel_shape=[window, window],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=groups,
        )

    def _pool(self, kind: str, x: Value, window: int, stride: int, same: bool) -> Value:
        before, after, side_px = padding(x.side_px, window, stride, same=same)
        return self._node(
            kind,
            [x.name],
            Value("", x.channels, side_px),
            kernel_shape=[window, window],
            strides=[stride, stride],
            pads=[before, before, after, after],
        )

    def _node(self, kind: str, inputs: Sequence[str], like: Value, **attributes: Any) -> Value:
        out = Value(f"{kind.lower()}_{len(self._nodes)}", like.channels, like.side_px)
        self._nodes.append(helper.make_node(kind, list(inputs), [out.name], **attributes))
        return out

    def _weight(self, values: Array) -> str:
        name = f"weight_{len(self._weights)}"
        stored = np.ascontiguousarray(values, np.float32)
        self._weights.append(numpy_helper.from_array(stored, name))
        return name

    def _fits(self, x: Value, channels: int, what: str) -> None:
        if x.channels != channels:
            raise UnreadableSource(f"A {what} for {channels} channels was given {x.channels}.")


def _shape(weights: Array, axes: int) -> tuple[int, ...]:
    if weights.ndim != axes or (axes == 4 and weights.shape[0] != weights.shape[1]):
        raise UnreadableSource(f"Weights of shape {weights.shape} are not supported.")
    return weights.shape
