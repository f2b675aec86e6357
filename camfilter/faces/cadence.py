"""How often the finder looks at a steady scene: seldom while it only confirms what is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from camfilter.faces.base import Face
from camfilter.faces.placement import apart

__all__ = ["Cadence"]

_FIND_EVERY: Final = 3
_SELDOM: Final = 6
_CONFIRMED: Final = 0.03
"""Of the face's width; the finder's own answers for one picture stray as far."""
_SAME_FACE: Final = 0.2


class Cadence:
    """Frames from one look of the finder to the next: one more after each that brings no news.

    While it corrects what was carried it looks at every picture: a head that turns aside moves as
    its texture does not tell.

    Args:
        find_every: asked in each picture: frames from one look to the next at first; 1 shows it
            every picture, None stands for 3, and more is kept to whatever the finder says. Up to
            six pass while it only confirms.
    """

    def __init__(self, find_every: Callable[[], int] | None = None) -> None:
        self._find_every = find_every or _usual
        self._confirmed = 0
        self._corrects = False

    def due(self, frames_carried: int) -> bool:
        """Whether the finder's turn has come, after so many pictures that it did not see."""
        least = self._find_every()
        if self._corrects and least <= _FIND_EVERY:
            return frames_carried >= 1
        most = max(least, _SELDOM) if least > 1 else 1
        return frames_carried >= min(most, least + self._confirmed)

    def restart(self) -> None:
        """Begin anew with frequent looks: something happened that was not carried."""
        self._confirmed = 0

    def hear(self, carried: Sequence[Face], found: Sequence[Face]) -> None:
        """Learn what the finder saw in a picture to which faces had been carried."""
        alike = len(carried) == len(found) and all(_is_among(face, carried) for face in found)
        self._confirmed = self._confirmed + 1 if alike else 0
        self._corrects = not alike


def _is_among(face: Face, carried: Sequence[Face]) -> bool:
    """Whether a face lies where one was carried to."""
    best = max(carried, key=lambda other: other.box.overlap(face.box))
    if best.box.overlap(face.box) < _SAME_FACE:
        return False
    return apart(face, best) < _CONFIRMED


def _usual() -> int:
    return _FIND_EVERY
