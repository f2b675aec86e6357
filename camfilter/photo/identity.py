"""Away from who a face is: Face-Off's untargeted attack on embeddings.

A network embeds a face; two pictures of one person come to lie close together. With phi the
embedding and a the clean face's own, the attack is max ||phi(x + delta) - a|| within a ball
(Face-Off, section II-B, with the one picture at hand for the reference set).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from camfilter.embedding.base import Embedder
from camfilter.surrogate.base import Crops, Stage, StageResult, Surrogate
from camfilter.surrogate.ensemble import resized
from camfilter.views import ViewRange, draw_view

__all__ = ["Leaving", "Turns"]


class Leaving:
    """One embedder, and the clean faces that the embeddings shall leave.

    Each gradient is taken through another view of the face (DI-FGSM): it makes the way away
    hold for more than one crop, and gives it a direction at the clean face, which has none.

    Args:
        embedder: whose embeddings.
        crops: (faces, size, size) luma in [0, 1] of the clean faces, on any grid.
        seed: of the views.
        reach: how far the views stray.
    """

    def __init__(
        self, embedder: Embedder, crops: Crops, seed: int = 0, reach: ViewRange | None = None
    ) -> None:
        self._embedder = embedder
        self._anchors = embedder.embed(resized(crops, embedder.size_px))
        self._random = np.random.default_rng(seed)
        self._reach = reach or ViewRange()

    def direction(self, picture: Crops) -> Crops:
        """Gradient of the distance, of size 1 (L1) for each face, on the grid of `picture`."""
        size_px = self._embedder.size_px
        views = [draw_view(self._random, self._reach) for _ in picture]
        seen = [
            view.light(view.see(face, size_px)) for view, face in zip(views, picture, strict=True)
        ]
        _, gradient = self._embedder.gradient(np.stack(seen), self._anchors)
        carried = [
            view.carry_back(face, picture.shape[-1])
            for view, face in zip(views, gradient, strict=True)
        ]
        return _of_size_1(np.stack(carried))


class Turns:
    """Expression recognisers and embedders as one surrogate: each stage belongs to the next.

    It reads as the expression recogniser, so that a `Chain` can run on it; momentum, mask and
    bounds are shared, so that all stay within one budget.

    Args:
        surrogate: reads expressions.
        leaving: embedders with the faces to leave.
        emotion: whether every second stage is the surrogate's.
    """

    def __init__(self, surrogate: Surrogate, leaving: Sequence[Leaving], *, emotion: bool) -> None:
        self._surrogate = surrogate
        self._leaving = tuple(leaving)
        self._emotion = emotion
        self._turn = 0

    @property
    def name(self) -> str:
        """That of the surrogate."""
        return self._surrogate.name

    @property
    def size_px(self) -> int:
        """That of the surrogate; crops of any size are taken."""
        return self._surrogate.size_px

    @property
    def provider(self) -> str:
        """That of the surrogate."""
        return self._surrogate.provider

    def read(self, pictures: Crops) -> NDArray[np.float32]:
        """Logits (faces, 8) of the surrogate."""
        return self._surrogate.read(resized(pictures, self._surrogate.size_px))

    def take(self, stage: Stage) -> StageResult:
        """Take one stage on whoever's turn it is."""
        turn, self._turn = self._turn, self._turn + 1
        logits = np.empty((0, 0), np.float32)
        if self._emotion and turn % 2 == 0:
            direction, logits = self._of_emotion(stage)
        else:
            leaving = self._leaving[(turn // 2 if self._emotion else turn) % len(self._leaving)]
            # Stages that approach an expression go down, and this one goes up all the same.
            sign = np.sign(stage.step)[:, None, None]
            direction = sign * leaving.direction(stage.picture)
        momentum = np.float32(stage.decay) * stage.momentum + direction
        step = stage.step[:, None, None] * stage.mask * np.sign(momentum)
        stepped = np.clip(stage.picture + step, stage.lower, stage.upper)
        return StageResult(
            np.asarray(stepped, np.float32), np.asarray(momentum, np.float32), logits
        )

    def _of_emotion(self, stage: Stage) -> tuple[Crops, NDArray[np.float32]]:
        seen = resized(stage.picture, self._surrogate.size_px)
        still = np.zeros_like(seen)
        found = self._surrogate.take(
            Stage(seen, stage.label, stage.step, still, still, still, still, decay=0.0)
        )
        return _of_size_1(resized(found.momentum, stage.picture.shape[-1])), found.logits


def _of_size_1(gradient: Crops) -> Crops:
    weight = np.abs(gradient).sum(axis=(1, 2), keepdims=True)
    return np.asarray(gradient / np.maximum(weight, 1e-12), np.float32)
