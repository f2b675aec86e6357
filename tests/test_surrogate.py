from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from camfilter.errors import GraphRefused, ProviderUnavailable, UnknownSurrogate
from camfilter.expressions import EXPRESSIONS
from camfilter.surrogate.base import Crops, Stage, StageResult
from camfilter.surrogate.manifest import MANIFEST_FILE, graphs_folder
from camfilter.surrogate.onnx import OnnxSurrogate
from camfilter.surrogate.provider import Provider
from camfilter.surrogate.reading import Reading, entropy_bits, softmax

Edit = Callable[[dict[str, Any]], None]


def some_crops(count: int, size_px: int) -> Crops:
    rng = np.random.default_rng(7)
    return rng.uniform(0, 1, (count, size_px, size_px)).astype(np.float32)


def stage_of(crops: Crops, **changes: Any) -> Stage:
    count = len(crops)
    label = np.eye(8, dtype=np.float32)[np.arange(count) % 8]
    values: dict[str, Any] = {
        "picture": crops,
        "label": label,
        "step": np.linspace(-0.02, 0.02, count, dtype=np.float32),
        "mask": some_crops(count, crops.shape[1])[:, ::-1].copy(),
        "lower": np.maximum(crops - 0.01, 0),
        "upper": np.minimum(crops + 0.01, 1),
        "momentum": np.zeros_like(crops),
        "decay": 0.5,
    }
    return Stage(**(values | changes))


def part_of(stage: Stage, part: slice) -> Stage:
    names = ("picture", "label", "step", "mask", "lower", "upper", "momentum")
    return Stage(**{name: getattr(stage, name)[part] for name in names}, decay=stage.decay)


def copied(folder: Path, edit: Edit = lambda _: None) -> Path:
    """The shipped graphs in a folder of their own, their manifest edited."""
    shutil.copytree(graphs_folder(), folder, dirs_exist_ok=True)
    entries = json.loads((folder / MANIFEST_FILE).read_text())
    edit(entries)
    (folder / MANIFEST_FILE).write_text(json.dumps(entries))
    return folder


def test_what_it_says_about_itself(surrogate: OnnxSurrogate) -> None:
    entries = json.loads((graphs_folder() / MANIFEST_FILE).read_text())["graphs"]
    assert surrogate.name == entries[0]["surrogate"]
    assert surrogate.size_px == entries[0]["size_px"]
    assert surrogate.provider == "cpu"


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9])
def test_any_number_of_faces_reads_as_one_at_a_time(surrogate: OnnxSurrogate, count: int) -> None:
    crops = some_crops(count, surrogate.size_px)
    together = surrogate.read(crops)
    assert together.shape == (count, len(EXPRESSIONS))
    for face in range(count):
        assert np.allclose(together[face], surrogate.read(crops[face : face + 1])[0], atol=1e-4)


def test_five_faces_take_a_stage_as_one_at_a_time(surrogate: OnnxSurrogate) -> None:
    stage = stage_of(some_crops(5, surrogate.size_px))
    together = surrogate.take(stage)
    for face in range(5):
        part = slice(face, face + 1)
        alone = surrogate.take(part_of(stage, part))
        assert np.allclose(alone.logits, together.logits[part], atol=1e-4)
        assert np.allclose(alone.momentum, together.momentum[part], atol=1e-6)
        assert np.allclose(alone.stepped, together.stepped[part], atol=1e-6)


def test_a_stage_keeps_mask_and_bounds_and_reads_the_picture_before(
    surrogate: OnnxSurrogate,
) -> None:
    stage = stage_of(some_crops(3, surrogate.size_px))
    stage.mask[:, :5] = 0
    result = surrogate.take(stage)
    assert np.array_equal(result.stepped[:, :5], stage.picture[:, :5])
    assert (result.stepped >= stage.lower).all()
    assert (result.stepped <= stage.upper).all()
    assert np.allclose(result.logits, surrogate.read(stage.picture), atol=1e-4)


def test_the_gradient_is_that_of_the_loss(surrogate: OnnxSurrogate) -> None:
    """Central differences of the reading, along the direction that the graph names."""
    crops = np.clip(some_crops(1, surrogate.size_px), 0.2, 0.8)
    label = np.eye(8, dtype=np.float32)[surrogate.read(crops).argmax(axis=1)]

    def loss(pictures: Crops) -> float:
        return -float((label * np.log(softmax(surrogate.read(pictures)))).sum())

    def stage(step: float) -> StageResult:
        free = {"lower": np.zeros_like(crops), "upper": np.ones_like(crops)}
        steps = np.array([step], np.float32)
        return surrogate.take(
            stage_of(crops, label=label, step=steps, mask=np.ones_like(crops), **free)
        )

    up, down = stage(1e-3).stepped, stage(-1e-3).stepped
    assert loss(up) > loss(crops) > loss(down)
    random = np.random.default_rng(1).choice(np.array([-1e-3, 1e-3], np.float32), crops.shape)
    assert loss(up) - loss(down) > 5 * abs(loss(crops + random) - loss(crops - random))
    assert np.abs(stage(1e-3).momentum).sum() == pytest.approx(1, abs=1e-3)


def test_momentum_decays(surrogate: OnnxSurrogate) -> None:
    crops = some_crops(2, surrogate.size_px)
    plain = surrogate.take(stage_of(crops)).momentum
    old = np.full_like(crops, 0.25)
    assert np.allclose(
        surrogate.take(stage_of(crops, momentum=old, decay=0.5)).momentum, plain + 0.125, atol=1e-5
    )
    assert np.allclose(
        surrogate.take(stage_of(crops, momentum=old, decay=0.0)).momentum, plain, atol=1e-6
    )


