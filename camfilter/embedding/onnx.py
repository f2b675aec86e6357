"""Embedders as ONNX graphs run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camfilter.embedding.base import Embedder, Embeddings
from camfilter.embedding.manifest import EmbeddingManifest
from camfilter.surrogate.base import Crops
from camfilter.surrogate.manifest import graphs_folder, read_graph
from camfilter.surrogate.provider import Provider, open_session

__all__ = ["OnnxEmbedder", "open_embedders"]


class OnnxEmbedder:
    """Loads the shipped graph of one embedder, its hash proved.

    Args:
        name: of an embedder in the manifest.
        provider: hardware to run on.
        threads: CPU threads; small networks run fastest on one.
        folder: where graphs and manifest are; None takes the shipped ones.

    Raises:
        UnknownSurrogate: the manifest has no such name.
        GraphRefused: the graph is missing, damaged or not the manifest's.
        ProviderUnavailable: a named provider does not run here.
    """

    def __init__(
        self,
        name: str,
        provider: Provider = Provider.AUTO,
        threads: int = 1,
        folder: Path | None = None,
    ) -> None:
        folder = folder or graphs_folder()
        self._spec = EmbeddingManifest.load(folder).graph_of(name)
        self._session, self._provider = open_session(
            read_graph(folder, self._spec), provider, threads
        )

    @property
    def name(self) -> str:
        """Name in the manifest of embedders."""
        return self._spec.surrogate

    @property
    def size_px(self) -> int:
        """Width and height of the crop it sees."""
        return self._spec.size_px

    @property
    def dimensions(self) -> int:
        """Length of an embedding."""
        return self._spec.dimensions

    @property
    def threshold(self) -> float:
        """Distance below which two pictures count as one person's; see `Embedder`."""
        return self._spec.threshold

    @property
    def provider(self) -> str:
        """Hardware it truly runs on: cpu, cuda or tensorrt."""
        return str(self._provider)

    def embed(self, crops: Crops) -> Embeddings:
        """Embeddings of faces; see `Embedder`."""
        anywhere = np.zeros((len(crops), self.dimensions), np.float32)
        (embeddings,) = self._run(["embedding"], crops, anywhere)
        return embeddings

    def gradient(self, crops: Crops, anchors: Embeddings) -> tuple[NDArray[np.float32], Crops]:
        """Distances from anchors and their gradients; see `Embedder`."""
        distances, gradients = self._run(["distance", "gradient"], crops, anchors)
        return distances, gradients[:, 0]

    def _run(
        self, outputs: list[str], crops: Crops, anchors: Embeddings
    ) -> list[NDArray[np.float32]]:
        pictures = np.ascontiguousarray(crops[:, None], np.float32)
        anchors = np.ascontiguousarray(anchors, np.float32)
        batch = self._spec.batch
        missing = -len(pictures) % batch  # the last part is filled up with empty pictures
        if missing or not len(pictures):
            missing = missing or batch
            pictures = np.concatenate([pictures, np.zeros_like(pictures, shape=(
                missing, *pictures.shape[1:]))])  # fmt: skip
            anchors = np.concatenate([anchors, np.zeros((missing, self.dimensions), np.float32)])
        parts = [
            self._session.run(
                outputs,
                {"picture": pictures[i : i + batch], "anchor": anchors[i : i + batch]},
            )
            for i in range(0, len(pictures), batch)
        ]
        return [np.concatenate(column)[: len(crops)] for column in zip(*parts, strict=True)]


def open_embedders(
    provider: Provider = Provider.AUTO,
    threads: int = 1,
    folder: Path | None = None,
    *,
    held_out: bool | None = None,
) -> list[Embedder]:
    """Shipped embedders, in the order of their manifest.

    Args:
        provider: hardware to run on.
        threads: CPU threads of each.
        folder: where graphs and manifest are; None takes the shipped ones.
        held_out: only those that are never attacked (True), or that are (False); None takes all.

    Raises:
        GraphRefused: a graph is missing, damaged or not the manifest's.
        ProviderUnavailable: a named provider does not run here.
    """
    folder = folder or graphs_folder()
    chosen = [
        graph.surrogate
        for graph in EmbeddingManifest.load(folder).graphs
        if held_out is None or graph.held_out is held_out
    ]
    return [OnnxEmbedder(name, provider, threads, folder) for name in chosen]
