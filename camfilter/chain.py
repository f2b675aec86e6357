"""The chain of attacks: each stage starts where the stage before it ended.

Chaining of Adversarial Attacks (CAA): x_0 = x; an untargeted stage (CUA) is
x_i = clip(x_{i-1} + a sign grad J(f(x_{i-1}), y_0)), a targeted one (CTA) is
x_i = clip(x_{i-1} - a sign grad J(f(x_{i-1}), t_i)). The label y_0 is that of the
clean picture and stays frozen. One stage is plain FGSM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from camfilter.expressions import EXPRESSIONS
from camfilter.faces.base import Face
from camfilter.frames import Pixels
from camfilter.geometry import cut_crop, outline_mask
from camfilter.settings import LEAST_LIKELY, ChainSettings, Mode, Projection
from camfilter.surrogate.base import Crops, Stage, Surrogate

__all__ = ["Chain", "FaceChain", "Perturbation", "scheduled_target"]

_APPROACH = -1.0
_LEAVE = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Perturbation:
    """What the chain found for the faces of one frame.

    Attributes:
        delta: (faces, size, size) change of luma in units of [0, 1]; the composition limits it.
    """

    delta: Crops


class FaceChain(Protocol):
    """Finds the perturbation of the faces of a frame; frames come in order."""

    surrogate: Surrogate
    settings: ChainSettings

    def perturb_faces(self, pixels: Pixels, faces: Sequence[Face]) -> Perturbation:
        """Find the perturbation of each face.

        Args:
            pixels: (height, width, 3) uint8, BGR, the raw frame; not written to.
            faces: of this frame, one or more.
        """

    def catch_up(self) -> None:
        """Do what may wait until the newest frame is out; the next frame does it else."""


class Chain:
    """Runs the stages against a surrogate.

    Args:
        surrogate: the recogniser to attack.
        settings: mode, size and length.
    """

    def __init__(self, surrogate: Surrogate, settings: ChainSettings) -> None:
        self.surrogate = surrogate
        self.settings = settings

    def perturb_faces(self, pixels: Pixels, faces: Sequence[Face]) -> Perturbation:
        """Find the perturbation of each face of a frame; frames have nothing to do with each other.

        Args:
            pixels: (height, width, 3) uint8, BGR, the raw frame.
            faces: of this frame, one or more.
        """
        size_px = self.surrogate.size_px
        crops = np.stack([cut_crop(pixels, face, size_px) for face in faces])
        masks = np.stack([outline_mask(face, size_px) for face in faces])
        return self.perturb(crops, masks)

    def catch_up(self) -> None:
        """Nothing waits: frames have nothing to do with each other."""

    def perturb(self, crops: Crops, masks: Crops) -> Perturbation:
        """Find the perturbation of each face.

        Args:
            crops: (faces, size, size) float32 luma in [0, 1], one or more faces.
            masks: (faces, size, size) float32, 0 to 1, how much each cell may change.
        """
        settings = self.settings
        clean_logits = self.surrogate.read(crops)
        lower, upper = self._bounds(crops, masks)
        direction = _LEAVE if settings.mode is Mode.UNTARGETED else _APPROACH
        step = np.full(len(crops), direction * settings.step_size, np.float32)
        picture, momentum = crops, np.zeros_like(crops)
        for stage in range(settings.chain_length):
            result = self.surrogate.take(
                Stage(
                    picture=picture,
                    label=self._labels(clean_logits, stage),
                    step=step,
                    mask=masks,
                    lower=lower,
                    upper=upper,
                    momentum=momentum,
                    decay=settings.momentum,
                )
            )
            picture, momentum = result.stepped, result.momentum
        return Perturbation(picture - crops)

    def _bounds(self, crops: Crops, masks: Crops) -> tuple[Crops, Crops]:
        if self.settings.projection is Projection.NONE:
            return np.zeros_like(crops), np.ones_like(crops)
        radius = np.float32(self.settings.epsilon) * masks
        return np.maximum(crops - radius, 0), np.minimum(crops + radius, 1)

    def _labels(self, clean_logits: NDArray[np.float32], stage: int) -> NDArray[np.float32]:
        settings = self.settings
        classes = clean_logits.shape[1]
        one_hot = np.eye(classes, dtype=np.float32)
        if settings.mode is Mode.UNTARGETED:
            return np.asarray(one_hot[clean_logits.argmax(axis=1)])
        if settings.mode is Mode.HIDE:
            return np.full(clean_logits.shape, 1 / classes, np.float32)
        if settings.mode is Mode.NEUTRAL:
            target = EXPRESSIONS[0]
        else:
            target = scheduled_target(settings.targets, stage, settings.chain_length)
        if target == LEAST_LIKELY:
            return np.asarray(one_hot[clean_logits.argmin(axis=1)])
        return np.repeat(one_hot[[EXPRESSIONS.index(target)]], len(clean_logits), axis=0)


def scheduled_target(targets: tuple[str, ...], stage: int, chain_length: int) -> str:
    """The target of one stage: the schedule spread evenly, its last name always last.

    A chain shorter than the schedule keeps the schedule's end.

    Args:
        targets: one or more names, first to last.
        stage: 0 for the first stage.
        chain_length: number of stages.
    """
    kept = targets[-chain_length:]
    return kept[stage * len(kept) // chain_length]
