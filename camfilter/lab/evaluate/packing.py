"""Readings as the bytes of an array file."""

from __future__ import annotations

import io
import json
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

__all__ = ["packed", "unpacked"]

_FIGURES = "figures"


def packed(readings: dict[str, NDArray[np.float32]], figures: dict[str, Any]) -> bytes:
    """Arrays by name, and plain values, in one npz file."""
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(figures, sort_keys=True).encode(), np.uint8)
    np.savez_compressed(buffer, **{_FIGURES: text}, **{f"r-{k}": v for k, v in readings.items()})
    return buffer.getvalue()


def unpacked(content: bytes) -> tuple[dict[str, NDArray[np.float32]], dict[str, Any]]:
    """What `packed` made bytes of.

    Raises:
        ValueError: these are not such bytes.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            figures = json.loads(arrays[_FIGURES].tobytes())
            names = [name for name in arrays.files if name != _FIGURES]
            return {name.removeprefix("r-"): arrays[name] for name in names}, figures
    except (BadZipFile, KeyError, EOFError, OSError) as error:
        raise ValueError("not a file of readings") from error
