"""What every peer promises, and the list of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from camfilter.bench.stage import Task
from camfilter.errors import CamfilterError
from camfilter.lab.networks import SurrogateFolder

__all__ = ["PEERS", "Peers", "ready_peers"]

FROZEN: Final = ", weights frozen"

Run = Callable[[], NDArray[np.float32]]
"""Runs the whole chain once; the picture after it, (size, size) float32."""

PEERS: Final[dict[str, str]] = {
    "ART": "art_fgsm",
    "ART, weights frozen": "art_fgsm",
    "torchattacks": "torchattacks_fgsm",
    "foolbox": "foolbox_fgsm",
    "foolbox, weights frozen": "foolbox_fgsm",
    "torch loop": "torch_loop",
    "torch.compile": "compiled_loop",
}
"""Peers by name, and the module of this package that has each one's `prepare`."""


@dataclass(frozen=True, slots=True)
class Peers:
    """Who can take part, and why somebody cannot.

    Attributes:
        runs: one call for each peer that works here.
        missing: why the others do not, in one line each.
    """

    runs: dict[str, Run]
    missing: dict[str, str]


def ready_peers(surrogate: str, task: Task, names: tuple[str, ...] = tuple(PEERS)) -> Peers:
    """Get peers ready on the network behind a surrogate, and run each once.

    torch computes with the task's number of threads from here on.

    Args:
        surrogate: name of a folder in models/.
        task: what each has to do.
        names: which of them.
    """
    torch.set_num_threads(task.threads)
    runs: dict[str, Run] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            network = SurrogateFolder.named(surrogate).load()
            # As their manuals have it. Who also freezes the weights saves ART and foolbox the
            # gradients of the weights, so that is measured, too.
            network.requires_grad_(not name.endswith(FROZEN))
            runs[name] = _proved(name, network, task)
        except ImportError as error:
            missing[name] = f"{error.name or name} is not installed"
        except CamfilterError as error:
            missing[name] = error.what
        except Exception as error:  # noqa: BLE001 - a peer that fails is told, the others go on
            missing[name] = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return Peers(runs, missing)


def _proved(name: str, network: nn.Module, task: Task) -> Run:
    prepare: Callable[[nn.Module, Task], Run] = import_module(
        f"camfilter.lab.peers.{PEERS[name]}"
    ).prepare
    run = prepare(network, task)
    run()
    return run
