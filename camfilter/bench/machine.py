"""The machine under the bench: what it is, and how fast it copies."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np

__all__ = [
    "COPIED_BYTES",
    "copying",
    "described",
    "pin",
]

_COPIED_FLOATS: Final = 8 << 20
COPIED_BYTES: Final = 2 * 4 * _COPIED_FLOATS
"""Bytes that one call of `copying` reads and writes; far more than a cache holds a core."""

_PACKAGES: Final = (
    "numpy", "onnxruntime-gpu", "onnxruntime", "mediapipe", "opencv-contrib-python", "torch",
    "adversarial-robustness-toolbox", "torchattacks", "foolbox",
)  # fmt: skip
_INSTRUCTIONS: Final = ("avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "avx2", "fma", "asimd")


def pin(threads: int) -> list[int]:
    """Keep this process on so many cores; their numbers, or nothing where that is not possible.

    One core more than threads is never used, so libraries with thread pools of their own
    share what everybody has.
    """
    if not hasattr(os, "sched_setaffinity"):
        return []
    allowed = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, allowed[-threads:])
    except OSError:
        return []
    return allowed[-threads:]


def described(threads: int, cores: list[int]) -> dict[str, Any]:
    """The machine in plain values, without names of people or paths.

    Args:
        threads: that the libraries were given.
        cores: that this process is pinned to; empty when it is not.
    """
    processor, instructions = _processor()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "processor": processor,
        "instructions": instructions,
        "cores": os.cpu_count(),
        "threads": threads,
        "pinned_to": cores,
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "packages": _versions(),
    }


def copying() -> Callable[[], object]:
    """A call that copies an array; reading and writing move `COPIED_BYTES` bytes."""
    source = np.ones(_COPIED_FLOATS, np.float32)
    target = np.empty_like(source)
    return lambda: np.copyto(target, source)


def _processor(cpu_info: Path = Path("/proc/cpuinfo")) -> tuple[str, list[str]]:
    """Name of the processor, and those of its instruction sets that matter here."""
    try:
        text = cpu_info.read_text()
    except OSError:
        return platform.processor(), []
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        values.setdefault(name.strip(), value.strip())
    known = set((values.get("flags") or values.get("Features") or "").split())
    name = values.get("model name") or platform.processor()
    speed = values.get("cpu MHz")
    if speed:
        name = f"{name}, {float(speed) / 1000:.1f} GHz"
    return name, [each for each in _INSTRUCTIONS if each in known]


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
