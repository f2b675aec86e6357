"""What the surrogates read in one clean face: asked again as soon as the face changes.

An expression comes within a few frames. Stages that lead away from what a face showed before do
nothing for what it shows now, so as soon as its picture is another one, half of the surrogates read
it again, and the others with them as soon as one of those reads another expression, else in their
turn. While it stays the same, one of them reads it now and then, and slips are averaged out.
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
_GROUPS: Final = 2


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
        self._looks = [_look(crop)] * min(_GROUPS, len(members))

    def change(self, crop: Crop) -> float:
        """How little a crop looks like the one that a surrogate read last, the longest ago.

        Returns:
            One less their correlation, 0 to 2, whatever the light; 0 where nothing is to be seen.
        """
        return max(self._changes(_look(crop)))

    def read_again(self, crop: Crop) -> NDArray[np.bool_]:
        """Ask the half of the surrogates for whom it changed most, and if one slips, the others.

        The more the face has changed, the less of the past is kept.

        Returns:
            (surrogates,) True for each that takes another expression for the truth than before.
        """
        look = _look(crop)
        changes = self._changes(look)
        before = self.beliefs.argmax(axis=1)
        for group in sorted(range(len(changes)), key=lambda group: -changes[group]):
            self._ask(group, crop, changes[group])
            self._looks[group] = look
            otherwise = np.asarray(self.beliefs.argmax(axis=1) != before)
            if not otherwise.any():
                break
        return otherwise

    def _changes(self, look: NDArray[np.float32]) -> list[float]:
        """How much the face has changed since each half read it."""
        return [_apart(look, before) for before in self._looks]

    def _ask(self, group: int, crop: Crop, change: float) -> None:
        """Every second surrogate, from this one on."""
        kept = np.float32(_KEPT * max(0.0, 1 - change / _ANOTHER))
        for index in range(group, len(self._members), _GROUPS):
            self._read(index, crop, kept)

    def read_one(self, index: int, crop: Crop) -> None:
        """Ask one surrogate, for a face that has not changed."""
        self._read(index, crop, np.float32(_KEPT))

    def _read(self, index: int, crop: Crop, kept: np.float32) -> None:
        now = _reading(self._members[index], crop)
        self.beliefs[index] = kept * self.beliefs[index] + (1 - kept) * now


def _look(crop: Crop) -> NDArray[np.float32]:
    """The inside of a face, coarse and without its mean, as one row."""
    return centred(shrunk(crop, (_LOOK_PX, _LOOK_PX))[_ROWS, _COLUMNS])


def _apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """One less the correlation of two rows without a mean; 0 where one of them shows nothing."""
    size = float(np.sqrt(np.dot(one, one) * np.dot(other, other)))
    return 1 - float(np.dot(one, other)) / size if size > 0 else 0.0


def _reading(member: Surrogate, crop: Crop) -> NDArray[np.float32]:
    """Probabilities that one surrogate gives a clean face, (8,)."""
    return softmax(member.read(resized(crop[None], member.size_px))[0])
