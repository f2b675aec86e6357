"""Which hardware really runs the graphs.

ONNX Runtime's list of providers says what was compiled in, not what works, and
a missing CUDA library makes it fall to the CPU without a word. Here the session
is asked after it is built, and the answer is what everybody else sees.
"""

from __future__ import annotations

import ctypes
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

import onnxruntime as ort

from camfilter.errors import GraphRefused, ProviderUnavailable
from camfilter.surrogate.cuda import cuda_options, tensorrt_cache, tensorrt_options

__all__ = ["Provider", "open_session"]

ort.disable_telemetry_events()  # also where somebody loaded ONNX Runtime before camfilter


class Provider(StrEnum):
    """Hardware to run on. AUTO takes the fastest that works."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


_ORT_NAMES = {
    Provider.TENSORRT: "TensorrtExecutionProvider",
    Provider.CUDA: "CUDAExecutionProvider",
    Provider.CPU: "CPUExecutionProvider",
}
_FALL_BACK = {
    Provider.AUTO: (Provider.TENSORRT, Provider.CUDA, Provider.CPU),
    Provider.TENSORRT: (Provider.TENSORRT, Provider.CUDA, Provider.CPU),
    Provider.CUDA: (Provider.CUDA, Provider.CPU),
    Provider.CPU: (Provider.CPU,),
}
_SILENT = 4


def open_session(
    graph: bytes, wanted: Provider, threads: int
) -> tuple[ort.InferenceSession, Provider]:
    """Build a session and say what it truly runs on.

    Args:
        graph: bytes of an ONNX graph whose hash was proved.
        wanted: provider to use; a named one is used or refused, never replaced.
        threads: CPU threads inside one operation.

    Raises:
        ProviderUnavailable: `wanted` was named and does not run here.
        GraphRefused: ONNX Runtime cannot read the graph.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    try:
        providers = [_with_options(provider, graph) for provider in _candidates(wanted)]
        session = ort.InferenceSession(graph, options, providers=providers)
    except Exception as error:
        raise GraphRefused(
            f"ONNX Runtime cannot run the graph: {str(error).splitlines()[0]}",
            "Install camfilter again, or try --provider cpu.",
        ) from error
    session.disable_fallback()
    active = {name: provider for provider, name in _ORT_NAMES.items()}[session.get_providers()[0]]
    if wanted not in (Provider.AUTO, active):
        raise ProviderUnavailable(
            f"Provider {wanted} does not run here; ONNX Runtime would use {active}.",
            "Use --provider auto, or install the GPU driver and libraries.",
        )
    return session, active


def _with_options(provider: Provider, graph: bytes) -> tuple[str, dict[str, str]]:
    """ONNX Runtime's name of a provider, and how it is to run."""
    name = _ORT_NAMES[provider]
    if provider is Provider.CUDA:
        return name, cuda_options()
    if provider is Provider.TENSORRT:
        return name, tensorrt_options(tensorrt_cache(graph, _gpu_names()))
    return name, {}


def _gpu_names(folder: Path = Path("/proc/driver/nvidia")) -> str:
    """The GPUs and the driver, as the driver tells them; empty where it does not."""
    told = []
    for path in [folder / "version", *sorted(folder.glob("gpus/*/information"))]:
        try:
            told += path.read_text().splitlines()[:1]
        except OSError:
            continue
    return " ".join(told)


def _candidates(wanted: Provider) -> list[Provider]:
    if wanted is Provider.CPU or not _nvidia_driver_present():
        return [Provider.CPU]
    preload: Any = getattr(ort, "preload_dlls", None)
    if preload is not None:
        preload()
    compiled_in = ort.get_available_providers()
    return [provider for provider in _FALL_BACK[wanted] if _ORT_NAMES[provider] in compiled_in]


def _nvidia_driver_present() -> bool:
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
