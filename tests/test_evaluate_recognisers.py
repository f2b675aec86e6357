from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import onnx
from camfilter.errors import SettingError
from camfilter.expressions import EXPRESSIONS
from camfilter.frames import Pixels
from camfilter.lab.evaluate.description import Description, Kind
from camfilter.lab.evaluate.recognisers import ForeignRecogniser, load_recognisers
from camfilter.surrogate.onnx import OnnxSurrogate
from camfilter.surrogate.reading import softmax
from onnx import TensorProto, helper, numpy_helper

SIZE = 8
CLASSES = ("anger", "happiness", "boredom")
DESCRIPTION = """
name = "tiny"
family = "one layer"
size_px = 8
colour = "rgb"
scale = 0.00392156862745098
output = "logits"
classes = ["anger", "happiness", "boredom"]
"""


def network(
    weights: np.ndarray, shape: list[int | str], *, softened: bool = False, bias: float = 0.0
) -> onnx.ModelProto:
    """One linear layer on the picture as it lies in memory: every pixel counts in its own way."""
    nodes = [
        helper.make_node("Flatten", ["picture"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["sums"]),
        helper.make_node("Add", ["sums", "bias"], ["logits"]),
    ]
    if softened:
        nodes.append(helper.make_node("Softmax", ["logits"], ["shares"]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(
                "shares" if softened else "logits", TensorProto.FLOAT, None
            )
        ],
        [
            numpy_helper.from_array(weights.astype(np.float32), "weights"),
            numpy_helper.from_array(np.full(weights.shape[1], bias, np.float32), "bias"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def saved(folder: Path, model: onnx.ModelProto, description: str, name: str = "tiny") -> Path:
    path = folder / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    path.with_suffix(".toml").write_text(description)
    return path


@pytest.fixture
def weights() -> np.ndarray:
    """For red, green and blue planes in [0, 1]: (3 * 8 * 8, 3)."""
    return np.random.default_rng(0).normal(0, 0.5, (3 * SIZE * SIZE, len(CLASSES)))


@pytest.fixture
def crops() -> list[Pixels]:
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8) for _ in range(5)]


def by_hand(weights: np.ndarray, crops: list[Pixels]) -> np.ndarray:
    planes = np.stack([crop[:, :, ::-1].transpose(2, 0, 1) for crop in crops]) / 255
    return softmax((planes.reshape(len(crops), -1) @ weights).astype(np.float32))


def test_a_foreign_network_reads_as_it_was_described(
    tmp_path: Path, weights: np.ndarray, crops: list[Pixels]
) -> None:
    model = network(weights, ["pictures", 3, SIZE, SIZE])
    foreign = ForeignRecogniser(saved(tmp_path, model, DESCRIPTION))
    assert (foreign.name, foreign.family, foreign.classes) == ("tiny", "one layer", CLASSES)
    assert foreign.kind is Kind.FOREIGN
    assert np.allclose(foreign.read(crops), by_hand(weights, crops), atol=1e-5)


def test_another_order_layout_and_scale_give_the_same_readings(
    tmp_path: Path, weights: np.ndarray, crops: list[Pixels]
) -> None:
    """The same network, saved by somebody who feeds it BGR, channels last, from -1 to 1."""
    planes = weights.reshape(3, SIZE, SIZE, -1)
    turned = planes[::-1].transpose(1, 2, 0, 3).reshape(weights.shape) / 2
    model = network(turned, [1, SIZE, SIZE, 3], softened=True)
    # x in [0, 1] is (y + 1) / 2, so the layer lacks half the sum of its weights.
    bias = numpy_helper.from_array(turned.sum(axis=0).astype(np.float32), "bias")
    model.graph.initializer[1].CopyFrom(bias)
    described = DESCRIPTION.replace('"rgb"', '"bgr"').replace('"logits"', '"probabilities"')
    described = described.replace("scale = 0.00392156862745098", "scale = 0.00784313725490196")
    described += 'layout = "nhwc"\noffset = [-1, -1.0, -1.0]\n'
    other = ForeignRecogniser(saved(tmp_path, model, described))
    assert np.allclose(other.read(crops), by_hand(weights, crops), atol=1e-5)


def test_each_channel_may_have_its_own_scale(
    tmp_path: Path, weights: np.ndarray, crops: list[Pixels]
) -> None:
    planes = weights.reshape(3, SIZE * SIZE, -1)
    scales = np.array([1.0, 2.0, 4.0])
    model = network((planes / scales[:, None, None]).reshape(weights.shape), [1, 3, SIZE, SIZE])
    numbers = ", ".join(repr(float(scale / 255)) for scale in scales)
    described = DESCRIPTION.replace("scale = 0.00392156862745098", f"scale = [{numbers}]")
    foreign = ForeignRecogniser(saved(tmp_path, model, described))
    assert np.allclose(foreign.read(crops), by_hand(weights, crops), atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, "n"])
def test_any_batch_reads_all_crops(
    tmp_path: Path, weights: np.ndarray, crops: list[Pixels], batch: int | str
) -> None:
    model = network(weights, [batch, 3, SIZE, SIZE])
    foreign = ForeignRecogniser(saved(tmp_path, model, DESCRIPTION))
    assert np.allclose(foreign.read(crops), by_hand(weights, crops), atol=1e-5)


def test_gray_is_luma(tmp_path: Path, crops: list[Pixels]) -> None:
    model = network(np.ones((SIZE * SIZE, 3)) * [[0.1, -0.1, 0]], ["n", 1, SIZE, SIZE])
    foreign = ForeignRecogniser(saved(tmp_path, model, DESCRIPTION.replace('"rgb"', '"gray"')))
    luma = [(crop @ [0.114, 0.587, 0.299]).sum() / 255 for crop in crops]
    expected = softmax(np.array([[0.1 * x, -0.1 * x, 0] for x in luma], np.float32))
    assert np.allclose(foreign.read(crops), expected, atol=2e-3)


def test_larger_crops_are_made_small(tmp_path: Path, weights: np.ndarray) -> None:
    model = network(weights, ["n", 3, SIZE, SIZE])
    foreign = ForeignRecogniser(saved(tmp_path, model, DESCRIPTION))
    assert foreign.rule.size_px == 128
    small = np.random.default_rng(2).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    large = small.repeat(16, axis=0).repeat(16, axis=1)
    assert np.allclose(foreign.read([large]), foreign.read([small]), atol=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"rgb"', '"cmyk"', "wrong at colour"),
        ("size_px = 8", "size_px = 4", "wrong at size_px"),
        ("size_px = 8", "size_px = 16", "cannot read pictures of 16 px"),
        (', "boredom"]', "]", "gives 3 numbers for a picture, not 2"),
        ('"boredom"]', '"anger"]', "two classes have the same name"),
        ("scale = 0.00392156862745098", "scale = [1.0, 2.0]", "scale needs 1 or 3 numbers"),
        ("scale = 0.00392156862745098", "scale = nan", "wrong at scale"),
        ('name = "tiny"', "", "wrong at name"),
        ('name = "tiny"', 'name = "tiny"\ncolor = "rgb"', "wrong at color"),
        ('name = "tiny"', "name = ", "is no TOML"),
    ],
)
def test_descriptions_that_do_not_fit(
    tmp_path: Path, weights: np.ndarray, old: str, new: str, message: str
) -> None:
    assert old in DESCRIPTION
    described = DESCRIPTION.replace(old, new)
    path = saved(tmp_path, network(weights, ["n", 3, SIZE, SIZE]), described)
    with pytest.raises(SettingError, match=message) as caught:
        ForeignRecogniser(path)
    assert "\n" not in str(caught.value)


