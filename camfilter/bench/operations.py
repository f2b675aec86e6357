"""The operations that a graph must do, counted from the shapes that ONNX Runtime itself saw.

Only convolutions and matrix products are counted, each multiplication and each addition
as one; what else a stage does is small beside them.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort

__all__ = ["Work", "work_of_graph", "work_of_operator"]

_SILENT: Final = 4
_BYTES: Final = 4
_PRODUCTS: Final = ("Gemm", "MatMul", "FusedMatMul")

Shapes = list[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Work:
    """What must be done at the least.

    Attributes:
        flop: multiplications and additions.
        moved_bytes: read and written once by each convolution and product, weights included.
    """

    flop: int
    moved_bytes: int

    def __add__(self, other: Work) -> Work:
        """Both, one after the other."""
        return Work(self.flop + other.flop, self.moved_bytes + other.moved_bytes)

    def floor_ms(self, gflops: float, gigabytes_per_s: float) -> float:
        """The least time on a machine: whichever takes longer, to compute or to move.

        Args:
            gflops: measured rate of matrix products, 1e9 operations a second.
            gigabytes_per_s: measured rate of copies, 1e9 bytes a second.
        """
        return 1e3 * max(self.flop / (1e9 * gflops), self.moved_bytes / (1e9 * gigabytes_per_s))


def work_of_graph(graph: bytes) -> Work:
    """Run a graph once, as it was written, and count.

    Args:
        graph: bytes of an ONNX graph with fixed shapes and float32 inputs.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = _SILENT
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        session.run(
            None,
            {given.name: np.full(given.shape, 0.5, np.float32) for given in session.get_inputs()},
        )
        events = json.loads(Path(session.end_profiling()).read_text())
    return _counted(events)


def work_of_operator(kind: str, given: Shapes, result: tuple[int, ...], weight_bytes: int) -> Work:
    """What one operator must do.

    Args:
        kind: ONNX's name of it.
        given: shapes of its inputs, as far as they are not weights packed beforehand.
        result: shape of its output.
        weight_bytes: size of its weights.
    """
    inputs, outputs = math.prod(given[0]), math.prod(result)
    others = _BYTES * sum(math.prod(shape) for shape in given[1:])
    # Weights that were packed beforehand are in no shape; those that were not are in both.
    moved = _BYTES * (inputs + outputs) + max(weight_bytes, others)
    if kind == "Conv":  # weights are (outputs, inputs of the group, height, width)
        return Work(2 * outputs * math.prod(given[1][1:]), moved)
    if kind == "ConvTranspose":  # weights are (inputs, outputs of the group, height, width)
        return Work(2 * inputs * math.prod(given[1][1:]), moved)
    if kind in _PRODUCTS:
        rows = math.prod(result[:-1])
        return Work(2 * outputs * (inputs // rows), moved)
    return Work(0, 0)


def _counted(events: Iterable[Mapping[str, Any]]) -> Work:
    total = Work(0, 0)
    for event in events:
        details = event.get("args", {})
        if event.get("cat") != "Node" or "output_type_shape" not in details:
            continue
        given = [tuple(shape) for entry in details["input_type_shape"] for shape in entry.values()]
        results = [tuple(s) for entry in details["output_type_shape"] for s in entry.values()]
        if given and results:
            weight_bytes = int(details.get("parameter_size", 0))
            total += work_of_operator(details["op_name"], given, results[0], weight_bytes)
    return total
