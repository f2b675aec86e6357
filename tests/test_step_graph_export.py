"""Every graph equals torch's own gradient, for the shipped networks and for other kinds."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest
import skimage.data
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

import onnx
from camfilter.errors import SurrogateError
from camfilter.lab.networks import SurrogateFolder, save_weights
from camfilter.lab.publishing import publish_graphs
from camfilter.lab.step_graph import (
    READ_INPUTS,
    READ_OUTPUTS,
    STEP_INPUTS,
    STEP_OUTPUTS,
    graph_bytes,
)
from camfilter.surrogate.manifest import GraphKind, GraphSpec, Manifest

REPOSITORY = Path(__file__).resolve().parents[1]
GRAPHS = REPOSITORY / "onnx"
SHIPPED = Manifest.load(GRAPHS).graphs

Arrays = dict[str, np.ndarray]


@pytest.fixture(autouse=True)
def _quiet_exporter_on_one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(level)
    torch.set_num_threads(threads)


def session(content: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run(content: bytes, inputs: Arrays) -> Arrays:
    opened = session(content)
    names = [output.name for output in opened.get_outputs()]
    fed = {entry.name: inputs[entry.name] for entry in opened.get_inputs()}
    return dict(zip(names, opened.run(names, fed), strict=True))


def portrait(size_px: int) -> np.ndarray:
    """A real face, cut about as FER+ cuts them."""
    face = skimage.data.astronaut()[50:210, 145:305]
    gray = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    scaled = cv2.resize(gray, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return scaled.astype(np.float32) / 255


def stage_inputs(batch: int, size_px: int, seed: int) -> Arrays:
    """Real and random pictures, and every other input away from its neutral value."""
    random = np.random.default_rng(seed)
    shape = (batch, 1, size_px, size_px)
    picture = random.random(shape, np.float32)
    picture[:: 2 if seed % 2 else 1] = portrait(size_px)
    picture = np.clip(picture + random.normal(0, 0.02 * seed, shape), 0, 1).astype(np.float32)
    label = random.dirichlet(np.full(8, 0.5), batch).astype(np.float32)
    return {
        "picture": picture,
        "label": label,
        "step": random.uniform(-0.03, 0.03, (batch, 1, 1, 1)).astype(np.float32),
        "mask": random.random(shape, np.float32),
        "lower": np.clip(picture - 0.015, 0, 1),
        "upper": np.clip(picture + 0.015, 0, 1),
        "momentum": random.normal(0, 1e-4, shape).astype(np.float32),
        "decay": np.asarray(random.uniform(0.2, 1), np.float32),
    }


def reference(network: nn.Module, inputs: Arrays) -> Arrays:
    """The stage by torch's autograd, in double precision, written a second time."""
    given = {name: torch.from_numpy(value.copy()).double() for name, value in inputs.items()}
    picture = given["picture"].requires_grad_()
    network = network.double().eval()
    logits = network(picture)
    loss = -(given["label"] * F.log_softmax(logits, dim=1)).sum()
    (gradient,) = torch.autograd.grad(loss, picture)
    network.float()
    norm = gradient.abs().flatten(1).sum(dim=1).clamp(min=1e-12).view(-1, 1, 1, 1)
    momentum = given["decay"] * given["momentum"] + gradient / norm
    moved = picture + given["step"] * given["mask"] * torch.sign(momentum)
    stepped = torch.min(torch.max(moved, given["lower"]), given["upper"])
    found = {
        "stepped": stepped,
        "gradient": gradient,
        "momentum_next": momentum,
        "logits": logits,
    }
    return {name: value.detach().numpy() for name, value in found.items()}


def assert_same_stage(found: Arrays, wanted: Arrays) -> None:
    gradient, momentum = wanted["gradient"], wanted["momentum_next"]
    difference = np.abs(found["gradient"] - gradient).max()
    assert difference <= 1e-5
    assert difference <= 1e-3 * np.abs(gradient).max()
    assert (np.sign(found["gradient"]) == np.sign(gradient)).mean() >= 0.999
    same_sign = np.sign(found["momentum_next"]) == np.sign(momentum)
    assert same_sign.mean() >= 0.999
    assert np.abs(found["momentum_next"] - momentum).max() <= 1e-3 * np.abs(momentum).max()
    assert np.abs(found["stepped"] - wanted["stepped"])[same_sign].max() <= 1e-6
    assert np.abs(found["logits"] - wanted["logits"]).max() <= 1e-4


