"""Gradients written as forward operators equal torch's own, layer by layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, fx, nn
from torch.func import vjp

import onnx
from camfilter.errors import SurrogateError
from camfilter.lab.clipping import merge_clipped_lines
from camfilter.lab.tracing import fused, traced
from camfilter.surrogate.manifest import GraphKind, GraphSpec, Manifest
from onnx import TensorProto, helper

GRAPHS = Path(__file__).resolve().parents[1] / "onnx"
STEPS = [spec for spec in Manifest.load(GRAPHS).graphs if spec.kind is GraphKind.STEP]

aten = torch.ops.aten

pytestmark = pytest.mark.usefixtures("one_thread")


class Pulled(nn.Module):
    """The gradient that a layer passes on, as a step graph computes it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, picture: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        result, gradient_of, *_ = vjp(self.layer, picture)
        (passed_on,) = gradient_of(gradient)
        return result, passed_on


def proved(layer: nn.Module, picture: Tensor) -> fx.GraphModule:
    """The trace of a layer and its gradient, once both equal torch's own in double precision."""
    layer = nn.Sequential(layer).eval()
    gradient = torch.randn_like(layer(picture))
    graph = traced(Pulled(fused(layer)), (picture, gradient))
    found, passed_on = graph(picture, gradient)
    exact = picture.double().requires_grad_()
    wanted = layer.double()(exact)
    (wanted_on,) = torch.autograd.grad(wanted, exact, gradient.double())
    torch.testing.assert_close(found.double(), wanted.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(passed_on.double(), wanted_on, rtol=1e-5, atol=1e-5)
    return graph


def pictures(channels: int = 6, size: int = 12, spread: float = 4.0) -> Tensor:
    """Random values on both sides of every bound that the layers know."""
    torch.manual_seed(3)
    return spread * torch.randn(2, channels, size, size)


def transposed(graph: fx.GraphModule) -> list[bool]:
    """Of each convolution of a trace, whether it is a transposed one."""
    nodes = [node for node in graph.graph.nodes if node.target is aten.convolution.default]
    return [bool(node.args[6]) for node in nodes]


@pytest.mark.parametrize(
    "layer",
    [
        nn.ELU(),
        nn.ELU(0.5),
        nn.CELU(2.0),
        nn.SELU(),
        nn.ReLU(),
        nn.Threshold(1.5, 0.0),
        nn.SiLU(),
        nn.Hardswish(),
        nn.Sequential(nn.Conv2d(6, 4, 3, 1, 1), nn.ELU(inplace=True)),
    ],
    ids=str,
)
def test_activations(layer: nn.Module) -> None:
    proved(layer, pictures())


def test_activations_far_from_zero() -> None:
    far = torch.tensor([-100.0, -20.0, -3.0001, -1e-6, 1e-6, 2.9999, 3.0001, 90.0, 1000.0])
    picture = far.repeat(4, 1).reshape(1, 4, 3, 3)
    for layer in (nn.ELU(), nn.ReLU(), nn.SiLU(), nn.Hardswish()):
        proved(layer, picture)


@pytest.mark.parametrize("layer", [nn.ReLU(), nn.SiLU(), nn.Hardswish()], ids=str)
def test_no_mask_chooses(layer: nn.Module) -> None:
    graph = proved(layer, pictures())
    kinds = {node.target.overloadpacket for node in graph.graph.nodes if node.op == "call_function"}
    assert not kinds & {aten.where, aten.lt, aten.le, aten.gt, aten.ge, aten.eq}


@pytest.mark.parametrize("size", [12, 13])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [3, 5])
def test_convolutions_of_single_channels(kernel: int, stride: int, size: int) -> None:
    layer = nn.Conv2d(6, 6, kernel, stride, kernel // 2, groups=6)
    graph = proved(layer, pictures(size=size))
    if size % stride == 0:
        assert transposed(graph) == [False, False]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_convolutions_of_all_channels(groups: int, stride: int) -> None:
    graph = proved(nn.Conv2d(6, 4, 3, stride, 1, groups=groups), pictures())
    assert transposed(graph) == [False, stride > 1]


def test_a_picture_of_one_channel_is_transposed() -> None:
    assert transposed(proved(nn.Conv2d(1, 8, 5, 1, 2), pictures(channels=1))) == [False, True]


@pytest.mark.parametrize("kernel", [2, 3])
def test_maxima_with_and_without_relu(kernel: int) -> None:
    proved(nn.MaxPool2d(kernel), pictures())
    proved(nn.Sequential(nn.ReLU(), nn.MaxPool2d(kernel)), pictures())
    proved(nn.MaxPool2d(kernel, 1, 1), pictures())


def test_maxima_come_before_relu() -> None:
    graph = proved(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), pictures())
    shapes = {
        tuple(node.meta["val"].shape)
        for node in graph.graph.nodes
        if node.target is aten.relu.default
    }
    assert shapes == {(2, 6, 6, 6)}