def test_a_margin_may_be_the_template() -> None:
    values = {"name": "a", "family": "b", "size_px": 48, "colour": "gray", "output": "logits"}
    told = Description.model_validate({**values, "classes": ["x", "y"], "margin": "template"})
    assert told.margin is None


def test_files_that_are_not_trusted(tmp_path: Path, weights: np.ndarray) -> None:
    path = tmp_path / "a.onnx"
    path.with_suffix(".toml").write_text(DESCRIPTION)
    with pytest.raises(SettingError, match="cannot be read"):
        ForeignRecogniser(path)
    path.write_bytes(b"this is no graph, whatever it is called")
    with pytest.raises(SettingError, match="is no ONNX file"):
        ForeignRecogniser(path)
    path.write_bytes(network(weights, ["n", 3 * SIZE * SIZE]).SerializeToString())
    with pytest.raises(SettingError, match="four axes"):
        ForeignRecogniser(path)
    with path.open("wb") as file:
        file.truncate(513 << 20)
    with pytest.raises(SettingError, match="larger than 512 MiB"):
        ForeignRecogniser(path)
    path.with_suffix(".toml").unlink()
    with pytest.raises(SettingError, match=r"needs its description FILE\.toml"):
        ForeignRecogniser(path)


@pytest.mark.parametrize("where", ["initializer", "attribute", "branch"])
def test_weights_in_other_files_are_refused(
    tmp_path: Path, weights: np.ndarray, where: str
) -> None:
    model = network(weights, ["n", 3, SIZE, SIZE])
    tensor = model.graph.initializer[0]
    if where == "attribute":
        tensor = TensorProto()
        tensor.CopyFrom(model.graph.initializer[1])
        node = helper.make_node("Constant", [], ["unused"], value=tensor)
        model.graph.node.insert(0, node)
        tensor = model.graph.node[0].attribute[0].t
    elif where == "branch":
        inner = helper.make_graph([], "inner", [], [], [model.graph.initializer[1]])
        node = helper.make_node("If", ["flat"], ["unused"], then_branch=inner, else_branch=inner)
        model.graph.node.append(node)
        tensor = model.graph.node[-1].attribute[0].g.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    with pytest.raises(SettingError, match="keeps weights in other files"):
        ForeignRecogniser(saved(tmp_path, model, DESCRIPTION))


