"""ART's FastGradientMethod, once for each stage, with the label given so that it stays frozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from art.attacks.evasion import FastGradientMethod  # type: ignore[import-untyped]
from art.estimators.classification import PyTorchClassifier  # type: ignore[import-untyped]
from numpy.typing import NDArray
from torch import nn

from camfilter.bench.stage import Task
from camfilter.expressions import EXPRESSIONS

__all__ = ["prepare"]


def prepare(network: nn.Module, task: Task) -> Callable[[], NDArray[np.float32]]:
    """A call that runs the task's chain with ART.

    Args:
        network: maps (B, 1, S, S) to (B, 8), in evaluation mode.
        task: what to do.
    """
    picture = task.picture[None, None]
    label = np.eye(len(EXPRESSIONS), dtype=np.float32)[[task.label]]
    classifier: Any = PyTorchClassifier(
        model=network,
        loss=nn.CrossEntropyLoss(),
        input_shape=picture.shape[1:],
        nb_classes=len(EXPRESSIONS),
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    attack: Any = FastGradientMethod(estimator=classifier, eps=task.epsilon, batch_size=1)

    def run() -> NDArray[np.float32]:
        seen = picture
        for _ in range(task.stages):
            seen = attack.generate(x=seen, y=label)
        return np.asarray(seen[0, 0], np.float32)

    return run
