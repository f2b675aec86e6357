"""Fewer bits, Winograd and a second thread for a stage on the CPU, against the shipped graphs.

How many times as long each way computes in turns with the shipped graph, and what stays on
validation faces of FER+ that did not calibrate it: signs of the gradient (mean, after five stages,
worst face), a step's effect on the loss to first order, labels. Winograd: Lavin and Gray 2016.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import onnxruntime as ort
import typer
from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from rich.console import Console
from rich.table import Table

import onnx
from camfilter.bench.race import race
from camfilter.decoy import DECOYS
from camfilter.errors import CamfilterError
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.data import ferplus_part
from camfilter.settings import LEVELS
from camfilter.surrogate.manifest import GraphKind, Manifest, graphs_folder
from onnx import TensorProto, helper, numpy_helper

DATA: Final = Path(__file__).resolve().parents[2] / "shared" / "data"
COLUMNS: Final = ("times", "wall", "signs", "later", "worst", "effect", "labels", "error", "note")
LAYER: Final = '<ir_version: 10, opset_import: ["": 22]> l (%s) => (float[] y) {%s}'
BF16: Final = LAYER % ("bfloat16[1, 1, 9, 9] x", "c = Conv(x, x)  y = Cast<to = 1>(c)")
BY_TILES: Final = """
    wide = MatMul(x, into_t)  tall = MatMul(into, wide)  split = Reshape(tall, by_tile)
    apart = Transpose<perm = [1, 3, 0, 2, 4]>(split)  v = Reshape(apart, flat)
    product = MatMul(u, v)  parted = Reshape(product, by_place)
    joined = Transpose<perm = [2, 0, 3, 1, 4]>(parted)  whole = Reshape(joined, grid)
    short = MatMul(back, whole)  y = MatMul(short, back_t)"""

Feed = dict[str, Any]
Rows = dict[str, dict[str, Any]]


def opened(model: onnx.ModelProto, threads: int = 1, saved: str = "", **level: Any) -> Any:
    """A session on the CPU; `saved` is where what ONNX Runtime made of the model goes."""
    options = ort.SessionOptions()
    given = {"intra_op_num_threads": threads, "optimized_model_filepath": saved}
    for name, value in (given | {"log_severity_level": 4} | level).items():
        setattr(options, name, value)
    options.add_session_config_entry("session.force_spinning_stop", "1")  # it is others' turn
    return ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def kernels_in(model: onnx.ModelProto, kind: type) -> onnx.ModelProto:
    """Kernels of convolutions in fp16 behind Cast, or in int8 behind DequantizeLinear."""
    kernels = {n.input[1] for n in model.graph.node if n.op_type in {"Conv", "ConvTranspose"}}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name in kernels]:
        values = numpy_helper.to_array(tensor)
        scale = np.abs(values).max((1, 2, 3)) / np.float32(127)
        levels = np.rint(values / scale[:, None, None, None])
        parts: list[np.ndarray[Any, Any]] = [values.astype(kind)]
        operator, how = "Cast", {"to": int(TensorProto.FLOAT)}
        if kind is np.int8:
            parts, operator, how = [levels.astype(kind), scale], "DequantizeLinear", {"axis": 0}
        names = [f"{tensor.name}_{index}" for index in range(len(parts))]
        model.graph.node.append(helper.make_node(operator, names, [tensor.name], **how))  # type: ignore[arg-type]
        model.graph.initializer.extend(map(numpy_helper.from_array, parts, names))
        model.graph.initializer.remove(tensor)
    return model


def in_int8(plain: Path, faces: Sequence[Feed], nodes: Sequence[str] = (), bits: int = 8) -> Any:
    """ONNX Runtime's static quantisation: kernels by channel, activations by tensor."""
    feeds, made = iter(faces), plain.with_name("int8.onnx")
    reader = type("Faces", (), {"get_next": lambda _: next(feeds, None)})()
    chosen = {"weight_type": QuantType.QInt8, "calibrate_method": CalibrationMethod.Percentile}
    chosen |= {"per_channel": True, "activation_type": QuantType[f"QUInt{bits}"]}
    with contextlib.redirect_stdout(io.StringIO()):
        quantize_static(plain, made, reader, nodes_to_quantize=list(nodes), **chosen)
    return onnx.load(made)


def while_signs_stay(plain: Path, faces: Sequence[Feed], nodes: Sequence[str], shipped: Any) -> Any:
    """Int8 in the convolutions that alone cost the fewest signs, as many as keep 99 %."""

    def signs(some: Sequence[str]) -> float:
        return float(kept(opened(in_int8(plain, faces, some)), shipped, faces)["signs"])

    order = sorted(nodes, key=lambda name: -signs([name]))
    counts = [count for count in range(1, len(order)) if signs(order[:count]) >= 0.99]
    return in_int8(plain, faces, order[: max(counts, default=1)])