def test_two_of_one_name_are_refused(tmp_path: Path, weights: np.ndarray) -> None:
    path = saved(tmp_path, network(weights, ["n", 3, SIZE, SIZE]), DESCRIPTION)
    with pytest.raises(SettingError, match="Two recognisers are called 'tiny'"):
        load_recognisers([path, path])


def test_own_networks_read_as_the_surrogate_does(surrogate: OnnxSurrogate) -> None:
    own = load_recognisers([])[0]
    assert (own.name, own.kind, own.classes) == (surrogate.name, None, EXPRESSIONS)
    assert own.rule.margin is None
    size_px = surrogate.size_px
    random = np.random.default_rng(0)
    luma = random.integers(0, 256, (3, size_px, size_px)).astype(np.uint8)
    crops = [np.repeat(picture[:, :, None], 3, axis=2) for picture in luma]
    expected = softmax(surrogate.read(luma.astype(np.float32) / 255))
    assert np.allclose(own.read(crops), expected, atol=1e-5)


def test_the_key_changes_with_file_and_description(tmp_path: Path, weights: np.ndarray) -> None:
    model = network(weights, ["n", 3, SIZE, SIZE])
    first = ForeignRecogniser(saved(tmp_path, model, DESCRIPTION, "a"))
    same = ForeignRecogniser(saved(tmp_path, model, DESCRIPTION, "b"))
    told = ForeignRecogniser(saved(tmp_path, model, DESCRIPTION + "margin = 0.3\n", "c"))
    other = network(weights + 1, ["n", 3, SIZE, SIZE])
    weighed = ForeignRecogniser(saved(tmp_path, other, DESCRIPTION, "d"))
    assert first.key == same.key
    assert len({first.key, told.key, weighed.key}) == 3
