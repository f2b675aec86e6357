"""The same loop with each stage compiled by torch.compile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import grad

from camfilter.bench.stage import Task

__all__ = ["prepare"]


def prepare(network: nn.Module, task: Task) -> Callable[[], NDArray[np.float32]]:
    """A call that runs the task's chain; the first one compiles, which takes up to a minute.

    Args:
        network: maps (B, 1, S, S) to (B, 8), in evaluation mode.
        task: what to do.
    """
    picture = torch.from_numpy(task.picture)[None, None]
    label = torch.tensor([task.label])

    def loss(seen: Tensor) -> Tensor:
        return F.cross_entropy(network(seen), label)

    def stage(seen: Tensor) -> Tensor:
        gradient: Tensor = grad(loss)(seen)
        return (seen + task.epsilon * gradient.sign()).clamp(0, 1)

    compiled = torch.compile(stage, dynamic=False)

    def run() -> NDArray[np.float32]:
        seen = picture
        for _ in range(task.stages):
            seen = compiled(seen)
        return np.asarray(seen[0, 0].detach().numpy(), np.float32)

    return run