def named(spec: GraphSpec) -> str:
    return spec.file


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Module]:
    return {
        spec.surrogate: SurrogateFolder.named(spec.surrogate, REPOSITORY / "models").load()
        for spec in SHIPPED
    }


class TestShipped:
    @pytest.mark.parametrize("spec", SHIPPED, ids=named)
    def test_hashes_are_the_manifests(self, spec: GraphSpec) -> None:
        graph = (GRAPHS / spec.file).read_bytes()
        checkpoint = (REPOSITORY / spec.checkpoint).read_bytes()
        assert hashlib.sha256(graph).hexdigest() == spec.sha256
        assert hashlib.sha256(checkpoint).hexdigest() == spec.checkpoint_sha256

    @pytest.mark.parametrize("spec", SHIPPED, ids=named)
    def test_equals_torch(self, spec: GraphSpec, networks: dict[str, nn.Module]) -> None:
        content = (GRAPHS / spec.file).read_bytes()
        for seed in range(4):
            inputs = stage_inputs(spec.batch, spec.size_px, seed)
            found = run(content, inputs)
            wanted = reference(networks[spec.surrogate], inputs)
            if spec.kind is GraphKind.STEP:
                assert_same_stage(found, wanted)
            else:
                assert np.abs(found["logits"] - wanted["logits"]).max() <= 1e-4

    @pytest.mark.parametrize("spec", SHIPPED, ids=named)
    def test_holds_no_path(self, spec: GraphSpec) -> None:
        model = onnx.load_model_from_string((GRAPHS / spec.file).read_bytes())
        for tensor in model.graph.initializer:
            tensor.raw_data = b""
        text = model.SerializeToString()
        assert not re.search(rb"\.py\b|[\w.-]+/[\w.-]+/|:\\|doc_string|stack", text)
        assert all(not part.doc_string and not part.metadata_props for part in model.graph.node)

    @pytest.mark.parametrize("spec", SHIPPED, ids=named)
    def test_interface(self, spec: GraphSpec) -> None:
        opened = session((GRAPHS / spec.file).read_bytes())
        inputs = {entry.name: tuple(entry.shape) for entry in opened.get_inputs()}
        outputs = {entry.name: tuple(entry.shape) for entry in opened.get_outputs()}
        picture = (spec.batch, 1, spec.size_px, spec.size_px)
        assert {entry.type for entry in opened.get_inputs()} == {"tensor(float)"}
        if spec.kind is GraphKind.READ:
            assert inputs == {"picture": picture}
            assert outputs == {"logits": (spec.batch, 8)}
            return
        assert inputs == dict.fromkeys(STEP_INPUTS, picture) | {
            "label": (spec.batch, 8),
            "step": (spec.batch, 1, 1, 1),
            "decay": (),
        }
        assert outputs == dict.fromkeys(STEP_OUTPUTS, picture) | {"logits": (spec.batch, 8)}

    @pytest.mark.parametrize(
        "name", [spec.surrogate for spec in SHIPPED if spec.kind == "step" and spec.batch == 4]
    )
    def test_a_batch_of_four_is_four_of_one(self, name: str) -> None:
        by_batch = {
            spec.batch: spec for spec in Manifest.load(GRAPHS).graphs_of(name, GraphKind.STEP)
        }
        inputs = stage_inputs(4, by_batch[4].size_px, seed=1)
        together = run((GRAPHS / by_batch[4].file).read_bytes(), inputs)
        single = (GRAPHS / by_batch[1].file).read_bytes()
        for index in range(4):
            part = {
                key: value if value.ndim == 0 else value[index : index + 1]
                for key, value in inputs.items()
            }
            alone = run(single, part)
            one = {key: value[index : index + 1] for key, value in together.items()}
            scale = np.abs(alone["gradient"]).max()
            assert np.abs(one["gradient"] - alone["gradient"]).max() <= 1e-4 * scale
            assert np.abs(one["logits"] - alone["logits"]).max() <= 1e-5
            assert (np.abs(one["stepped"] - alone["stepped"]) <= 1e-6).mean() >= 0.999


