"""The manifest of embedders: which graphs are shipped, and the hash that each must have."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import Field

from camfilter.errors import UnknownSurrogate
from camfilter.surrogate.manifest import GraphSpec, ManifestFile

__all__ = ["EMBEDDINGS_FILE", "EmbeddingManifest", "EmbeddingSpec"]

EMBEDDINGS_FILE: Final = "embeddings.json"


class EmbeddingSpec(GraphSpec):
    """One graph of an embedder: picture and anchor in; embedding, distance and gradient out.

    Attributes:
        dimensions: length of an embedding; such a graph has no classes.
        threshold: distance below which two pictures count as one person's.
        held_out: whether it is asked but never attacked.
    """

    dimensions: int = Field(ge=2)
    threshold: float = Field(gt=0, lt=2)
    held_out: bool = False


class EmbeddingManifest(ManifestFile):
    """All embedders that camfilter may load."""

    FILE: ClassVar[str] = EMBEDDINGS_FILE
    WHAT: ClassVar[str] = "embedders"

    graphs: tuple[EmbeddingSpec, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all embedders, in the order of the manifest."""
        return tuple(graph.surrogate for graph in self.graphs)

    def graph_of(self, name: str) -> EmbeddingSpec:
        """The graph of one embedder.

        Raises:
            UnknownSurrogate: the manifest lists none.
        """
        for graph in self.graphs:
            if graph.surrogate == name:
                return graph
        raise UnknownSurrogate(
            f"There is no embedder {name!r}.", f"Choose one of: {', '.join(self.names)}."
        )
