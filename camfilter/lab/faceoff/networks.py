"""Embedding networks as folders: `models/embed-*/` with code, recipe and weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import camfilter
from camfilter.errors import SurrogateError, UnknownSurrogate
from camfilter.lab.networks import load_weights, size_of

__all__ = ["EmbeddingFolder", "dimensions_of", "embedded_by", "embedding_names"]

_CODE = "embedding.py"  # not network.py: that marks an expression recogniser


@dataclass(frozen=True)
class EmbeddingFolder:
    """One folder of an embedding network.

    Attributes:
        path: the folder; its name is the network's.
    """

    path: Path

    @classmethod
    def named(cls, name: str, models: Path | None = None) -> EmbeddingFolder:
        """The folder of a network by its name.

        Args:
            name: of the network.
            models: folder of all networks; the repository's by default.

        Raises:
            UnknownSurrogate: there is no such folder with an `embedding.py`.
        """
        known = embedding_names(models)
        if name not in known:
            raise UnknownSurrogate(
                f"There is no embedding network {name!r}.",
                f"Choose one of: {', '.join(known)}." if known else "",
            )
        return cls(_models(models) / name)

    @property
    def name(self) -> str:
        """Name of the network."""
        return self.path.name

    @property
    def recipe(self) -> Path:
        """File of the recipe."""
        return self.path / "recipe.toml"

    @property
    def checkpoint(self) -> Path:
        """File of the weights."""
        return self.path / "checkpoint.safetensors"

    def build(self) -> nn.Module:
        """A network with random weights, in training mode.

        Raises:
            SurrogateError: its code fails, or its network is no embedding of unit length.
        """
        file = self.path / _CODE
        spec = spec_from_file_location(f"embedding_{self.name}".replace("-", "_"), file)
        if spec is None or spec.loader is None:
            raise SurrogateError(f"{file} cannot be imported.")
        module = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
            network = module.build()
        except Exception as error:
            raise SurrogateError(f"{file} does not build a network: {error!r}.") from error
        return _proved(network, self.name)

    def load(self) -> nn.Module:
        """The trained network, in evaluation mode, its weights fixed.

        Raises:
            SurrogateError: as in build and `camfilter.lab.networks.load_weights`.
        """
        network = self.build()
        load_weights(network, self.checkpoint)
        return network.eval().requires_grad_(False)


def embedding_names(models: Path | None = None) -> list[str]:
    """Names of all embedding networks, sorted."""
    return sorted(path.parent.name for path in _models(models).glob(f"*/{_CODE}"))


def dimensions_of(network: nn.Module) -> int:
    """Length of the embeddings of a network.

    Raises:
        SurrogateError: the network does not say.
    """
    dimensions = getattr(network, "dimensions", None)
    if not isinstance(dimensions, int):
        raise SurrogateError(f"{type(network).__name__} has no integer dimensions.")
    return dimensions


def embedded_by(
    network: nn.Module, crops: NDArray[np.float32] | Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Embeddings (N, D) of crops (N, S, S) in [0, 1], computed in parts."""
    stack = torch.from_numpy(np.ascontiguousarray(crops, np.float32))[:, None]
    with torch.no_grad():
        parts: list[Tensor] = [network(part) for part in torch.split(stack, 256)]
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def _models(models: Path | None) -> Path:
    return models or Path(str(camfilter.__file__)).parents[1] / "models"


def _proved(network: object, name: str) -> nn.Module:
    """The network itself, once it is proved to map pictures to embeddings of length 1."""
    if not isinstance(network, nn.Module):
        raise SurrogateError(f"Embedding {name!r} is not a torch module.")
    size, dimensions, training = size_of(network), dimensions_of(network), network.training
    try:
        with torch.no_grad():
            embeddings = network.eval()(torch.rand(2, 1, size, size))
    except (RuntimeError, TypeError) as error:
        raise SurrogateError(f"Embedding {name!r} does not take {size} px: {error}.") from error
    finally:
        network.train(training)
    lengths = embeddings.norm(dim=-1)
    if embeddings.shape != (2, dimensions) or not torch.allclose(lengths, torch.ones(2)):
        raise SurrogateError(f"Embedding {name!r} does not give unit length in {dimensions}.")
    return network
