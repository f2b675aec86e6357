"""Foreign networks, rebuilt as ONNX, compute what their layers mean."""

from __future__ import annotations

import io
import json
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

import onnx
from camfilter.errors import SettingError, UnreadableSource
from camfilter.lab.foreign.face_api import expression_network
from camfilter.lab.foreign.graph import Array, GraphBuilder, padding
from camfilter.lab.foreign.keras import layers_to_onnx, read_keras
from camfilter.lab.foreign.plain import read_state, strided_network, tanh_network
from camfilter.lab.foreign.tfjs import graph_model, read_weights
from foreign_support import (
    Numbers,
    Strided,
    Tanh,
    conv_attributes,
    face_api_in_torch,
    face_api_weights,
    graph_json,
    graph_parts,
    plus,
    run,
    same_conv,
    separable,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def numbers() -> Numbers:
    return Numbers()


class TestShards:
    MANIFEST = (
        {
            "paths": ["one", "two"],
            "weights": [
                {
                    "name": "byte",
                    "shape": [2, 2],
                    "dtype": "float32",
                    "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0},
                },
                {"name": "plain", "shape": [2], "dtype": "float32"},
                {
                    "name": "word",
                    "shape": [2],
                    "dtype": "float32",
                    "quantization": {"dtype": "uint16", "scale": 0.25, "min": 3.0},
                },
                {
                    "name": "half",
                    "shape": [1],
                    "dtype": "float32",
                    "quantization": {"dtype": "float16", "original_dtype": "float32"},
                },
                {"name": "axes", "shape": [2], "dtype": "int32"},
            ],
        },
    )
    CONTENT = (
        bytes([0, 1, 2, 255])
        + np.array([1.5, -2], "<f4").tobytes()
        + np.array([0, 40000], "<u2").tobytes()
        + np.array([0.75], "<f2").tobytes()
        + np.array([1, 2], "<i4").tobytes()
    )

    def decoded(self, content: bytes) -> dict[str, Array]:
        shards = {"one": content[:7], "two": content[7:]}  # a weight lies across the cut
        return read_weights(self.MANIFEST, shards.__getitem__)

    def test_each_way_of_storing_is_decoded(self) -> None:
        weights = self.decoded(self.CONTENT)
        assert weights["byte"].tolist() == [[-1.0, -0.5], [0.0, 126.5]]
        assert weights["plain"].tolist() == [1.5, -2.0]
        assert weights["word"].tolist() == [3.0, 10003.0]
        assert weights["half"].tolist() == [0.75]
        assert weights["axes"].tolist() == [1.0, 2.0]
        assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}

    @pytest.mark.parametrize(
        ("content", "word"), [(CONTENT[:-1], "shorter"), (CONTENT + b"x", "longer")]
    )
    def test_shards_of_another_length_are_refused(self, content: bytes, word: str) -> None:
        with pytest.raises(UnreadableSource, match=word):
            self.decoded(content)

    def test_an_unknown_type_is_refused(self) -> None:
        manifest = [{"paths": [], "weights": [{"name": "x", "shape": [1], "dtype": "string"}]}]
        with pytest.raises(UnreadableSource, match="stored as string"):
            read_weights(manifest, lambda _: b"")


