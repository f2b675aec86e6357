"""Matrix products by the libraries at hand: the fastest one is the machine's rate.

numpy's own library may not know a new processor and be many times slower than
ONNX Runtime on the same core, so one alone says little.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import onnxruntime as ort

__all__ = ["MULTIPLIED_FLOP", "multiplying"]

_SIDE: Final = 416
MULTIPLIED_FLOP: Final = 2 * _SIDE**3
"""Operations of one product; about those of a stage, so that noise hits both alike."""

_SILENT: Final = 4
_FLOAT: Final = 1
_IR_VERSION: Final = 8
_OPSET: Final = 13


def multiplying(threads: int) -> dict[str, Callable[[], object]]:
    """Calls that multiply two square float32 matrices, by the library that does it.

    Args:
        threads: that ONNX Runtime may use; numpy has what its environment says.
    """
    rng = np.random.default_rng(0)
    left, right = (rng.random((_SIDE, _SIDE), np.float32) for _ in range(2))
    product = np.empty_like(left)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    session = ort.InferenceSession(product_graph(_SIDE), options, ["CPUExecutionProvider"])
    given = {"left": left, "right": right}
    return {
        "numpy": lambda: np.matmul(left, right, out=product),
        "onnxruntime": lambda: session.run(None, given),
    }


def product_graph(side: int) -> bytes:
    """An ONNX file of one matrix product, written by hand: the core does without onnx.

    Inputs left and right, output product, all (side, side) float32.
    """
    node = _text(1, "left") + _text(1, "right") + _text(2, "product") + _text(4, "MatMul")
    graph = _part(1, node) + _text(2, "product")
    graph += _part(11, _value("left", side)) + _part(11, _value("right", side))
    graph += _part(12, _value("product", side))
    return _number(1, _IR_VERSION) + _part(7, graph) + _part(8, _number(2, _OPSET))


def _value(name: str, side: int) -> bytes:
    dimension = _part(1, _number(1, side))
    tensor = _number(1, _FLOAT) + _part(2, dimension + dimension)
    return _text(1, name) + _part(2, _part(1, tensor))


def _text(field: int, text: str) -> bytes:
    return _part(field, text.encode())


def _part(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
