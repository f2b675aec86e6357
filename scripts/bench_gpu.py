"""Time of a stage, of a chain of ten and of sixteen faces on an NVIDIA GPU, by three ways.

CUDA: ONNX Runtime with its arrays kept on the device and CUDA graphs. TensorRT: the same through
TensorRT, with an engine cache. torch: the same chain in torch, recorded as one CUDA graph.
Each way that cannot run here says why in one line. Besides the shipped graphs, this needs
onnxruntime-gpu with the CUDA libraries that it asks for; for TensorRT `tensorrt<11`; for torch,
and for the graph of sixteen faces, torch with CUDA and the extra `train`.
"""

from __future__ import annotations

import ctypes
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnxruntime as ort
import typer

from camfilter.bench.operations import work_of_graph
from camfilter.surrogate.base import Stage
from camfilter.surrogate.cuda import BoundChain, cuda_options, tensorrt_cache, tensorrt_options
from camfilter.surrogate.manifest import GraphKind, Manifest, graphs_folder, read_graph

CHAIN = 10
MANY = 16
GOALS = {"stage_us": 60.0, "chain_ms": 0.6, "many_over_one": 2.0}
SILENT = 4

Put = Callable[[int], None]
"""Runs so many stages on what lies on the device, and waits for the end."""


@dataclass(frozen=True)
class Graphs:
    """Step graphs of one surrogate by their batch, and why some are missing."""

    name: str
    size_px: int
    by_batch: dict[int, bytes]
    missing: str


