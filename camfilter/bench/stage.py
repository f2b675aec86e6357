"""One stage of the chain, and a chain of them, as the bench times it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Size
from camfilter.geometry import cut_crop
from camfilter.sources.demo import DemoSource
from camfilter.surrogate.base import Crops, Stage, Surrogate

__all__ = ["EPSILON", "Task", "chain_of", "portrait_crop", "task_for"]

EPSILON = 1 / 255
"""Step of each stage in the comparison with others; one level, no projection (CUA)."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What everybody in the comparison has to do: an untargeted chain of plain FGSM stages.

    Attributes:
        picture: (size, size) float32, luma in [0, 1] of a real face.
        label: index of the class to leave; frozen over the chain.
        epsilon: step of each stage in [0, 1].
        stages: length of the chain.
        threads: that each library may use.
    """

    picture: NDArray[np.float32]
    label: int
    epsilon: float
    stages: int
    threads: int


def portrait_crop(size_px: int) -> NDArray[np.float32]:
    """The demo's face as a surrogate of this size sees it, (size_px, size_px) float32."""
    with DemoSource(Size(640, 480), frame_count=1) as demo:
        raw = demo.read()
    assert raw is not None
    finder = MediaPipeFaces(stills=True)
    try:
        (face,) = finder.find(raw.pixels)
    finally:
        finder.close()
    return cut_crop(raw.pixels, face, size_px)


def task_for(surrogate: Surrogate, *, stages: int, threads: int) -> Task:
    """The comparison's task on the demo's face."""
    picture = portrait_crop(surrogate.size_px)
    label = int(surrogate.read(picture[None])[0].argmax())
    return Task(picture, label, EPSILON, stages, threads)


def chain_of(surrogate: Surrogate, task: Task) -> Callable[[], Crops]:
    """A call that runs the task's chain on a surrogate; the picture after it, (size, size)."""
    picture = task.picture[None]
    zeros = np.zeros_like(picture)
    ones = np.ones_like(picture)
    first = Stage(
        picture=picture,
        label=np.eye(8, dtype=np.float32)[[task.label]],
        step=np.array([task.epsilon], np.float32),
        mask=ones,
        lower=zeros,
        upper=ones,
        momentum=zeros,
        decay=0.0,
    )

    def run() -> Crops:
        stage = first
        for _ in range(task.stages):
            result = surrogate.take(stage)
            stage = replace(stage, picture=result.stepped)
        return np.asarray(stage.picture[0])

    return run
