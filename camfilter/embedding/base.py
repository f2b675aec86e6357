"""What an embedder promises: faces to points on a sphere, and the way to move a face there."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from camfilter.surrogate.base import Crops

__all__ = ["Embedder", "Embeddings"]

Embeddings: TypeAlias = NDArray[np.float32]
"""(faces, dimensions) float32, each of length 1; near ones are of one person."""


class Embedder(Protocol):
    """Maps faces to embeddings; known from the inside.

    Crops are framed as `camfilter.geometry.cut_crop` frames them.
    """

    @property
    def name(self) -> str:
        """Name in the manifest of embedders."""

    @property
    def size_px(self) -> int:
        """Width and height of the crop it sees."""

    @property
    def dimensions(self) -> int:
        """Length of an embedding."""

    @property
    def threshold(self) -> float:
        """Distance below which two pictures count as one person's.

        Chosen for the greatest accuracy on as many pairs of one person as of two, of people whom
        the network was not trained on.
        """

    def embed(self, crops: Crops) -> Embeddings:
        """Embeddings (faces, dimensions) of (faces, size, size) luma in [0, 1]."""

    def gradient(self, crops: Crops, anchors: Embeddings) -> tuple[NDArray[np.float32], Crops]:
        """How far each face is from an anchor, and how the distance changes with each pixel.

        Face-Off's d(x, a) = ||phi(x) - a||; its mean over anchors has the mean of the gradients.

        Args:
            crops: (faces, size, size) luma in [0, 1].
            anchors: (faces, dimensions) where each face shall go to, or away from. A face that
                is at its anchor has no way away from it, and a gradient of 0.

        Returns:
            (faces,) distances, 0 to 2, and (faces, size, size) gradients of them.
        """