def convolution(
    inputs: int,
    outputs: int,
    activation: type[nn.Module],
    *,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        activation(),
    )


class Small(nn.Sequential):
    size_px = 16


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = convolution(inputs, outputs, nn.SiLU, stride=2)
        self.second = convolution(outputs, outputs, nn.Identity)
        self.short = convolution(inputs, outputs, nn.Identity, kernel=1, stride=2)

    def forward(self, picture: Tensor) -> Tensor:
        return F.silu(self.second(self.first(picture)) + self.short(picture))


class Gated(nn.Module):
    """Squeeze and excitation; also `1 - x`, which torch's own rules write in place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(channels, channels, 1)

    def forward(self, picture: Tensor) -> Tensor:
        gate = torch.sigmoid(self.gate(picture.mean(dim=(2, 3), keepdim=True)))
        return picture * gate + (1 - gate) * picture.square()


class Mean(nn.Module):
    def forward(self, picture: Tensor) -> Tensor:
        return picture.mean(dim=(2, 3))


def plain() -> nn.Module:
    body = (convolution(1, 8, nn.ELU), nn.AvgPool2d(2), convolution(8, 16, nn.ELU))
    head = (nn.Flatten(), nn.Dropout(), nn.Linear(256, 8), nn.BatchNorm1d(8))
    return Small(*body, nn.AvgPool2d(2), *head)


def residual() -> nn.Module:
    stem = convolution(1, 8, nn.SiLU, kernel=5, stride=2)
    return Small(stem, Residual(8, 16), Residual(16, 16), Mean(), nn.Linear(16, 8))


def depthwise() -> nn.Module:
    return Small(
        convolution(1, 8, nn.SiLU),
        convolution(8, 8, nn.SiLU, groups=8),
        convolution(8, 16, nn.SiLU, kernel=1),
        convolution(16, 16, nn.SiLU, kernel=5, stride=2, groups=16),
        convolution(16, 16, nn.SiLU, groups=4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 8),
    )


def maximum() -> nn.Module:
    body = (convolution(1, 8, nn.ReLU), nn.MaxPool2d(2), convolution(8, 8, nn.ReLU))
    return Small(*body, nn.MaxPool2d(3, 2, 1), nn.Flatten(), nn.Linear(128, 8))


def gated() -> nn.Module:
    norms = (nn.Conv2d(1, 8, 3), nn.ELU(0.5), nn.BatchNorm2d(8), Gated(8), nn.AvgPool2d(4))
    return Small(*norms, convolution(8, 8, nn.GELU), Mean(), nn.Linear(8, 8))


def overlapping() -> nn.Module:
    return Small(convolution(1, 8, nn.ELU), nn.AvgPool2d(3, 2, 1), Mean(), nn.Linear(8, 8))


def random_weights(network: nn.Module) -> nn.Module:
    """Norms away from the identity, so that fusing them is put to the test."""
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.3)
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.3)
    return network.eval()


class TestKinds:
    @pytest.mark.parametrize("build", [plain, residual, depthwise, maximum, gated])
    def test_equals_torch(self, build: type[nn.Module]) -> None:
        network = random_weights(build())
        content = graph_bytes(network, GraphKind.STEP, 3)
        inputs = stage_inputs(3, 16, seed=1)
        assert_same_stage(run(content, inputs), reference(network, inputs))

    def test_a_wrong_gradient_is_noticed(self) -> None:
        network = random_weights(plain())
        content = graph_bytes(network, GraphKind.STEP, 1)
        inputs = stage_inputs(1, 16, seed=1)
        with torch.no_grad():
            next(network.parameters()).mul_(1.02)
        with pytest.raises(AssertionError):
            assert_same_stage(run(content, inputs), reference(network, inputs))

    def test_norms_are_fused_and_only_kernels_are_turned(self) -> None:
        content = graph_bytes(random_weights(plain()), GraphKind.STEP, 1)
        graph = onnx.load_model_from_string(content).graph
        assert "BatchNormalization" not in {node.op_type for node in graph.node}
        assert sum(node.op_type == "Exp" for node in graph.node) == 2
        constants = {tensor.name for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type in {"Transpose", "Slice", "Gather"}:
                assert node.input[0] in constants
                constants.add(node.output[0])

    def test_each_kernel_is_stored_once(self) -> None:
        network = random_weights(plain())
        read = graph_bytes(network, GraphKind.READ, 1)
        step = graph_bytes(network, GraphKind.STEP, 1)
        assert len(step) < 1.05 * len(read) + 40_000

    def test_exporting_leaves_the_network_as_it_was(self) -> None:
        network = random_weights(plain())
        before = {key: value.clone() for key, value in network.state_dict().items()}
        trainable = [weight.requires_grad for weight in network.parameters()]
        graph_bytes(network, GraphKind.STEP, 1)
        assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
        assert [weight.requires_grad for weight in network.parameters()] == trainable

    def test_what_cannot_be_exported_says_so(self) -> None:
        with pytest.raises(SurrogateError, match="windows tile"):
            graph_bytes(overlapping(), GraphKind.STEP, 1)


NETWORK = """
from torch import nn


