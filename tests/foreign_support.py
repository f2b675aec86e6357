"""Small foreign networks of random weights, and what their layers mean in torch."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
import torch.nn.functional as F  # noqa: N812

import onnx
from camfilter.lab.foreign.graph import Array


class Numbers:
    """Random weights, the same in each run."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(7)

    def __call__(self, *shape: int) -> Array:
        return self._random.normal(0, 0.5, shape).astype(np.float32)

    def positive(self, *shape: int) -> Array:
        return self._random.uniform(0.5, 2, shape).astype(np.float32)


def run(model: onnx.ModelProto, pictures: Array) -> Array:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["logits"], {"input": pictures})[0], np.float32)


def same_conv(x: torch.Tensor, kernel: Array, stride: int = 1, groups: int = 1) -> torch.Tensor:
    """TensorFlow's SAME convolution, in torch; kernel (k, k, in / groups, out)."""
    weights = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
    total = max((-(-x.shape[-1] // stride) - 1) * stride + kernel.shape[0] - x.shape[-1], 0)
    low, high = total // 2, total - total // 2
    return F.conv2d(F.pad(x, (low, high, low, high)), weights, stride=stride, groups=groups)


def separable(x: torch.Tensor, depth: Array, point: Array, stride: int = 1) -> torch.Tensor:
    return same_conv(same_conv(x, depth.transpose(0, 1, 3, 2), stride, groups=x.shape[1]), point)


def plus(x: torch.Tensor, bias: Array) -> torch.Tensor:
    return x + torch.from_numpy(bias)[:, None, None]


def face_api_weights(numbers: Numbers, channels: int, classes: int = 7) -> dict[str, Array]:
    weights: dict[str, Array] = {}
    for block in range(4):
        for layer in range(4):
            at = f"dense{block}/conv{layer}"
            weights[f"{at}/bias"] = numbers(channels)
            if block == layer == 0:
                weights[f"{at}/filters"] = numbers(3, 3, 3, channels)
            else:
                weights[f"{at}/depthwise_filter"] = numbers(3, 3, channels, 1)
                weights[f"{at}/pointwise_filter"] = numbers(1, 1, channels, channels)
    weights["fc/weights"], weights["fc/bias"] = numbers(channels, classes), numbers(classes)
    return weights


def face_api_in_torch(weights: dict[str, Array], x: torch.Tensor) -> torch.Tensor:
    def conv(x: torch.Tensor, at: str, stride: int = 1) -> torch.Tensor:
        if f"{at}/filters" in weights:
            out = same_conv(x, weights[f"{at}/filters"], stride)
        else:
            kernels = weights[f"{at}/depthwise_filter"], weights[f"{at}/pointwise_filter"]
            out = separable(x, *kernels, stride)
        return plus(out, weights[f"{at}/bias"])

    for block in range(4):
        at = f"dense{block}/conv"
        one = conv(x, f"{at}0", 2).relu()
        two = conv(one, f"{at}1")
        three = conv((one + two).relu(), f"{at}2")
        four = conv((one + two + three).relu(), f"{at}3")
        x = (one + two + three + four).relu()
    mean = x.mean(dim=(2, 3))
    return mean @ torch.from_numpy(weights["fc/weights"]) + torch.from_numpy(weights["fc/bias"])


def node(name: str, op: str, inputs: Sequence[str] = (), **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "input": list(inputs), "attr": attributes}


def text(words: str) -> str:
    return base64.b64encode(words.encode()).decode()


def conv_attributes(stride: int, pad: str, *fused: str) -> dict[str, Any]:
    return {
        "strides": {"list": {"i": ["1", str(stride), str(stride), "1"]}},
        "padding": {"s": text(pad)},
        "fused_ops": {"list": {"s": [text(one) for one in fused]}},
    }


def graph_parts(numbers: Numbers) -> tuple[list[dict[str, Any]], dict[str, Array]]:
    weights = {
        "k1": numbers(3, 3, 1, 4),
        "b1": numbers(4),
        "k2": numbers(3, 3, 4, 1),
        "k3": numbers(1, 1, 4, 4),
        "b3": numbers(4),
        "k4": numbers(3, 3, 4, 2),
        "b4": numbers(2),
        "axes": np.array([1, 2], np.float32),
    }
    dims = {"shape": {"shape": {"dim": [{"size": one} for one in ("-1", "9", "9", "1")]}}}
    pool = conv_attributes(1, "SAME") | {"ksize": {"list": {"i": ["1", "3", "3", "1"]}}}
    nodes = [
        node("out", "Identity", ["softmax"]),
        node("softmax", "Softmax", ["mean"]),
        node("mean", "Mean", ["conv4", "axes"]),
        node(
            "conv4", "_FusedConv2D", ["relu", "k4", "b4"], **conv_attributes(1, "VALID", "BiasAdd")
        ),
        node("relu", "Relu", ["sum"]),
        node("sum", "AddV2", ["conv3", "pool"]),
        node("pool", "MaxPool", ["conv1"], **pool),
        node(
            "conv3", "_FusedConv2D", ["deep", "k3", "b3"], **conv_attributes(1, "SAME", "BiasAdd")
        ),
        node("deep", "DepthwiseConv2dNative", ["conv1", "k2"], **conv_attributes(1, "SAME")),
        node(
            "conv1",
            "_FusedConv2D",
            ["x", "k1", "b1"],
            **conv_attributes(2, "SAME", "BiasAdd", "Relu"),
        ),
        node("x", "Placeholder", **dims),
    ]
    return nodes, weights


def graph_json(nodes: list[dict[str, Any]], weights: dict[str, Array]) -> tuple[Any, bytes]:
    listed = [
        {"name": name, "shape": list(array.shape), "dtype": "float32"}
        for name, array in weights.items()
    ]
    content = b"".join(array.tobytes() for array in weights.values())
    manifest = [{"paths": ["shard"], "weights": listed}]
    return {"modelTopology": {"node": nodes}, "weightsManifest": manifest}, content


class Strided(torch.nn.Module):
    """Four mirrored convolutions, as the state dictionary names them."""

    def __init__(self, side: int) -> None:
        super().__init__()
        channels = (1, 2, 3, 4, 5)
        for block, stride in enumerate((1, 2, 2, 2), 1):
            layers = (
                torch.nn.ReflectionPad2d(1),
                torch.nn.Conv2d(channels[block - 1], channels[block], 3, stride),
                torch.nn.BatchNorm2d(channels[block]),
                torch.nn.ReLU(),
            )
            setattr(self, f"conv_{block}", torch.nn.Sequential(*layers))
        pixels = 5 * (side // 8) ** 2
        self.linear = torch.nn.Sequential(
            torch.nn.Linear(pixels, 6), torch.nn.ReLU(), torch.nn.Linear(6, 7)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in range(1, 5):
            x = getattr(self, f"conv_{block}")(x)
        return self.linear(x.flatten(1))


class Tanh(torch.nn.Module):
    def __init__(self, side: int) -> None:
        super().__init__()
        for index, (low, high) in enumerate(((1, 2), (2, 3), (3, 4)), 1):
            setattr(self, f"conv{index}", torch.nn.Conv2d(low, high, 3))
        for _ in range(3):
            side = (side - 2) // 2
        self.fc1 = torch.nn.Linear(4 * side**2, 6)
        self.fc2, self.fc3 = torch.nn.Linear(6, 5), torch.nn.Linear(5, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for index in range(1, 4):
            x = F.max_pool2d(getattr(self, f"conv{index}")(x).tanh(), 2)
        return self.fc3(self.fc2(self.fc1(x.flatten(1)).relu()).relu())


def pack(path: Path, files: dict[str, bytes]) -> bytes:
    with tarfile.open(path, "w:gz") as tarball:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tarball.addfile(entry, io.BytesIO(content))
    return path.read_bytes()