def test_relu_stays_where_something_else_reads_it() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu, self.pool = nn.ReLU(), nn.MaxPool2d(2)

        def forward(self, picture: Tensor) -> Tensor:
            positive = self.relu(picture)
            return torch.cat([self.pool(positive), positive[:, :, :6, :6]], dim=1)

    layer = Both()
    assert torch.equal(fused(layer)(pictures()), layer(pictures()))


def test_a_transposed_convolution_is_refused() -> None:
    with pytest.raises(SurrogateError, match="transposed"):
        proved(nn.ConvTranspose2d(6, 4, 3), pictures())


def lines(bounds: tuple[float, float], outputs: tuple[str, ...] = ("y",)) -> onnx.ModelProto:
    """Clip(3 x - 1/2) between bounds, the product on the right or the left as they come."""
    numbers = {"slope": 3.0, "offset": -0.5, "least": bounds[0], "most": bounds[1]}
    nodes = [
        helper.make_node("Mul", ["slope", "x"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["shifted"]),
        helper.make_node("Clip", ["shifted", "least", "most"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "lines",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [5])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [5]) for name in outputs],
        [helper.make_tensor(name, TensorProto.FLOAT, [], [v]) for name, v in numbers.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def values(model: onnx.ModelProto) -> list[np.ndarray]:
    onnx.checker.check_model(model, full_check=True)
    opened = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(opened.run(None, {"x": np.array([-1, 0, 0.2, 0.4, 2], np.float32)}))


@pytest.mark.parametrize(
    ("bounds", "outputs", "kinds"),
    [
        ((0.0, 1.0), ("y",), ["HardSigmoid"]),
        ((0.0, 1.0), ("y", "shifted"), ["Mul", "Add", "HardSigmoid"]),
        ((0.0, 6.0), ("y",), ["Mul", "Add", "Clip"]),
    ],
)
def test_clipped_lines_are_merged(
    bounds: tuple[float, float], outputs: tuple[str, ...], kinds: list[str]
) -> None:
    model = lines(bounds, outputs)
    wanted = values(model)
    merge_clipped_lines(model)
    assert [node.op_type for node in model.graph.node] == kinds
    np.testing.assert_allclose(values(model), wanted, atol=1e-6)
    if kinds == ["HardSigmoid"]:
        assert not model.graph.initializer


@pytest.mark.parametrize("spec", STEPS, ids=lambda spec: spec.file)
def test_shipped_steps_hold_no_slow_operator(spec: GraphSpec) -> None:
    graph = onnx.load_model_from_string((GRAPHS / spec.file).read_bytes()).graph
    kinds = {node.op_type for node in graph.node}
    assert not kinds & {"Elu", "HardSwish", "Where", "Less", "LessOrEqual", "Equal", "Cast"}
    kernels = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "ConvTranspose":
            groups = next((a.i for a in node.attribute if a.name == "group"), 1)
            assert groups == 1 or groups < kernels[node.input[1]][0]
