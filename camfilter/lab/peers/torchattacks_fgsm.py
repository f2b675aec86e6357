"""torchattacks' FGSM, once for each stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchattacks import FGSM

from camfilter.bench.stage import Task

__all__ = ["prepare"]


def prepare(network: nn.Module, task: Task) -> Callable[[], NDArray[np.float32]]:
    """A call that runs the task's chain with torchattacks.

    Args:
        network: maps (B, 1, S, S) to (B, 8), in evaluation mode.
        task: what to do.
    """
    picture = torch.from_numpy(task.picture)[None, None]
    label = torch.tensor([task.label])
    # It asks the network's first parameter for the device.
    attack: Any = FGSM(network, eps=task.epsilon)

    def run() -> NDArray[np.float32]:
        seen = picture
        for _ in range(task.stages):
            seen = attack(seen, label)
        return np.asarray(seen[0, 0].numpy(), np.float32)

    return run
