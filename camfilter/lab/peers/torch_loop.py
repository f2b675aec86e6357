"""The chain as anybody would write it in torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from camfilter.bench.stage import Task

__all__ = ["prepare"]


def prepare(network: nn.Module, task: Task) -> Callable[[], NDArray[np.float32]]:
    """A call that runs the task's chain with torch.autograd.

    Args:
        network: maps (B, 1, S, S) to (B, 8), in evaluation mode.
        task: what to do.
    """
    picture = torch.from_numpy(task.picture)[None, None]
    label = torch.tensor([task.label])

    def stage(seen: Tensor) -> Tensor:
        seen = seen.detach().requires_grad_(True)
        loss = F.cross_entropy(network(seen), label)
        (gradient,) = torch.autograd.grad(loss, seen)
        return (seen.detach() + task.epsilon * gradient.sign()).clamp(0, 1)

    def run() -> NDArray[np.float32]:
        seen = picture
        for _ in range(task.stages):
            seen = stage(seen)
        return np.asarray(seen[0, 0].numpy(), np.float32)

    return run