class TestLayers:
    def test_same_padding_puts_the_odd_pixel_last(self) -> None:
        # Four pixels in a row, a window of three ones, stride 2: 1+2+3 and 3+4+0.
        build = GraphBuilder("row", 1, 4)
        ones = np.zeros((3, 3, 1, 1), np.float32)
        ones[0, :, 0, 0] = 1  # rows do not mix
        model = build.model(build.flat(build.conv(build.input, ones, stride=2)))
        picture = np.tile(np.array([1, 2, 3, 4], np.float32), (4, 1))[None, None]
        assert run(model, picture).reshape(2, 2).tolist() == [[6, 7], [6, 7]]

    @pytest.mark.parametrize(
        ("side", "window", "stride", "expected"),
        [
            (64, 3, 2, (0, 1, 32)),
            (61, 3, 2, (1, 1, 31)),
            (7, 3, 1, (1, 1, 7)),
            (8, 1, 2, (0, 0, 4)),
            (5, 2, 1, (0, 1, 5)),
        ],
    )
    def test_same_padding(
        self, side: int, window: int, stride: int, expected: tuple[int, int, int]
    ) -> None:
        assert padding(side, window, stride, same=True) == expected
        assert padding(side, window, stride, same=False)[:2] == (0, 0)

    @pytest.mark.parametrize("side", [6, 7])
    @pytest.mark.parametrize("stride", [1, 2])
    def test_a_separable_convolution_equals_torch(
        self, side: int, stride: int, numbers: Numbers
    ) -> None:
        depth, point, bias = numbers(3, 3, 4, 1), numbers(1, 1, 4, 5), numbers(5)
        build = GraphBuilder("separable", 4, side)
        out = build.separable(build.input, depth, point, bias, stride=stride)
        pictures = numbers(2, 4, side, side)
        expected = plus(separable(torch.from_numpy(pictures), depth, point, stride), bias)
        got = run(build.model(build.flat(out)), pictures)
        assert out.side_px == expected.shape[-1]
        np.testing.assert_allclose(got, expected.flatten(1).numpy(), rtol=1e-4, atol=1e-5)

    def test_pads_never_win_a_pool(self) -> None:
        build = GraphBuilder("pool", 1, 5)
        model = build.model(build.flat(build.max_pool(build.input, 3, 2, same=True)))
        got = run(model, np.full((1, 1, 5, 5), -4, np.float32))
        assert got.tolist() == [[-4.0] * 9]

    def test_flattening_follows_the_order_asked_for(self, numbers: Numbers) -> None:
        pictures = numbers(2, 3, 2, 2)
        for channels_last, axes in ((False, (0, 1, 2, 3)), (True, (0, 2, 3, 1))):
            build = GraphBuilder("flat", 3, 2)
            got = run(build.model(build.flat(build.input, channels_last=channels_last)), pictures)
            assert np.array_equal(got, pictures.transpose(axes).reshape(2, -1))

    def test_weights_that_do_not_fit_are_refused(self, numbers: Numbers) -> None:
        build = GraphBuilder("misfit", 3, 8)
        with pytest.raises(UnreadableSource, match="for 4 channels was given 3"):
            build.conv(build.input, numbers(3, 3, 4, 2))
        with pytest.raises(UnreadableSource, match="several filters"):
            build.depthwise(build.input, numbers(3, 3, 3, 2))
        with pytest.raises(UnreadableSource, match=r"shape \(3, 2, 3, 2\)"):
            build.conv(build.input, numbers(3, 2, 3, 2))
        smaller = build.conv(build.input, numbers(3, 3, 3, 3), same=False)
        with pytest.raises(UnreadableSource, match="different shapes"):
            build.add(build.input, smaller)


class TestFaceApi:
    def test_the_network_equals_torch(self, numbers: Numbers) -> None:
        weights = face_api_weights(numbers, 3)
        pictures = numbers(2, 3, 36, 36)
        got = run(expression_network("net", weights, 36), pictures)
        expected = face_api_in_torch(weights, torch.from_numpy(pictures)).numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)

    def test_a_missing_weight_is_named(self, numbers: Numbers) -> None:
        weights = face_api_weights(numbers, 3)
        del weights["dense2/conv1/bias"]
        with pytest.raises(UnreadableSource, match="lack dense2/conv1/bias"):
            expression_network("net", weights)


