"""foolbox' FGSM, once for each stage."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from camfilter.bench.stage import Task

__all__ = ["prepare"]


def prepare(network: nn.Module, task: Task) -> Callable[[], NDArray[np.float32]]:
    """A call that runs the task's chain with foolbox.

    Args:
        network: maps (B, 1, S, S) to (B, 8), in evaluation mode.
        task: what to do.

    Raises:
        ImportError: foolbox is not installed.
    """
    with warnings.catch_warnings():  # it asks scipy for a name of old
        warnings.simplefilter("ignore", DeprecationWarning)
        from foolbox.attacks import FGSM  # noqa: PLC0415
        from foolbox.criteria import Misclassification  # noqa: PLC0415
        from foolbox.models.pytorch import PyTorchModel  # noqa: PLC0415

    picture = torch.from_numpy(task.picture)[None, None]
    criterion = Misclassification(torch.tensor([task.label]))
    model: Any = PyTorchModel(network, bounds=(0, 1), device="cpu")
    attack: Any = FGSM(random_start=False)

    def run() -> NDArray[np.float32]:
        seen = picture
        for _ in range(task.stages):
            seen = attack.run(model, seen, criterion, epsilon=task.epsilon)
        return np.asarray(seen[0, 0].detach().numpy(), np.float32)

    return run
