"""What a GPU needs beyond a session: its options, a cache for TensorRT, and chains that stay on it.

A chain on a GPU is slow when each stage goes through the host: its arrays are copied there and
back, and every kernel is started on its own. Here the arrays stay on the device, two sets of
them that a stage reads and writes in turns, and each direction is recorded once as a CUDA graph
and then started as a whole.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from platformdirs import user_cache_path

from camfilter.surrogate.base import Stage, StageResult

__all__ = ["BoundChain", "cuda_options", "tensorrt_cache", "tensorrt_options"]

_KEPT: Final = ("label", "step", "mask", "lower", "upper", "decay")
_THERE: Final = {"picture": "picture_a", "momentum": "momentum_a"}
_BACK: Final = {"picture": "picture_b", "momentum": "momentum_b"}
_GRAPH_ID: Final = "gpu_graph_id"
_NO_WAITING: Final = "disable_synchronize_execution_providers"


def cuda_options(*, graphs: bool = False) -> dict[str, str]:
    """Options of ONNX Runtime's CUDA provider.

    Args:
        graphs: record each run as a CUDA graph; only for sessions behind a `BoundChain`.
    """
    options = {
        "cudnn_conv_algo_search": "EXHAUSTIVE",  # once, at the first run; shapes never change
        "cudnn_conv_use_max_workspace": "1",
        "use_tf32": "0",  # ten bits of mantissa turn signs of small gradients
    }
    return {**options, "enable_cuda_graph": "1"} if graphs else options


def tensorrt_options(cache: Path, *, graphs: bool = False) -> dict[str, str]:
    """Options of ONNX Runtime's TensorRT provider.

    Args:
        cache: folder for engines and timings, made if it is missing.
        graphs: record each run as a CUDA graph; only for sessions behind a `BoundChain`.
    """
    cache.mkdir(parents=True, exist_ok=True)
    options = {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(cache),
        "trt_fp16_enable": "0",
    }
    return {**options, "trt_cuda_graph_enable": "1"} if graphs else options


def tensorrt_cache(graph: bytes, gpu: str, root: Path | None = None) -> Path:
    """Folder for the engine of one graph: another one for whatever an engine depends on.

    Args:
        graph: bytes of the ONNX graph.
        gpu: name of the GPU and version of TensorRT, as far as they are known.
        root: where caches lie; None takes the person's own folder.
    """
    told = hashlib.sha256(graph)
    told.update(f"\0{ort.__version__}\0{gpu}".encode())
    return (root or user_cache_path("camfilter")) / "tensorrt" / told.hexdigest()[:24]


class BoundChain:
    """Runs chains of stages whose arrays stay where the session computes.

    Args:
        session: of a step graph with a fixed batch.
        device: where its arrays shall lie, "cuda" or "cpu".
        graphs: whether the session records CUDA graphs.
    """

    def __init__(self, session: ort.InferenceSession, device: str, *, graphs: bool = False) -> None:
        self._session = session
        shapes = {given.name: tuple(given.shape) for given in session.get_inputs()}
        self._arrays = {
            name: _placed(np.zeros(shape, np.float32), device) for name, shape in shapes.items()
        }
        for side in (_THERE, _BACK):
            for name, array in side.items():
                self._arrays[array] = _placed(np.zeros(shapes[name], np.float32), device)
        logits = (shapes["label"][0], shapes["label"][1])
        self._arrays["logits"] = _placed(np.zeros(logits, np.float32), device)
        self._there = self._bound(_THERE, _BACK)
        self._back = self._bound(_BACK, _THERE)
        self._options = [self._run_options(number, graphs) for number in (1, 2)]
        self._newest = _THERE

    def put(self, stage: Stage) -> None:
        """Copy a stage's arrays to the device.

        Args:
            stage: as many faces as the graph's batch.
        """
        self._fill("picture_a", stage.picture[:, None])
        self._fill("momentum_a", stage.momentum[:, None])
        self._fill("label", stage.label)
        self._fill("step", stage.step[:, None, None, None])
        self._fill("mask", stage.mask[:, None])
        self._fill("lower", stage.lower[:, None])
        self._fill("upper", stage.upper[:, None])
        self._fill("decay", np.asarray(stage.decay, np.float32))
        self._newest = _THERE

    def run(self, stages: int) -> None:
        """Take so many stages one after the other and wait for the last one."""
        for _ in range(stages):
            if self._newest is _THERE:
                self._session.run_with_iobinding(self._there, self._options[0])
                self._newest = _BACK
            else:
                self._session.run_with_iobinding(self._back, self._options[1])
                self._newest = _THERE
        self._there.synchronize_outputs()
        self._back.synchronize_outputs()

    def get(self) -> StageResult:
        """Copy what the newest stage gave back from the device."""
        return StageResult(
            self._arrays[self._newest["picture"]].numpy()[:, 0],
            self._arrays[self._newest["momentum"]].numpy()[:, 0],
            self._arrays["logits"].numpy(),
        )

    def _bound(self, given: dict[str, str], made: dict[str, str]) -> Any:
        binding = self._session.io_binding()
        for name in _KEPT:
            binding.bind_ortvalue_input(name, self._arrays[name])
        for name, array in given.items():
            binding.bind_ortvalue_input(name, self._arrays[array])
        binding.bind_ortvalue_output("stepped", self._arrays[made["picture"]])
        binding.bind_ortvalue_output("momentum_next", self._arrays[made["momentum"]])
        binding.bind_ortvalue_output("logits", self._arrays["logits"])
        return binding

    def _run_options(self, number: int, graphs: bool) -> Any:
        options = ort.RunOptions()
        options.add_run_config_entry(_NO_WAITING, "1")
        if graphs:
            options.add_run_config_entry(_GRAPH_ID, str(number))
        return options

    def _fill(self, name: str, values: NDArray[np.float32]) -> None:
        self._arrays[name].update_inplace(np.ascontiguousarray(values, np.float32))


def _placed(values: NDArray[np.float32], device: str) -> Any:
    return ort.OrtValue.ortvalue_from_numpy(values, device, 0)