def main(
    surrogate: Annotated[str | None, typer.Option(help="The first of the manifest.")] = None,
    repeats: Annotated[int, typer.Option(min=20)] = 500,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure the GPU path."""
    if not driver_present():
        typer.echo("There is no NVIDIA GPU here (no driver library), so nothing was measured.")
        return
    graphs = load_graphs(surrogate)
    ways: dict[str, Callable[[Graphs, int], Put]] = {
        "onnxruntime cuda graphs": lambda g, batch: by_onnxruntime(g, batch, tensorrt=False),
        "onnxruntime tensorrt": lambda g, batch: by_onnxruntime(g, batch, tensorrt=True),
        "torch cuda graph": by_torch,
    }
    figures: dict[str, Any] = {
        "gpu": gpu_name(),
        "onnxruntime": ort.__version__,
        "surrogate": graphs.name,
        "gflop_a_stage": round(work_of_graph(graphs.by_batch[1]).flop / 1e9, 4),
        "goals": GOALS,
        "ways": {},
    }
    for name, prepare in ways.items():
        try:
            figures["ways"][name] = measured(prepare, graphs, repeats)
        except Exception as error:  # noqa: BLE001 - each way stands for itself
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            figures["ways"][name] = {"missing": reason}
        typer.echo(f"{name}: {json.dumps(figures['ways'][name])}")
    if graphs.missing:
        typer.echo(graphs.missing)
    text = json.dumps(figures, indent=2)
    if file is not None:
        file.write_text(text + "\n")


def measured(
    prepare: Callable[[Graphs, int], Put], graphs: Graphs, repeats: int
) -> dict[str, float]:
    """Medians: stage_us, chain_ms, chain_16_faces_ms and their ratio."""
    start_s = time.perf_counter()
    one = prepare(graphs, 1)
    one(2)
    ready_s = time.perf_counter() - start_s
    chain_ms = median_ms(lambda: one(CHAIN), repeats)
    figures = {
        "ready_s": round(ready_s, 2),
        "one_stage_with_wait_us": round(1e3 * median_ms(lambda: one(1), repeats), 1),
        "stage_us": round(1e3 * chain_ms / CHAIN, 1),
        "chain_ms": round(chain_ms, 4),
    }
    if MANY in graphs.by_batch:
        many = prepare(graphs, MANY)
        many(2)
        many_ms = median_ms(lambda: many(CHAIN), repeats)
        figures |= {
            "chain_16_faces_ms": round(many_ms, 4),
            "many_over_one": round(many_ms / chain_ms, 2),
        }
    return figures


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Median time of a call that waits for the device, after some that do not count."""
    for _ in range(repeats // 10 + 1):
        call()
    times_s = []
    for _ in range(repeats):
        start_s = time.perf_counter()
        call()
        times_s.append(time.perf_counter() - start_s)
    return 1e3 * float(np.median(times_s))


def by_onnxruntime(graphs: Graphs, batch: int, *, tensorrt: bool) -> Put:
    """A chain of ONNX Runtime sessions on the device.

    Raises:
        RuntimeError: the provider does not run here.
    """
    graph = graphs.by_batch[batch]
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    wanted = "TensorrtExecutionProvider" if tensorrt else "CUDAExecutionProvider"
    providers: list[tuple[str, dict[str, str]]] = [
        ("CUDAExecutionProvider", cuda_options(graphs=not tensorrt))
    ]
    if tensorrt:
        cache = tensorrt_cache(graph, gpu_name())
        providers.insert(0, (wanted, tensorrt_options(cache, graphs=True)))
    options = ort.SessionOptions()
    options.log_severity_level = SILENT
    session = ort.InferenceSession(graph, options, providers=providers)
    if session.get_providers()[0] != wanted:
        raise RuntimeError(f"{wanted} does not run here; it would be {session.get_providers()[0]}")
    chain = BoundChain(session, "cuda", graphs=True)
    stage = example(graphs.size_px, batch)
    chain.put(stage)
    chain.run(4)  # records both directions
    agrees(graph, stage, chain)
    return chain.run


def agrees(graph: bytes, stage: Stage, chain: BoundChain) -> None:
    """Prove that one stage on the device is the stage on the CPU.

    Raises:
        RuntimeError: the signs of more than one cell in a hundred differ.
    """
    chain.put(stage)
    chain.run(1)
    there = chain.get().stepped
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    here = BoundChain(session, "cpu")
    here.put(stage)
    here.run(1)
    differing = float((np.abs(here.get().stepped - there) > 1e-4).mean())
    if differing > 0.01:
        raise RuntimeError(f"{differing:.1%} of the cells differ from the CPU's")


def by_torch(graphs: Graphs, batch: int) -> Put:
    """A stage recorded as a CUDA graph by torch.

    Raises:
        RuntimeError: torch has no CUDA here.
    """
    import torch  # noqa: PLC0415
    from torch.nn.functional import cross_entropy  # noqa: PLC0415

    from camfilter.lab.networks import SurrogateFolder  # noqa: PLC0415
    from camfilter.lab.tracing import fused  # noqa: PLC0415

    if not torch.cuda.is_available():
        raise RuntimeError("this torch was built without CUDA")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    network = fused(SurrogateFolder.named(graphs.name).load()).cuda().requires_grad_(False)
    stage = example(graphs.size_px, batch)
    picture = torch.from_numpy(stage.picture[:, None]).cuda().requires_grad_(True)
    label = torch.from_numpy(stage.label).cuda()

    def step() -> None:
        loss = cross_entropy(network(picture), label, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, picture)
        with torch.no_grad():
            picture.add_(gradient.sign(), alpha=float(stage.step[0])).clamp_(0, 1)

    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        step()

    def run(stages: int) -> None:
        for _ in range(stages):
            recorded.replay()
        torch.cuda.synchronize()

    return run


def example(size_px: int, batch: int) -> Stage:
    """A stage on noise; the time of a stage does not depend on the picture."""
    rng = np.random.default_rng(0)
    picture = rng.random((batch, size_px, size_px), np.float32)
    ones, zeros = np.ones_like(picture), np.zeros_like(picture)
    label = np.eye(8, dtype=np.float32)[np.zeros(batch, int)]
    step = np.full(batch, 1 / 255, np.float32)
    return Stage(picture, label, step, ones, zeros, ones, zeros, decay=0.0)


def load_graphs(name: str | None) -> Graphs:
    """The shipped step graphs, and one for sixteen faces where torch can make it."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    manifest = Manifest.load(graphs_folder())
    name = name or manifest.attackable[0]
    specs = manifest.graphs_of(name, GraphKind.STEP)
    by_batch = {spec.batch: read_graph(graphs_folder(), spec) for spec in specs}
    missing = ""
    try:
        from camfilter.lab.networks import SurrogateFolder  # noqa: PLC0415
        from camfilter.lab.step_graph import graph_bytes  # noqa: PLC0415

        by_batch[MANY] = graph_bytes(SurrogateFolder.named(name).load(), GraphKind.STEP, MANY)
    except ImportError as error:
        missing = f"No graph for {MANY} faces: {error.name} is not installed (camfilter[train])."
    return Graphs(name, specs[0].size_px, by_batch, missing)


def driver_present() -> bool:
    """Whether NVIDIA's driver library is here and counts a device."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int()
    return (
        driver.cuInit(0) == 0
        and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
        and (count.value > 0)
    )


def gpu_name() -> str:
    """What the driver calls the first GPU."""
    name = ctypes.create_string_buffer(100)
    ctypes.CDLL("libcuda.so.1").cuDeviceGetName(name, 100, 0)
    return name.value.decode()


if __name__ == "__main__":
    typer.run(main)