def ways_for(raw: Path, shipped: Any, faces: Sequence[Feed], plain: Path) -> dict[str, Any]:
    """What makes each graph, by name; faces calibrate, `plain` is a file with folded constants."""
    basic = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    opened(onnx.load(raw), saved=str(plain), graph_optimization_level=basic)
    whole = onnx.load(plain)
    reading = onnx.utils.Extractor(whole).extract_model(["picture"], ["logits"])
    every, front = ([n.name for n in m.graph.node if n.op_type == "Conv"] for m in (whole, reading))
    return {
        "shipped": partial(onnx.load, raw),
        "two threads": partial(onnx.load, raw),
        "fp16": lambda: convert_float_to_float16(onnx.load(raw), keep_io_types=True),
        "bf16": lambda: onnx.parser.parse_model(BF16),
        "fp16 kernels": lambda: kernels_in(onnx.load(plain), np.float16),
        "int8 kernels": lambda: kernels_in(onnx.load(plain), np.int8),
        "int8 kernels, int16 between": partial(in_int8, plain, faces, every, 16),
        "int8 convolutions": partial(in_int8, plain, faces, every),
        "int8 forward": partial(in_int8, plain, faces, front),
        "int8 gradient": partial(in_int8, plain, faces, [n for n in every if n not in front]),
        "int8 wherever it can": partial(in_int8, plain, faces),
        "int8 while 99 % stay": partial(while_signs_stay, plain, faces, every, shipped),
    }


def feeds_of(pictures: Any, shipped: Any, stages: int = 0) -> Iterator[Feed]:
    """A stage of one level towards a decoy, after some others, for each (S, S) of pictures."""
    for picture in pictures[:, None, None].astype(np.float32) / np.float32(LEVELS):
        one, zero = np.ones_like(picture), np.zeros_like(picture)
        feed = {"picture": picture, "mask": one, "lower": zero, "upper": one, "momentum": zero}
        feed |= {"step": one[:, :, :1, :1] / -LEVELS, "decay": zero[0, 0, 0, 0, ...]}
        feed["label"] = np.zeros((1, len(EXPRESSIONS)), np.float32)
        read = EXPRESSIONS[shipped.run(["logits"], feed)[0].argmax()]
        feed["label"][0, EXPRESSIONS.index(DECOYS[read == DECOYS[0]])] = 1
        for _ in range(stages):
            feed["picture"] = shipped.run(["stepped"], feed)[0]
        yield feed


def kept(tried: Any, shipped: Any, faces: Sequence[Feed]) -> dict[str, Any]:
    """Shares that stay: signs in the mean and of the worst face, a step's effect, labels."""
    rows = []
    for feed in faces:
        gradient, logits = shipped.run(["gradient", "logits"], feed)
        other, answer = tried.run(["gradient", "logits"], feed)
        same = np.mean(np.sign(gradient) == np.sign(other))
        effect = (gradient * np.sign(other)).sum() / np.abs(gradient).sum()
        rows.append((same, effect, logits.argmax() == answer.argmax()))
    signs, effects, labels = np.array(rows, float).T.round(6)
    means = {"signs": signs.mean(), "effect": effects.mean(), "labels": labels.mean()}
    return {name: round(float(v), 4) for name, v in (means | {"worst": signs.min()}).items()}


def five_times(call: Callable[[], Any]) -> None:
    """One lap: too short a one says little."""
    for _ in range(5):
        call()


def timed(rows: Rows, calls: Mapping[str, Callable[[], Any]], rounds: int) -> Rows:
    """Rows and how many times as long as the first each takes: computing, on the wall."""
    laps = race({name: partial(five_times, call) for name, call in calls.items()}, rounds)
    first = laps[next(iter(laps))]
    for name, lap in laps.items():
        rows[name]["times"] = round(lap.cpu_times_slower_than(first), 3)
        rows[name]["wall"] = round(lap.undisturbed_ms / first.undisturbed_ms, 3)
    return rows


def stage_rows(raw: Path, pictures: Any, rounds: int) -> Rows:
    """Each way for one surrogate; every second picture calibrates."""
    shipped, calls, rows = opened(onnx.load(raw)), {}, {}
    faces = list(feeds_of(pictures, shipped))
    later = list(feeds_of(pictures[::2], shipped, 5))
    with tempfile.TemporaryDirectory() as folder:
        plain, saved = Path(folder) / "plain.onnx", f"{folder}/saved.onnx"
        for name, way in ways_for(raw, shipped, faces[1::2], plain).items():
            try:
                tried = opened(way(), 2 if name == "two threads" else 1, saved)
            except Exception as error:  # noqa: BLE001 - why a way fails is the finding
                rows[name] = {"note": str(error).splitlines()[0].split(" : ")[-1]}
                continue
            counts = Counter(node.op_type for node in onnx.load(saved).graph.node)
            kinds = ("Conv", "QLinearConv", "Cast", "DequantizeLinear")
            note = " ".join(f"{counts[kind]} {kind}" for kind in kinds if counts[kind])
            rows[name] = kept(tried, shipped, faces[::2]) | {"note": note}
            rows[name]["later"] = kept(tried, shipped, later)["signs"]
            calls[name] = partial(tried.run, ["stepped", "momentum_next", "logits"], faces[0])
    return timed(rows, calls, rounds)