def test_the_same_face_gives_the_same_answer_every_time(surrogate: OnnxSurrogate) -> None:
    stage = stage_of(some_crops(2, surrogate.size_px))
    first, again = surrogate.take(stage), surrogate.take(stage)
    assert np.array_equal(first.stepped, again.stepped)
    assert np.array_equal(first.logits, again.logits)


def test_an_unknown_surrogate_names_the_known_ones(surrogate: OnnxSurrogate) -> None:
    with pytest.raises(UnknownSurrogate, match=surrogate.name):
        OnnxSurrogate("nobody")
    with pytest.raises(UnknownSurrogate):
        OnnxSurrogate("")


def test_a_copy_of_the_graphs_works_anywhere(tmp_path: Path, surrogate: OnnxSurrogate) -> None:
    moved = OnnxSurrogate(provider=Provider.CPU, folder=copied(tmp_path / "graphs"))
    crops = some_crops(1, moved.size_px)
    assert np.array_equal(moved.read(crops), surrogate.read(crops))


@pytest.mark.parametrize("kind", ["step", "read"])
def test_a_graph_with_one_flipped_byte_is_refused(tmp_path: Path, kind: str) -> None:
    folder = copied(tmp_path)
    damaged = folder / f"plain48-{kind}-b1.onnx"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)
    with pytest.raises(GraphRefused, match="not the one in the manifest"):
        OnnxSurrogate(provider=Provider.CPU, folder=folder)


def test_a_missing_graph_is_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "plain48-step-b1.onnx").unlink()
    with pytest.raises(GraphRefused, match="missing"):
        OnnxSurrogate(provider=Provider.CPU, folder=folder)


def test_bytes_that_are_no_graph_are_refused_in_one_line(tmp_path: Path) -> None:
    content = b"not a graph"

    def edit(entries: dict[str, Any]) -> None:
        for entry in entries["graphs"]:
            entry["sha256"] = hashlib.sha256(content).hexdigest()

    folder = copied(tmp_path, edit)
    for graph in folder.glob("*.onnx"):
        graph.write_bytes(content)
    with pytest.raises(GraphRefused) as caught:
        OnnxSurrogate(provider=Provider.CPU, folder=folder)
    assert "\n" not in str(caught.value)


def test_an_empty_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_FILE).write_text('{"graphs": []}')
    with pytest.raises(GraphRefused, match="lists no graph"):
        OnnxSurrogate(folder=tmp_path)


def test_graphs_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    def other_size(entries: dict[str, Any]) -> None:
        entries["graphs"][2]["size_px"] = 64

    def other_order(entries: dict[str, Any]) -> None:
        entries["graphs"][0]["classes"].reverse()

    for name, edit in (("size", other_size), ("order", other_order)):
        with pytest.raises(GraphRefused, match="does not fit"):
            OnnxSurrogate(folder=copied(tmp_path / name, edit))


def test_graphs_that_cannot_take_a_single_face_are_refused(tmp_path: Path) -> None:
    def only_batches(entries: dict[str, Any]) -> None:
        entries["graphs"] = [entry for entry in entries["graphs"] if entry["batch"] > 1]

    with pytest.raises(GraphRefused, match="one face"):
        OnnxSurrogate(provider=Provider.CPU, folder=copied(tmp_path, only_batches))


def gpu_works() -> bool:
    try:
        return OnnxSurrogate(provider=Provider.CUDA).provider == "cuda"
    except ProviderUnavailable:
        return False


@pytest.mark.parametrize("provider", [Provider.CUDA, Provider.TENSORRT])
def test_a_named_gpu_that_is_not_there_is_refused_and_never_replaced(provider: Provider) -> None:
    if gpu_works():
        pytest.skip("a GPU works here, so naming it is no error")
    with pytest.raises(ProviderUnavailable, match=f"{provider} does not run here.*cpu"):
        OnnxSurrogate(provider=provider)


def test_auto_says_what_it_really_runs_on() -> None:
    if gpu_works():
        pytest.skip("a GPU works here, so auto takes it")
    assert OnnxSurrogate(provider=Provider.AUTO).provider == "cpu"


def bits(*probabilities: float) -> float:
    return entropy_bits(np.array(probabilities, np.float32))


def test_entropy_is_in_bits() -> None:
    assert bits(1, 0, 0, 0) == 0
    assert bits(0.5, 0.5) == pytest.approx(1)
    assert bits(*[1 / 8] * 8) == pytest.approx(3)
    assert bits(0.5, 0.25, 0.25) == pytest.approx(1.5)


@pytest.mark.parametrize("shift", [0, 1000, -1000])
def test_probabilities_do_not_overflow(shift: float) -> None:
    logits: NDArray[np.float32] = np.array([[0, np.log(3)]], np.float32) + np.float32(shift)
    assert np.allclose(softmax(logits), [[0.25, 0.75]], atol=1e-4)


def test_a_reading_names_the_likeliest_expression() -> None:
    logits = np.zeros(8, np.float32)
    logits[EXPRESSIONS.index("fear")] = 20
    reading = Reading.of(logits)
    assert (reading.label, str(reading)) == ("fear", "fear 100%")
    assert reading.confidence == pytest.approx(1, abs=1e-6)
    assert reading.entropy_bits == pytest.approx(0, abs=1e-5)
    assert Reading.of(np.zeros(8, np.float32)).entropy_bits == pytest.approx(3)
