"""An embedding network and the gradient of its distance from an anchor as one forward graph."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import grad

from camfilter.embedding.manifest import EMBEDDINGS_FILE, EmbeddingManifest, EmbeddingSpec
from camfilter.errors import SurrogateError
from camfilter.lab.faceoff.networks import EmbeddingFolder, dimensions_of
from camfilter.lab.networks import size_of
from camfilter.lab.publishing import opset_of
from camfilter.lab.step_graph import stripped
from camfilter.lab.tracing import fused, traced
from camfilter.surrogate.manifest import GraphKind

__all__ = ["DistanceStep", "embedding_graph_bytes", "publish_embedding"]

_INPUTS = ("picture", "anchor")
_OUTPUTS = ("embedding", "distance", "gradient")
_TINY = 1e-10


class DistanceStep(nn.Module):
    """||phi(x) - a||, its gradient with respect to x, and phi(x).

    Args:
        network: maps (B, 1, S, S) to (B, D) of length 1.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor, anchor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute all three.

        Args:
            picture: (B, 1, S, S) in [0, 1].
            anchor: (B, D).

        Returns:
            (B, D) embedding, (B,) distance and (B, 1, S, S) gradient of the distance.
        """

        def loss(seen: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            embedding = self.network(seen)
            # The root of 0 has no gradient; ONNX Runtime drops the addition of a very small term.
            distance = (embedding - anchor).square().sum(dim=1).clamp_min(_TINY).sqrt()
            return distance.sum(), (embedding, distance)

        gradient, (embedding, distance) = grad(loss, has_aux=True)(picture)
        return embedding, distance, gradient


def embedding_graph_bytes(network: nn.Module, batch: int = 1) -> bytes:
    """An ONNX file; the same weights give the same bytes.

    Args:
        network: in evaluation mode; is not changed.
        batch: number of faces, fixed.

    Raises:
        SurrogateError: the network holds an operator that cannot be exported.
    """
    size, dimensions = size_of(network), dimensions_of(network)
    inputs = (torch.full((batch, 1, size, size), 0.5), torch.zeros(batch, dimensions))
    try:
        graph = traced(DistanceStep(fused(network)), inputs)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore", (DeprecationWarning, FutureWarning, UserWarning))
            program = torch.onnx.export(
                graph, inputs, input_names=_INPUTS, output_names=_OUTPUTS, dynamo=True,
                verbose=False,
            )  # fmt: skip
    except (RuntimeError, NotImplementedError, torch.onnx.OnnxExporterError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SurrogateError(f"The embedding cannot be exported: {reason}") from error
    if program is None:
        raise SurrogateError("The embedding cannot be exported: the exporter made nothing.")
    return bytes(stripped(program.model_proto).SerializeToString(deterministic=True))


def publish_embedding(
    embedding: EmbeddingFolder, folder: Path, *, held_out: bool = False
) -> EmbeddingSpec:
    """Export a network and enter it into the manifest of embedders, in its old place.

    Args:
        embedding: with a checkpoint, and with the figures of its training.
        folder: of the graphs and the manifest; both are made where they are missing.
        held_out: `camfilter photo` shall ask it, but never attack it.

    Returns:
        The new entry.

    Raises:
        SurrogateError: the weights or the figures cannot be used, or the network cannot be
            exported.
        GraphRefused: the manifest that is there is malformed.
    """
    network = embedding.load()
    content = embedding_graph_bytes(network)
    spec = EmbeddingSpec(
        surrogate=embedding.name,
        kind=GraphKind.STEP,
        file=f"{embedding.name}-step-b1.onnx",
        sha256=hashlib.sha256(content).hexdigest(),
        batch=1,
        size_px=size_of(network),
        channels=1,
        classes=(),
        opset=opset_of(content),
        checkpoint=f"models/{embedding.name}/{embedding.checkpoint.name}",
        checkpoint_sha256=hashlib.sha256(embedding.checkpoint.read_bytes()).hexdigest(),
        dimensions=dimensions_of(network),
        threshold=_threshold_of(embedding),
        held_out=held_out,
    )
    folder.mkdir(parents=True, exist_ok=True)
    there = (folder / EMBEDDINGS_FILE).exists()
    entries = {old.surrogate: old for old in EmbeddingManifest.load(folder).graphs} if there else {}
    entries[spec.surrogate] = spec
    (folder / spec.file).write_bytes(content)
    EmbeddingManifest(graphs=tuple(entries.values())).save(folder)
    return spec


def _threshold_of(embedding: EmbeddingFolder) -> float:
    """That of its training, rounded.

    Raises:
        SurrogateError: there are no such figures.
    """
    file = embedding.path / "metrics.json"
    try:
        return round(float(json.loads(file.read_bytes())["unseen_people"]["threshold"]), 4)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SurrogateError(
            f"{embedding.name} has no figures of its training.",
            "Train it with scripts/train_embedding.py --publish.",
        ) from error
