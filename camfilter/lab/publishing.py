"""Graphs of a surrogate beside the manifest that vouches for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import nn

import onnx
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.networks import SurrogateFolder, size_of
from camfilter.lab.step_graph import graph_bytes
from camfilter.surrogate.manifest import MANIFEST_FILE, GraphKind, GraphSpec, Manifest

__all__ = ["publish_graphs"]


Export = Callable[[nn.Module, GraphKind, int], bytes]


def publish_graphs(
    surrogate: SurrogateFolder,
    folder: Path,
    batches: Sequence[int] = (1, 4),
    *,
    kinds: Sequence[GraphKind] = tuple(GraphKind),
    export: Export = graph_bytes,
) -> tuple[GraphSpec, ...]:
    """Export all graphs of a surrogate and enter them into the manifest.

    Earlier entries of the same surrogate are replaced, and their files removed where no new
    graph has their name; entries of other surrogates are kept.

    Args:
        surrogate: with a checkpoint.
        folder: of the graphs and the manifest; both are made where they are missing.
        batches: numbers of faces per call, each a graph of its own.
        kinds: reading alone makes a recogniser that is never attacked.
        export: makes the file of one graph.

    Returns:
        The new entries.

    Raises:
        SurrogateError: the weights cannot be used or the network cannot be exported.
        GraphRefused: the manifest that is there is malformed.
    """
    network = surrogate.load()
    folder.mkdir(parents=True, exist_ok=True)
    old = Manifest.load(folder).graphs if (folder / MANIFEST_FILE).exists() else ()
    specs = []
    for kind in kinds:
        for batch in sorted(set(batches)):
            content = export(network, kind, batch)
            spec = GraphSpec(
                surrogate=surrogate.name,
                kind=kind,
                file=f"{surrogate.name}-{kind.value}-b{batch}.onnx",
                sha256=hashlib.sha256(content).hexdigest(),
                batch=batch,
                size_px=size_of(network),
                channels=1,
                classes=EXPRESSIONS,
                opset=opset_of(content),
                checkpoint=f"models/{surrogate.name}/{surrogate.checkpoint.name}",
                checkpoint_sha256=hashlib.sha256(surrogate.checkpoint.read_bytes()).hexdigest(),
            )
            (folder / spec.file).write_bytes(content)
            specs.append(spec)
    replace_entries(folder, old, specs)
    return tuple(specs)


def replace_entries(folder: Path, old: Sequence[GraphSpec], new: Sequence[GraphSpec]) -> None:
    """Write the manifest with one surrogate's entries exchanged, in their old place."""
    names = list(dict.fromkeys(spec.surrogate for spec in (*old, *new)))
    fresh = new[0].surrogate
    entries = [
        spec for name in names for spec in (new if name == fresh else old) if spec.surrogate == name
    ]
    Manifest(graphs=tuple(entries)).save(folder)
    kept = {spec.file for spec in entries}
    for spec in old:
        if spec.file not in kept:
            (folder / spec.file).unlink(missing_ok=True)


def opset_of(content: bytes) -> int:
    """The standard operator set that an ONNX file asks for."""
    model = onnx.load_model_from_string(content)
    return next(
        int(entry.version) for entry in model.opset_import if entry.domain in {"", "ai.onnx"}
    )
