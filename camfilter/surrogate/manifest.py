"""The manifest: which graphs are shipped, and the hash that each must have.

A graph whose bytes do not have its hash is refused, so a swapped or damaged
file can never perturb a face.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from camfilter.errors import GraphRefused, UnknownSurrogate

__all__ = ["GraphKind", "GraphSpec", "Manifest", "ManifestFile", "graphs_folder"]

MANIFEST_FILE = "manifest.json"

Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*\.onnx$")]


class GraphKind(StrEnum):
    """What a graph computes.

    STEP: picture in, one FGSM stage and the logits of the picture out.
    READ: picture in, logits out.
    """

    STEP = "step"
    READ = "read"


class GraphSpec(BaseModel):
    """One graph file and what it expects.

    Attributes:
        surrogate: name of the network whose gradient it holds.
        kind: step or read.
        file: name beside the manifest; a path is refused.
        sha256: of the file's bytes.
        batch: number of faces in one call, fixed.
        size_px: width and height of the crop that the network sees.
        channels: 1, luma in [0, 1].
        classes: names of the logits, in order.
        opset: ONNX operator set.
        checkpoint: path of the weights it was exported from, in the repository.
        checkpoint_sha256: of those weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    surrogate: str
    kind: GraphKind
    file: FileName
    sha256: Sha256
    batch: int = Field(ge=1)
    size_px: int = Field(ge=16, le=512)
    channels: int = Field(ge=1, le=1)
    classes: tuple[str, ...]
    opset: int
    checkpoint: str
    checkpoint_sha256: Sha256


class ManifestFile(BaseModel):
    """A list of graphs that stands in a file beside them.

    Attributes:
        FILE: its name.
        WHAT: the graphs are of, for messages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    FILE: ClassVar[str]
    WHAT: ClassVar[str]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the manifest of a folder of graphs.

        Raises:
            GraphRefused: it is missing or malformed.
        """
        try:
            return cls.model_validate_json((folder / cls.FILE).read_bytes())
        except OSError as error:
            raise GraphRefused(
                f"There is no manifest of {cls.WHAT} in {folder}.", "Install camfilter again."
            ) from error
        except ValidationError as error:
            raise GraphRefused(
                f"The manifest of {cls.WHAT} in {folder} is malformed.", "Install camfilter again."
            ) from error

    def save(self, folder: Path) -> None:
        """Write the manifest into a folder of graphs."""
        (folder / self.FILE).write_text(self.model_dump_json(indent=2) + "\n")


class Manifest(ManifestFile):
    """All graphs of surrogates that camfilter may load."""

    FILE: ClassVar[str] = MANIFEST_FILE
    WHAT: ClassVar[str] = "graphs"

    graphs: tuple[GraphSpec, ...]

    @property
    def surrogates(self) -> tuple[str, ...]:
        """Names of all surrogates, in the order of the manifest."""
        return tuple(dict.fromkeys(graph.surrogate for graph in self.graphs))

    @property
    def attackable(self) -> tuple[str, ...]:
        """Names of the surrogates whose gradient is shipped, in the order of the manifest."""
        steps = (graph.surrogate for graph in self.graphs if graph.kind is GraphKind.STEP)
        return tuple(dict.fromkeys(steps))

    @property
    def held_out(self) -> tuple[str, ...]:
        """Names of the recognisers that are read but never attacked."""
        return tuple(name for name in self.surrogates if name not in self.attackable)

    def graphs_of(self, surrogate: str, kind: GraphKind) -> tuple[GraphSpec, ...]:
        """The graphs of one surrogate and kind, smallest batch first.

        Raises:
            UnknownSurrogate: the manifest lists none.
        """
        found = [g for g in self.graphs if g.surrogate == surrogate and g.kind is kind]
        if not found:
            raise UnknownSurrogate(
                f"There is no surrogate {surrogate!r}.",
                f"Choose one of: {', '.join(self.surrogates)}.",
            )
        return tuple(sorted(found, key=lambda graph: graph.batch))


def read_graph(folder: Path, spec: GraphSpec) -> bytes:
    """The bytes of a graph, once their hash is proved.

    Raises:
        GraphRefused: the file is missing or its hash is not the manifest's.
    """
    path = folder / spec.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GraphRefused(f"The graph {path} is missing.", "Install camfilter again.") from error
    if hashlib.sha256(content).hexdigest() != spec.sha256:
        raise GraphRefused(
            f"The graph {path} is not the one in the manifest.",
            "It was changed or damaged: install camfilter again.",
        )
    return content


def graphs_folder() -> Path:
    """Where the shipped graphs are: inside an installed wheel, or beside a source checkout."""
    package = Path(str(files("camfilter")))
    installed = package / "onnx"
    return installed if installed.is_dir() else package.parent / "onnx"
