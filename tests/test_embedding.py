"""Embedders: the shipped graphs, their hashes, and that they say what torch says."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from camfilter.embedding import Embedder, OnnxEmbedder, open_embedders
from camfilter.embedding.manifest import EMBEDDINGS_FILE, EmbeddingManifest
from camfilter.errors import GraphRefused, UnknownSurrogate
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from camfilter.geometry import cut_crop
from camfilter.surrogate.manifest import graphs_folder
from camfilter.surrogate.provider import Provider

MANIFEST = EmbeddingManifest.load(graphs_folder())


@pytest.fixture(scope="module")
def embedders() -> list[Embedder]:
    return open_embedders(Provider.CPU)


@pytest.fixture(scope="module")
def faces(
    astronaut: Pixels, hopper: Pixels, still_faces: MediaPipeFaces, embedders: list[Embedder]
) -> dict[str, np.ndarray]:
    """Two real faces, cut for each embedder."""
    found = [(picture, still_faces.find(picture)[0]) for picture in (astronaut, hopper)]
    return {
        embedder.name: np.stack([cut_crop(p, face, embedder.size_px) for p, face in found])
        for embedder in embedders
    }


def test_three_unlike_embedders_are_shipped(embedders: list[Embedder]) -> None:
    assert [embedder.name for embedder in embedders] == list(MANIFEST.names)
    assert len(embedders) == 3
    assert len({embedder.size_px for embedder in embedders}) == 3
    assert all(64 <= embedder.dimensions <= 128 for embedder in embedders)


def test_one_of_them_is_never_attacked(embedders: list[Embedder]) -> None:
    attacked, apart = (
        [embedder.name for embedder in open_embedders(Provider.CPU, held_out=held_out)]
        for held_out in (False, True)
    )
    assert len(apart) == 1
    assert sorted(attacked + apart) == sorted(embedder.name for embedder in embedders)


def test_thresholds_are_those_of_the_training(embedders: list[Embedder]) -> None:
    models = Path(__file__).parent.parent / "models"
    for embedder in embedders:
        figures = json.loads((models / embedder.name / "metrics.json").read_text())
        trained = figures["unseen_people"]["threshold"]
        assert embedder.threshold == pytest.approx(trained, abs=1e-4)


def test_embeddings_have_unit_length_and_tell_faces_apart(
    embedders: list[Embedder], faces: dict[str, np.ndarray]
) -> None:
    for embedder in embedders:
        crops = faces[embedder.name]
        embeddings = embedder.embed(crops)
        assert embeddings.shape == (2, embedder.dimensions)
        assert embeddings.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
        mirrored = embedder.embed(np.ascontiguousarray(crops[:, :, ::-1]))
        other = np.linalg.norm(embeddings[0] - embeddings[1])
        assert (np.linalg.norm(embeddings - mirrored, axis=1) < other).all()


def test_distance_is_that_of_the_embedding(
    embedders: list[Embedder], faces: dict[str, np.ndarray]
) -> None:
    for embedder in embedders:
        crops = faces[embedder.name]
        anchors = np.ascontiguousarray(embedder.embed(crops)[::-1])
        distances, gradients = embedder.gradient(crops, anchors)
        expected = np.linalg.norm(embedder.embed(crops) - anchors, axis=1)
        np.testing.assert_allclose(distances, expected, rtol=1e-4)
        assert gradients.shape == crops.shape
        assert gradients.dtype == np.float32


def test_the_gradient_is_that_of_finite_differences(
    embedders: list[Embedder], faces: dict[str, np.ndarray]
) -> None:
    random = np.random.default_rng(0)
    for embedder in embedders:
        crops = faces[embedder.name].astype(np.float32)
        anchors = np.ascontiguousarray(embedder.embed(crops)[::-1])
        _, gradients = embedder.gradient(crops, anchors)
        for _ in range(3):
            way = gradients / np.linalg.norm(gradients, axis=(1, 2), keepdims=True)
            way = way + random.normal(0, 0.3 / embedder.size_px, way.shape)
            way = way.astype(np.float32)
            step = np.float32(0.02)
            ahead, _ = embedder.gradient(crops + step * way, anchors)
            behind, _ = embedder.gradient(crops - step * way, anchors)
            slope = (ahead - behind) / (2 * step)
            np.testing.assert_allclose(slope, (gradients * way).sum(axis=(1, 2)), rtol=0.1)


def test_a_face_at_its_anchor_has_no_way(
    embedders: list[Embedder], faces: dict[str, np.ndarray]
) -> None:
    for embedder in embedders:
        crops = faces[embedder.name]
        distances, gradients = embedder.gradient(crops, embedder.embed(crops))
        assert np.isfinite(gradients).all()
        np.testing.assert_allclose(distances, 0, atol=1e-4)


def test_steps_along_the_gradient_bring_the_target_near(
    embedders: list[Embedder], faces: dict[str, np.ndarray]
) -> None:
    for embedder in embedders:
        crops = faces[embedder.name]
        anchors = np.ascontiguousarray(embedder.embed(crops)[::-1])
        moved = crops.copy()
        first, _ = embedder.gradient(crops, anchors)
        for _ in range(10):
            _, gradient = embedder.gradient(moved, anchors)
            moved = np.clip(moved - np.float32(2 / 255) * np.sign(gradient), 0, 1)
            moved = np.clip(moved, crops - 8 / 255, crops + 8 / 255).astype(np.float32)
        last, _ = embedder.gradient(moved, anchors)
        assert (last < 0.8 * first).all()


def test_any_number_of_faces(embedders: list[Embedder], faces: dict[str, np.ndarray]) -> None:
    embedder = embedders[0]
    crops = faces[embedder.name]
    many = np.concatenate([crops, crops, crops[:1]])
    alone = np.concatenate([embedder.embed(crop[None]) for crop in many])
    np.testing.assert_allclose(embedder.embed(many), alone, atol=1e-6)
    none = crops[:0]
    assert embedder.embed(none).shape == (0, embedder.dimensions)
    distances, gradients = embedder.gradient(none, np.zeros((0, embedder.dimensions), np.float32))
    assert distances.shape == (0,)
    assert gradients.shape == (0, embedder.size_px, embedder.size_px)


def shipped_in(folder: Path) -> Path:
    """A copy of the shipped embedders."""
    for name in (EMBEDDINGS_FILE, *(spec.file for spec in MANIFEST.graphs)):
        shutil.copyfile(graphs_folder() / name, folder / name)
    return folder


def test_a_graph_whose_hash_is_not_in_the_manifest_is_refused(tmp_path: Path) -> None:
    folder = shipped_in(tmp_path)
    file = folder / MANIFEST.graphs[0].file
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(GraphRefused, match="not the one in the manifest"):
        open_embedders(Provider.CPU, folder=folder)
    file.write_bytes((folder / MANIFEST.graphs[1].file).read_bytes())
    with pytest.raises(GraphRefused, match="not the one in the manifest"):
        OnnxEmbedder(MANIFEST.names[0], Provider.CPU, folder=folder)
    file.unlink()
    with pytest.raises(GraphRefused, match="missing"):
        open_embedders(Provider.CPU, folder=folder)


@pytest.mark.parametrize(
    "change",
    [{"file": "../elsewhere.onnx"}, {"sha256": "0"}, {"dimensions": 0}, {"more": 1}],
)
def test_a_malformed_manifest_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    folder = shipped_in(tmp_path)
    values = json.loads((folder / EMBEDDINGS_FILE).read_text())
    values["graphs"][0].update(change)
    (folder / EMBEDDINGS_FILE).write_text(json.dumps(values))
    with pytest.raises(GraphRefused, match="malformed"):
        open_embedders(Provider.CPU, folder=folder)


def test_no_manifest_and_no_such_name(tmp_path: Path) -> None:
    with pytest.raises(GraphRefused, match="no manifest"):
        open_embedders(Provider.CPU, folder=tmp_path)
    with pytest.raises(UnknownSurrogate, match=MANIFEST.names[0]):
        OnnxEmbedder("nobody", Provider.CPU)


@pytest.fixture
def _quiet_exporter() -> Iterator[None]:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(level)


@pytest.mark.usefixtures("_quiet_exporter")
def test_each_graph_says_what_torch_says(
    embedders: list[Embedder], faces: dict[str, np.ndarray]
) -> None:
    torch = pytest.importorskip("torch", reason="the extra train is not installed")
    from camfilter.lab.faceoff.networks import EmbeddingFolder  # noqa: PLC0415

    random = np.random.default_rng(1)
    for embedder in embedders:
        network = EmbeddingFolder.named(embedder.name).load()
        crops = faces[embedder.name]
        anchors = random.normal(size=(2, embedder.dimensions)).astype(np.float32)
        picture = torch.from_numpy(crops)[:, None].requires_grad_(True)
        embedding = network(picture)
        distance = (embedding - torch.from_numpy(anchors)).norm(dim=1)
        (gradient,) = torch.autograd.grad(distance.sum(), picture)
        found, ways = embedder.gradient(crops, anchors)
        np.testing.assert_allclose(embedder.embed(crops), embedding.detach().numpy(), atol=2e-6)
        np.testing.assert_allclose(found, distance.detach().numpy(), rtol=1e-5)
        scale = float(gradient.abs().max())
        np.testing.assert_allclose(ways, gradient[:, 0].numpy(), atol=1e-4 * scale)


@pytest.mark.usefixtures("_quiet_exporter")
def test_the_same_weights_give_the_same_graph(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the extra train is not installed")
    from camfilter.lab.faceoff.embedding_graph import publish_embedding  # noqa: PLC0415
    from camfilter.lab.faceoff.networks import EmbeddingFolder  # noqa: PLC0415

    shipped = MANIFEST.graph_of("embed-plain48")
    folder = EmbeddingFolder.named("embed-plain48")
    first, spec = (publish_embedding(folder, tmp_path) for _ in range(2))
    assert first == spec
    assert EmbeddingManifest.load(tmp_path).graphs == (spec,)
    assert spec.checkpoint_sha256 == shipped.checkpoint_sha256
    assert (spec.threshold, spec.held_out) == (shipped.threshold, False)
    assert publish_embedding(folder, tmp_path, held_out=True).held_out
    OnnxEmbedder("embed-plain48", Provider.CPU, folder=tmp_path)