class TestGraphModels:
    def test_a_graph_in_any_order_equals_torch(self, numbers: Numbers) -> None:
        nodes, weights = graph_parts(numbers)
        document, content = graph_json(nodes, weights)
        pictures = numbers(3, 1, 9, 9)
        got = run(graph_model("net", document, lambda _: content), pictures)
        first = plus(same_conv(torch.from_numpy(pictures), weights["k1"], 2), weights["b1"]).relu()
        deep = plus(separable(first, weights["k2"], weights["k3"]), weights["b3"])
        total = (deep + F.max_pool2d(first, 3, 1, 1)).relu()
        last = F.conv2d(total, torch.from_numpy(weights["k4"].transpose(3, 2, 0, 1).copy()))
        expected = plus(last, weights["b4"]).mean(dim=(2, 3)).numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ("name", "change", "words"),
        [
            ("relu", {"op": "Elu"}, "Elu is not supported"),
            ("conv1", {"attr": conv_attributes(1, "SAME", "BiasAdd", "Elu")}, "'Elu'"),
            ("x", {"op": "Const"}, "0 inputs"),
            ("softmax", {"op": "Identity"}, "0 softmaxes"),
        ],
    )
    def test_what_is_not_supported_is_refused(
        self, name: str, change: dict[str, Any], words: str, numbers: Numbers
    ) -> None:
        nodes, weights = graph_parts(numbers)
        next(one for one in nodes if one["name"] == name).update(change)
        document, content = graph_json(nodes, weights)
        with pytest.raises(UnreadableSource, match=words):
            graph_model("net", document, lambda _: content)


def keras_layer(kind: str, name: str, *links: str, **config: Any) -> dict[str, Any]:
    inbound = [[[link, 0, 0, {}] for link in links]]
    return {"class_name": kind, "config": {"name": name, **config}, "inbound_nodes": inbound}


def keras_parts(numbers: Numbers) -> tuple[list[dict[str, Any]], dict[str, dict[str, Array]]]:
    layers = [
        keras_layer("InputLayer", "x", batch_input_shape=[None, 10, 10, 1]),
        keras_layer("Conv2D", "conv", "x", strides=[1, 1], padding="valid", activation="relu"),
        keras_layer("SeparableConv2D", "sep", "conv", strides=[1, 1], padding="same"),
        keras_layer("BatchNormalization", "norm", "sep", epsilon=0.001),
        keras_layer(
            "MaxPooling2D", "pool", "norm", pool_size=[3, 3], strides=[2, 2], padding="same"
        ),
        keras_layer("Conv2D", "short", "conv", strides=[2, 2], padding="same"),
        keras_layer("Add", "sum", "pool", "short"),
        keras_layer("Flatten", "flat", "sum"),
        keras_layer("Dropout", "drop", "flat"),
        keras_layer("Dense", "dense", "drop", activation="softmax"),
    ]
    weights = {
        "conv": {"kernel": numbers(3, 3, 1, 4), "bias": numbers(4)},
        "sep": {"depthwise_kernel": numbers(3, 3, 4, 1), "pointwise_kernel": numbers(1, 1, 4, 4)},
        "norm": {
            "gamma": numbers(4),
            "beta": numbers(4),
            "moving_mean": numbers(4),
            "moving_variance": numbers.positive(4),
        },
        "short": {"kernel": numbers(1, 1, 4, 4)},
        "dense": {"kernel": numbers(64, 7), "bias": numbers(7)},
    }
    return layers, weights


