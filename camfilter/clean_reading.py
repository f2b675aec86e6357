"""What the surrogates read in one clean face: asked again as soon as the face changes.

An expression comes within a few frames. Stages that lead away from what a face showed before do
nothing for what it shows now, so as soon as its picture is another one, all surrogates read it
again. While it stays the same, one of them reads it now and then, and slips are averaged out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from camfilter.geometry import Crop, centred, shrunk
from camfilter.surrogate.base import Surrogate
from camfilter.surrogate.ensemble import resized
from camfilter.surrogate.reading import softmax

__all__ = ["CHANGED", "CleanReading"]

_LOOK_PX: Final = 16
"""Coarse enough that a sensor's noise averages out; a mouth is a few cells wide."""
_ROWS: Final = slice(2, 14)
_COLUMNS: Final = slice(3, 13)
CHANGED: Final = 0.006
"""A greater change of a face's picture is more than noise and a moving head bring."""
_ANOTHER: Final = 0.04
"""From here on nothing of the earlier reading is kept."""
_KEPT: Final = 0.6


class CleanReading:
    """The surrogates' beliefs on one clean face.

    Args:
        members: the surrogates.
        crop: (s, s) float32 luma of the face in [0, 1].

    Attributes:
        beliefs: (surrogates, 8) float32, probabilities that each gives, over time.
    """

    def __init__(self, members: Sequence[Surrogate], crop: Crop) -> None:
        self._members = members
        self.beliefs: NDArray[np.float32] = np.stack([_reading(each, crop) for each in members])
        self._look = _look(crop)

    def change(self, crop: Crop) -> float:
        """How little a crop looks like the one that all surrogates read last.

        Returns:
            One less their correlation, 0 to 2, whatever the light; 0 where nothing is to be seen.
        """
        look = _look(crop)
        size = float(np.sqrt(np.dot(look, look) * np.dot(self._look, self._look)))
        return 1 - float(np.dot(look, self._look)) / size if size > 0 else 0.0

    def read_again(self, crop: Crop) -> NDArray[np.bool_]:
        """Ask all surrogates; the more the face has changed, the less of the past is kept.

        Returns:
            (surrogates,) True for each that takes another expression for the truth than before.
        """
        kept = np.float32(_KEPT * max(0.0, 1 - self.change(crop) / _ANOTHER))
        before = self.beliefs.argmax(axis=1)
        now = np.stack([_reading(each, crop) for each in self._members])
        self.beliefs = kept * self.beliefs + (1 - kept) * now
        self._look = _look(crop)
        return np.asarray(self.beliefs.argmax(axis=1) != before)

    def read_one(self, index: int, crop: Crop) -> None:
        """Ask one surrogate, for a face that has not changed."""
        kept = np.float32(_KEPT)
        now = _reading(self._members[index], crop)
        self.beliefs[index] = kept * self.beliefs[index] + (1 - kept) * now


def _look(crop: Crop) -> NDArray[np.float32]:
    """The inside of a face, coarse and without its mean, as one row."""
    return centred(shrunk(crop, (_LOOK_PX, _LOOK_PX))[_ROWS, _COLUMNS])


def _reading(member: Surrogate, crop: Crop) -> NDArray[np.float32]:
    """Probabilities that one surrogate gives a clean face, (8,)."""
    return softmax(member.read(resized(crop[None], member.size_px))[0])
