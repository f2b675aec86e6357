"""The manifest of embedders: which graphs are shipped, and the hash that each must have."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from camfilter.errors import GraphRefused, UnknownSurrogate
from camfilter.surrogate.manifest import GraphSpec

__all__ = ["EMBEDDINGS_FILE", "EmbeddingManifest", "EmbeddingSpec"]

EMBEDDINGS_FILE: Final = "embeddings.json"


class EmbeddingSpec(GraphSpec):
    """One graph of an embedder: picture and anchor in; embedding, distance and gradient out.

    Attributes:
        dimensions: length of an embedding; such a graph has no classes.
    """

    dimensions: int = Field(ge=2)


class EmbeddingManifest(BaseModel):
    """All embedders that camfilter may load."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    graphs: tuple[EmbeddingSpec, ...]

    @classmethod
    def load(cls, folder: Path) -> EmbeddingManifest:
        """Read the manifest of a folder of graphs.

        Raises:
            GraphRefused: it is missing or malformed.
        """
        try:
            return cls.model_validate_json((folder / EMBEDDINGS_FILE).read_bytes())
        except OSError as error:
            raise GraphRefused(
                f"There is no manifest of embedders in {folder}.", "Install camfilter again."
            ) from error
        except ValidationError as error:
            raise GraphRefused(
                f"The manifest of embedders in {folder} is malformed.", "Install camfilter again."
            ) from error

    def save(self, folder: Path) -> None:
        """Write the manifest into a folder of graphs."""
        (folder / EMBEDDINGS_FILE).write_text(self.model_dump_json(indent=2) + "\n")

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
