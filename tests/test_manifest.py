from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from camfilter.errors import GraphRefused, UnknownSurrogate
from camfilter.expressions import EXPRESSIONS
from camfilter.surrogate.manifest import (
    MANIFEST_FILE,
    GraphKind,
    Manifest,
    graphs_folder,
    read_graph,
)


def write(folder: Path, **changes: Any) -> Path:
    """The shipped manifest with some values of its first graph changed."""
    entries = json.loads((graphs_folder() / MANIFEST_FILE).read_text())
    entries["graphs"][0] |= changes
    (folder / MANIFEST_FILE).write_text(json.dumps(entries))
    return folder


def test_the_shipped_graphs_are_those_of_the_manifest() -> None:
    manifest = Manifest.load(graphs_folder())
    assert manifest.surrogates
    for spec in manifest.graphs:
        assert read_graph(graphs_folder(), spec)
        assert spec.classes == EXPRESSIONS
    assert manifest.attackable
    assert manifest.held_out
    for name in manifest.surrogates:
        kinds = [kind for kind in GraphKind if name in manifest.attackable or kind == "read"]
        for kind in kinds:
            batches = [spec.batch for spec in manifest.graphs_of(name, kind)]
            assert batches == sorted(batches)
            assert batches[0] == 1


def test_a_manifest_is_read_as_it_was_saved(tmp_path: Path) -> None:
    manifest = Manifest.load(graphs_folder())
    manifest.save(tmp_path)
    assert Manifest.load(tmp_path) == manifest


def test_an_unknown_surrogate_names_the_known_ones() -> None:
    manifest = Manifest.load(graphs_folder())
    with pytest.raises(UnknownSurrogate) as caught:
        manifest.graphs_of("nobody", GraphKind.STEP)
    assert "'nobody'" in str(caught.value)
    for name in manifest.surrogates:
        assert name in str(caught.value)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(GraphRefused, match="no manifest"):
            Manifest.load(folder)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"{", b'{"graphs": 1}', b'{"graphs": [{}]}', b"\xff\xfe\x00"]
)
def test_a_malformed_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST_FILE).write_bytes(content)
    with pytest.raises(GraphRefused, match="malformed") as caught:
        Manifest.load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "../plain.onnx"},
        {"file": "/etc/plain.onnx"},
        {"file": "a/b.onnx"},
        {"file": "a\\b.onnx"},
        {"file": "..onnx"},
        {"file": ".onnx"},
        {"file": "graph.onnx\n"},
        {"file": "graph.so"},
        {"file": "graph.onnx.exe"},
        {"sha256": "0" * 63},
        {"sha256": "0" * 65},
        {"sha256": "Z" * 64},
        {"sha256": "0" * 64 + "\n"},
        {"kind": "train"},
        {"batch": 0},
        {"batch": "many"},
        {"size_px": 0},
        {"size_px": 100_000},
        {"channels": 3},
        {"unknown": 1},
    ],
    ids=repr,
)
def test_an_entry_that_cannot_be_trusted_is_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(GraphRefused, match="malformed"):
        Manifest.load(write(tmp_path, **changes))


def test_an_unchanged_manifest_passes_the_same_way(tmp_path: Path) -> None:
    assert Manifest.load(write(tmp_path)) == Manifest.load(graphs_folder())


def test_a_missing_graph_is_refused(tmp_path: Path) -> None:
    spec = Manifest.load(graphs_folder()).graphs[0]
    with pytest.raises(GraphRefused, match="missing"):
        read_graph(tmp_path, spec)


@pytest.mark.parametrize("place", [0, 1000, -1])
def test_one_flipped_bit_is_refused(tmp_path: Path, place: int) -> None:
    spec = Manifest.load(graphs_folder()).graphs[0]
    content = bytearray((graphs_folder() / spec.file).read_bytes())
    content[place] ^= 1
    (tmp_path / spec.file).write_bytes(content)
    with pytest.raises(GraphRefused, match="not the one in the manifest"):
        read_graph(tmp_path, spec)


def test_one_graph_in_place_of_another_is_refused(tmp_path: Path) -> None:
    one, other = Manifest.load(graphs_folder()).graphs[:2]
    shutil.copy(graphs_folder() / other.file, tmp_path / one.file)
    with pytest.raises(GraphRefused, match="not the one in the manifest"):
        read_graph(tmp_path, one)