class Tiny(nn.Sequential):
    size_px = 16


def build() -> nn.Module:
    return Tiny(nn.Conv2d(1, 4, 3), nn.ELU(), nn.Flatten(), nn.Linear(784, 8))
"""


@pytest.fixture
def surrogates(tmp_path: Path) -> list[SurrogateFolder]:
    found = []
    for name in ("first", "second"):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / "network.py").write_text(NETWORK)
        surrogate = SurrogateFolder.named(name, tmp_path / "models")
        torch.manual_seed(len(found))
        save_weights(surrogate.build(), surrogate.checkpoint)
        found.append(surrogate)
    return found


def fake_export(network: nn.Module, kind: GraphKind, batch: int) -> bytes:
    """A well-formed file that depends on the weights, without a trace."""
    weights = sum(float(weight.detach().sum()) for weight in network.parameters())
    graph = onnx.helper.make_graph([], f"{kind.value} {batch} {weights}", [], [])
    return onnx.helper.make_model(graph).SerializeToString()


class TestPublishing:
    def test_other_surrogates_keep_their_entries(
        self, surrogates: list[SurrogateFolder], tmp_path: Path
    ) -> None:
        first, second = surrogates
        publish_graphs(first, tmp_path / "onnx", (1, 2), export=fake_export)
        kept = publish_graphs(second, tmp_path / "onnx", (1,), export=fake_export)
        torch.manual_seed(7)
        save_weights(first.build(), first.checkpoint)
        fresh = publish_graphs(first, tmp_path / "onnx", (1,), export=fake_export)
        manifest = Manifest.load(tmp_path / "onnx")
        assert manifest.graphs == (*fresh, *kept)
        assert sorted(path.name for path in (tmp_path / "onnx").glob("*.onnx")) == sorted(
            spec.file for spec in manifest.graphs
        )
        for spec in manifest.graphs:
            content = (tmp_path / "onnx" / spec.file).read_bytes()
            assert hashlib.sha256(content).hexdigest() == spec.sha256

    def test_the_same_weights_give_the_same_bytes(
        self, surrogates: list[SurrogateFolder], tmp_path: Path
    ) -> None:
        once = publish_graphs(surrogates[0], tmp_path / "once", (1,))
        again = publish_graphs(surrogates[0], tmp_path / "again", (1,))
        assert once == again
        found = session((tmp_path / "once" / once[1].file).read_bytes())
        assert tuple(entry.name for entry in found.get_inputs()) == READ_INPUTS
        assert tuple(entry.name for entry in found.get_outputs()) == READ_OUTPUTS
