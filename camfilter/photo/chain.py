"""The chain of a picture: against expression recognisers, embedders or both, then amplified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from camfilter.chain import Chain, Perturbation
from camfilter.embedding.base import Embedder
from camfilter.faces.base import Face
from camfilter.frames import Pixels
from camfilter.geometry import cut_crop, outline_mask
from camfilter.photo.identity import Leaving, Turns
from camfilter.photo.settings import Hide, PhotoSettings
from camfilter.settings import MAX_CHAIN_LENGTH
from camfilter.surrogate.base import Surrogate
from camfilter.surrogate.ensemble import Ensemble, members_of

__all__ = ["PhotoChain"]

_FACES_AT_ONCE: Final = 32


class PhotoChain:
    """Finds the masks of the faces of one picture (Face-Off, section III-B, steps 2 to 4).

    Args:
        surrogate: reads expressions.
        settings: what to hide, how strongly, and amplified by how much.
        embedders: tell people apart; needed where identity is to be hidden.
        seed: of all chance.

    Attributes:
        surrogate: the same.
        settings: of the chain with the amplification in them; the composition keeps to them.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        settings: PhotoSettings,
        embedders: Sequence[Embedder] = (),
        seed: int = 0,
    ) -> None:
        if settings.hide is not Hide.EMOTION and not embedders:
            raise ValueError("Hiding identity needs an embedder.")
        # One of its own, so that a picture always gets the same mask: members take turns.
        self.surrogate: Surrogate = Ensemble(members_of(surrogate))
        self.settings = settings.allowed
        self._asked = settings
        self._embedders = tuple(embedders)
        self._seed = seed

    def perturb_faces(self, pixels: Pixels, faces: Sequence[Face]) -> Perturbation:
        """Find the mask of each face, amplified.

        Args:
            pixels: (height, width, 3) uint8, BGR, the raw picture.
            faces: of this picture, one or more.
        """
        found = [
            self._perturb(pixels, faces[first : first + _FACES_AT_ONCE])
            for first in range(0, len(faces), _FACES_AT_ONCE)
        ]
        delta = np.concatenate([some.delta for some in found])
        return Perturbation(delta * np.float32(self._asked.amplification))

    def catch_up(self) -> None:
        """Nothing waits: pictures have nothing to do with each other."""

    def _perturb(self, pixels: Pixels, faces: Sequence[Face]) -> Perturbation:
        asked = self._asked
        if asked.hide is Hide.EMOTION:
            return Chain(self.surrogate, asked.chain).perturb_faces(pixels, faces)
        sizes_px = [embedder.size_px for embedder in self._embedders]
        size_px = max(self.surrogate.size_px, *sizes_px)
        crops = np.stack([cut_crop(pixels, face, size_px) for face in faces])
        masks = np.stack([outline_mask(face, size_px) for face in faces])
        leaving = [Leaving(embedder, crops, self._seed) for embedder in self._embedders]
        both = asked.hide is Hide.BOTH
        length = min(MAX_CHAIN_LENGTH, asked.chain.chain_length * (2 if both else 1))
        turns = Turns(self.surrogate, leaving, emotion=both)
        settings = asked.chain.model_copy(update={"chain_length": length})
        return Chain(turns, settings).perturb(crops, masks)
