"""Surrogates as folders: `models/NAME/` with the network's code, recipe and weights.

A new surrogate is a new folder; nothing else has to know of it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

import camfilter
from camfilter.errors import SurrogateError, UnknownSurrogate
from camfilter.expressions import EXPRESSIONS

__all__ = ["SurrogateFolder", "load_weights", "save_weights", "size_of"]


@dataclass(frozen=True)
class SurrogateFolder:
    """One folder of `models/`.

    Attributes:
        path: the folder; its name is the surrogate's.
    """

    path: Path

    @classmethod
    def named(cls, name: str, models: Path | None = None) -> SurrogateFolder:
        """The folder of a surrogate by its name.

        Args:
            name: of the surrogate.
            models: folder of all surrogates; the repository's by default.

        Raises:
            UnknownSurrogate: there is no such folder with a `network.py`.
        """
        models = models or Path(str(camfilter.__file__)).parents[1] / "models"
        known = sorted(path.parent.name for path in models.glob("*/network.py"))
        if name not in known:
            raise UnknownSurrogate(
                f"There is no surrogate {name!r} in {models}.",
                f"Choose one of: {', '.join(known)}." if known else "",
            )
        return cls(models / name)

    @property
    def name(self) -> str:
        """Name of the surrogate."""
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
            SurrogateError: `network.py` fails, has no `build`, or its network is not a surrogate.
        """
        file = self.path / "network.py"
        spec = spec_from_file_location(f"surrogate_{self.name}", file)
        if spec is None or spec.loader is None:
            raise SurrogateError(f"{file} cannot be imported.")
        module = module_from_spec(spec)
        sys.modules[spec.name] = module  # torch.compile asks for it by name
        try:
            spec.loader.exec_module(module)
            network = module.build()
        except Exception as error:
            raise SurrogateError(f"{file} does not build a network: {error!r}.") from error
        return surrogate_network(network, self.name)

    def load(self) -> nn.Module:
        """The trained network, in evaluation mode.

        Raises:
            SurrogateError: as in build and load_weights.
        """
        network = self.build()
        load_weights(network, self.checkpoint)
        return network.eval()


def size_of(network: nn.Module) -> int:
    """Width and height in pixels of the pictures that a network takes.

    Raises:
        SurrogateError: the network does not say.
    """
    size = getattr(network, "size_px", None)
    if not isinstance(size, int):
        raise SurrogateError(f"{type(network).__name__} has no integer size_px.")
    return size


def surrogate_network(network: object, name: str) -> nn.Module:
    """The network itself, once it is proved to map (B, 1, S, S) to one logit per expression.

    Raises:
        SurrogateError: it does not.
    """
    if not isinstance(network, nn.Module):
        raise SurrogateError(f"Surrogate {name!r} is not a torch module.")
    size = size_of(network)
    training = network.training
    try:
        with torch.no_grad():
            shape = tuple(network.eval()(torch.zeros(2, 1, size, size)).shape)
    except (RuntimeError, TypeError) as error:
        raise SurrogateError(
            f"Surrogate {name!r} does not take (B, 1, {size}, {size}) pictures: {error}."
        ) from error
    finally:
        network.train(training)
    if shape != (2, len(EXPRESSIONS)):
        raise SurrogateError(f"Surrogate {name!r} maps two pictures to {shape}, not to (2, 8).")
    return network


def load_weights(network: nn.Module, path: Path) -> None:
    """Fill a network with the weights of a file; nothing in it is executed.

    Raises:
        SurrogateError: the file is missing, malformed, or made for another network.
    """
    try:
        weights = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise SurrogateError(f"The weights {path} cannot be read: {error}.") from error
    expected = network.state_dict()
    if weights.keys() != expected.keys():
        odd = sorted(weights.keys() ^ expected.keys())[0]
        raise SurrogateError(
            f"The weights {path} are of another network: {odd} has no counterpart."
        )
    for key, tensor in expected.items():
        if weights[key].shape != tensor.shape:
            raise SurrogateError(
                f"The weights {path} are of another network: {key} has shape "
                f"{tuple(weights[key].shape)}, not {tuple(tensor.shape)}."
            )
    network.load_state_dict(weights)


def save_weights(network: nn.Module, path: Path) -> None:
    """Write the weights of a network; the same weights give the same bytes."""
    tensors = {key: value.detach().contiguous() for key, value in network.state_dict().items()}
    path.write_bytes(save(tensors))
