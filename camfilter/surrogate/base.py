"""What recognisers and surrogates promise: read faces; and take a stage of an attack on itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Crops", "Recogniser", "Stage", "StageResult", "Surrogate"]

Crops: TypeAlias = NDArray[np.float32]
"""(faces, size, size) float32: luma in [0, 1], or another quantity on the same grid."""


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One FGSM stage for a number of faces: x <- clip(x + step * mask * sign(m), lower, upper).

    Attributes:
        picture: (faces, size, size) luma in [0, 1] that the gradient is taken at.
        label: (faces, 8) distribution that the cross-entropy is taken against.
        step: (faces,) signed size in [0, 1]; above 0 leaves the label, below 0 approaches it.
        mask: (faces, size, size) share of the step that each cell takes, 0 to 1.
        lower: (faces, size, size) least value that each cell may have.
        upper: (faces, size, size) greatest value that each cell may have.
        momentum: (faces, size, size) gradient kept from earlier stages.
        decay: share of the momentum that is kept, 0 to 1.
    """

    picture: Crops
    label: NDArray[np.float32]
    step: NDArray[np.float32]
    mask: Crops
    lower: Crops
    upper: Crops
    momentum: Crops
    decay: float


@dataclass(frozen=True, slots=True, eq=False)
class StageResult:
    """What a stage gives back.

    Attributes:
        stepped: (faces, size, size) the picture after the step.
        momentum: (faces, size, size) momentum for the next stage.
        logits: (faces, 8) of the picture before the step.
    """

    stepped: Crops
    momentum: Crops
    logits: NDArray[np.float32]


class Recogniser(Protocol):
    """Reads expressions in faces."""

    @property
    def name(self) -> str:
        """Name in the manifest."""

    @property
    def size_px(self) -> int:
        """Width and height of the crop it sees."""

    def read(self, pictures: Crops) -> NDArray[np.float32]:
        """Logits (faces, 8) of faces of shape (faces, size, size), luma in [0, 1]."""


class Surrogate(Recogniser, Protocol):
    """An expression recogniser known from the inside."""

    @property
    def provider(self) -> str:
        """Hardware it truly runs on: cpu, cuda or tensorrt."""

    def take(self, stage: Stage) -> StageResult:
        """Take one stage for each face."""