class TestKeras:
    def test_layers_equal_torch(self, numbers: Numbers) -> None:
        layers, weights = keras_parts(numbers)
        pictures = numbers(2, 1, 10, 10)
        got = run(layers_to_onnx("net", layers, weights), pictures)
        conv, norm, dense = weights["conv"], weights["norm"], weights["dense"]
        kernel = torch.from_numpy(conv["kernel"].transpose(3, 2, 0, 1).copy())
        x = plus(F.conv2d(torch.from_numpy(pictures), kernel), conv["bias"]).relu()
        deep = separable(x, weights["sep"]["depthwise_kernel"], weights["sep"]["pointwise_kernel"])
        order = ("moving_mean", "moving_variance", "gamma", "beta")
        deep = F.batch_norm(deep, *(torch.from_numpy(norm[one]) for one in order), eps=0.001)
        pooled = F.max_pool2d(F.pad(deep, (0, 1, 0, 1), value=-torch.inf), 3, 2)
        total = pooled + same_conv(x, weights["short"]["kernel"], 2)
        flat = total.permute(0, 2, 3, 1).flatten(1)
        expected = flat @ torch.from_numpy(dense["kernel"]) + torch.from_numpy(dense["bias"])
        np.testing.assert_allclose(got, expected.numpy(), rtol=1e-4, atol=1e-4)

    def test_a_sequence_without_links_reads_from_the_layer_before(self, numbers: Numbers) -> None:
        layers, weights = keras_parts(numbers)
        chain = [layers[0], layers[1], keras_layer("GlobalAveragePooling2D", "mean")]
        chain.append(keras_layer("Activation", "end", activation="softmax"))
        for layer in chain:
            del layer["inbound_nodes"]
        pictures = numbers(2, 1, 10, 10)
        kernel = torch.from_numpy(weights["conv"]["kernel"].transpose(3, 2, 0, 1).copy())
        x = plus(F.conv2d(torch.from_numpy(pictures), kernel), weights["conv"]["bias"]).relu()
        got = run(layers_to_onnx("net", chain, weights), pictures)
        np.testing.assert_allclose(got, x.mean(dim=(2, 3)).numpy(), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ("index", "layer", "words"),
        [
            (2, keras_layer("LSTM", "sep", "conv"), "LSTM is not supported"),
            (8, keras_layer("Activation", "drop", "flat", activation="elu"), "elu of drop"),
            (9, keras_layer("Dropout", "dense", "drop"), "does not end in a softmax"),
            (9, keras_layer("Dense", "other", "drop"), "other lacks kernel"),
        ],
    )
    def test_what_is_not_supported_is_refused(
        self, index: int, layer: dict[str, Any], words: str, numbers: Numbers
    ) -> None:
        layers, weights = keras_parts(numbers)
        layers[index] = layer
        with pytest.raises(UnreadableSource, match=words):
            layers_to_onnx("net", layers, weights)

    def test_a_missing_h5py_says_how_to_get_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "h5py", None)
        with pytest.raises(SettingError, match="pip install h5py"):
            read_keras(b"")

    def test_a_saved_model_is_read(self, numbers: Numbers) -> None:
        h5py = pytest.importorskip("h5py", reason="h5py is not installed")
        layers, weights = keras_parts(numbers)
        file = io.BytesIO()
        with h5py.File(file, "w") as written:
            written.attrs["model_config"] = json.dumps({"config": {"layers": layers}})
            for layer, arrays in weights.items():
                for name, array in arrays.items():
                    written[f"model_weights/{layer}/{layer}_1/{name}:0"] = array
        got_layers, got = read_keras(file.getvalue())
        assert got_layers == layers
        assert {name: sorted(arrays) for name, arrays in got.items()} == {
            name: sorted(arrays) for name, arrays in weights.items()
        }
        assert np.array_equal(got["dense"]["kernel"], weights["dense"]["kernel"])
        with pytest.raises(UnreadableSource, match="not a model saved by Keras"):
            read_keras(b"no hdf5")


class Told:
    """Something that a picture network has no reason to hold."""


class TestPlainNetworks:
    @pytest.mark.parametrize(
        ("module", "convert", "side"),
        [(Strided(24), strided_network, 24), (Tanh(38), tanh_network, 38)],
        ids=["strided", "tanh"],
    )
    def test_they_equal_torch(
        self,
        module: torch.nn.Module,
        convert: Callable[[str, dict[str, Array], int], onnx.ModelProto],
        side: int,
        numbers: Numbers,
    ) -> None:
        module.train()
        pictures = torch.from_numpy(numbers(4, 1, side, side))
        module(3 * pictures + 1)  # statistics other than 0 and 1
        module.eval()
        file = io.BytesIO()
        torch.save({"network": module.state_dict(), "epochs": 3}, file)
        got = run(convert("net", read_state(file.getvalue(), "network"), side), pictures.numpy())
        expected = module(pictures).detach().numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
        with pytest.raises(UnreadableSource, match="The weights lack"):
            convert("net", {}, side)

    def test_a_file_that_would_run_code_is_refused(self) -> None:
        file = io.BytesIO()
        torch.save({"weight": Told()}, file)
        for content in (file.getvalue(), pickle.dumps(Told(), protocol=2), b"", b"no pickle"):
            with pytest.raises(UnreadableSource, match="not a PyTorch state dictionary"):
                read_state(content)
