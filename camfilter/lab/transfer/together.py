"""Several surrogates in one chain, as published and fine-tuned: does what helps one help all?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from camfilter.lab.experiment.made import Made
from camfilter.lab.networks import SurrogateFolder, size_of
from camfilter.lab.transfer.chain import chained, control
from camfilter.lab.transfer.tasks import SIZE_PX, accuracy_of, read_faces, readers_of
from camfilter.lab.transfer.tuning import Schedule, answers, tuned

__all__ = ["InTurn", "measure_together"]


class InTurn(nn.Module):
    """Networks of any sizes as one: a gradient is the next one's, a reading is that of all.

    Args:
        networks: in evaluation mode.
    """

    size_px = SIZE_PX

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self._networks = nn.ModuleList(networks)
        self._next = 0

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 1, 48, 48) to logits (B, 8) of the next network, or to the mean log-probability."""
        if not pictures.requires_grad:
            return torch.stack([self._of(one, pictures) for one in self._networks]).mean(0)
        network = self._networks[self._next % len(self._networks)]
        self._next += 1
        return self._of(network, pictures)

    def _of(self, network: nn.Module, pictures: Tensor) -> Tensor:
        shape = (size_of(network), size_of(network))
        seen = F.interpolate(pictures, shape, mode="bilinear", align_corners=False, antialias=True)
        return F.log_softmax(network(seen), 1)


def measure_together(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Make one chain on several networks in turn, and ask all the others.

    Args:
        order: as of `measure_arm`, but network names several, joined by "+"; where arm is
            distilled, each is taught by the others.
        given: faces and clean.

    Returns:
        As `measure_arm`, without weights; the `white` arrays are means over the networks.
    """
    names = order["network"].split("+")
    networks = [_member(order, name, names) for name in names]
    pictures = given["faces"].arrays["pictures"]
    ends = chained(
        InTurn(networks), pictures, stages=order["stages"],
        epsilon_levels=order["epsilon_levels"], trick=order["trick"], seed=order["seed"],
    )  # fmt: skip
    lengths = [f"fooled-{length}" for length in order["stages"]]
    conditions = dict(zip(lengths, ends, strict=True))
    conditions["control"] = control(pictures, ends[-1], order["seed"])
    arrays: dict[str, NDArray[Any]] = {}
    for name, changed in conditions.items():
        moved = [
            answers(network, changed).argmax(1) != answers(network, pictures).argmax(1)
            for network in networks
        ]
        arrays[f"white-{name}"] = torch.stack(moved).float().mean(0).numpy()
    for reader in readers_of(order):
        if reader.family in names:
            continue
        label = given["clean"].arrays[f"label-{reader.name}"]
        for name, changed in conditions.items():
            if reader.kind is None or name not in lengths[:-1]:
                arrays[f"{name}-{reader.name}"] = (
                    read_faces(reader, changed).argmax(axis=1) != label
                )
    right = [accuracy_of(network, given["faces"]) for network in networks]
    accuracy = {name: float(np.mean([one[name] for one in right])) for name in right[0]}
    change = ends[-1].astype(np.float64) - pictures
    psnr = float(10 * np.log10(255**2 / np.square(change).mean()))
    return Made({"accuracy": accuracy, "psnr": psnr}, arrays)


def _member(order: dict[str, Any], name: str, names: Sequence[str]) -> nn.Module:
    if order["arm"] is None:
        return SurrogateFolder.named(name).load()
    distilled = order["arm"]["learning"] == "distilled"
    teachers = [other for other in names if other != name] if distilled else []
    schedule = Schedule(order["steps"], order["batch"], order["lr"], order["seed"])
    return tuned(name, order["arm"], teachers, Path(order["data"]), schedule)