def winograd(kernel: Any, m: int, side: int, width: int) -> dict[str, Any]:
    """Constants of BY_TILES with tiles of (m, m); the transforms by solving their identity."""
    n, tiles, points = m + 2, side // m, np.array([0.0, 1, -1, 2, -2][: m + 1])
    back = np.c_[points ** np.arange(m)[:, None], np.eye(m)[-1]]
    grow = np.r_[points[:, None] ** np.arange(3), np.eye(3)[-1:]]
    wanted = [np.eye(n)[i + k] for i in range(m) for k in range(3)]
    into = np.linalg.pinv(np.einsum("ij,jk->ikj", back, grow).reshape(-1, n)) @ wanted
    seen = np.array([np.eye(side + 2)[t * m : t * m + n, 1:-1] for t in range(tiles)])
    b = np.einsum("ij,tjs->its", into, seen).reshape(-1, side)
    a = np.einsum("oi,ts->tois", back, np.eye(tiles)).reshape(side, -1)
    made = {"into": b, "into_t": b.T, "back": a, "back_t": a.T}
    made["u"] = np.einsum("ai,ocij,bj->aboc", grow, kernel, grow).reshape(n * n, width, width)
    shapes = {"by_tile": [width, n, tiles, n, tiles], "flat": [n * n, width, tiles**2]}
    shapes |= {"by_place": [n, n, width, tiles, tiles], "grid": [1, width, n * tiles, n * tiles]}
    return {k: np.array(v, "f4" if k in made else "i8") for k, v in (made | shapes).items()}


def layer_rows(raw: Path, rounds: int, side: int = 12, width: int = 64) -> Rows:
    """Winograd against Conv; the greatest error in shares of the greatest value."""
    tensors = [numpy_helper.to_array(tensor) for tensor in onnx.load(raw).graph.initializer]
    kernel = next(t for t in tensors if t.shape == (width, width, 3, 3))
    ways = {"Conv": ("y = Conv<pads = [1, 1, 1, 1]>(x, w)", {"w": kernel})}
    ways |= {f"F({m}x{m}, 3x3)": (BY_TILES, winograd(kernel, m, side, width)) for m in (2, 4)}
    x = np.random.default_rng(0).standard_normal((1, width, side, side)).astype(np.float32)
    rows, calls = {}, {}
    for name, (body, stored) in ways.items():
        model = onnx.parser.parse_model(LAYER % ("float[] x", body))
        model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in stored.items())
        calls[name] = partial(opened(model).run, ["y"], {"x": x})
        right, made = calls["Conv"]()[0], calls[name]()[0]
        rows[name] = {"error": f"{np.abs(made - right).max() / np.abs(right).max():.1e}"}
    return timed(rows, calls, rounds)


def main(
    data: Annotated[Path, typer.Option(envvar="CAMFILTER_DATA", help="Folder of FER+.")] = DATA,
    surrogates: Annotated[list[str] | None, typer.Option("--surrogate")] = None,
    faces: Annotated[int, typer.Option(help="Asked; as many calibrate.", min=2)] = 32,
    rounds: Annotated[int, typer.Option(help="Turns that each takes.", min=2)] = 100,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Try each way on each surrogate, one face at a time, on one thread."""
    logging.disable(logging.WARNING)  # the quantiser's advice on graphs that were made ready
    manifest, found = Manifest.load(graphs_folder()), {}
    try:
        for name in surrogates or manifest.attackable:
            spec = manifest.graphs_of(name, GraphKind.STEP)[0]
            pictures = ferplus_part(data / "ferplus_valid.npz", spec.size_px).pictures
            chosen = np.random.default_rng(0).permutation(len(pictures))[: 2 * faces]
            found[name] = stage_rows(graphs_folder() / spec.file, pictures[chosen], rounds)
    except CamfilterError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False)
        raise typer.Exit(1) from error
    found["a layer of plain48"] = layer_rows(graphs_folder() / "plain48-step-b1.onnx", rounds)
    for name, rows in found.items():
        table = Table("", *COLUMNS, title=name)
        for way, row in rows.items():
            table.add_row(way, *(str(row.get(column, "")) for column in COLUMNS))
        Console(width=140).print(table)
    if file is not None:
        file.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
