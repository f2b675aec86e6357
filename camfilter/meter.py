"""What recognisers read before and after: measured on the 8-bit picture that leaves.

The chaining paper found that entropy follows protection; so the reading of the surrogates, and
that of a recogniser which is never attacked, say while the filter runs whether it works. Pictures
are measured by all recognisers at once, a live run by one of them at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.faces.base import Face
from camfilter.filtered import Filtered
from camfilter.frames import Pixels, Size
from camfilter.geometry import cut_crop
from camfilter.surrogate.base import Recogniser, Surrogate
from camfilter.surrogate.ensemble import log_mean, members_of
from camfilter.surrogate.reading import Reading

__all__ = ["ASK_EVERY_FRAMES", "AtOnce", "Change", "FaceMeasure", "InTurns", "Meter"]

ASK_EVERY_FRAMES: Final = 6
"""From one question to the next in a live run: each of five recognisers comes once a second."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one recogniser reads in one face.

    Attributes:
        before: in the raw face.
        after: in the protected face, cut again from the 8-bit picture.
    """

    before: Reading
    after: Reading

    @property
    def fooled(self) -> bool:
        """True when the most probable expression is another one."""
        return self.before.label != self.after.label


@dataclass(frozen=True, slots=True)
class FaceMeasure:
    """One face of one frame, before and after.

    Attributes:
        attacked: what the surrogates read, their mean.
        squared_error: summed over all pixels and channels of the face's box, in levels squared.
        samples: how many pixels times channels that sum has.
        held_out: what a recogniser reads that is never attacked; None without one.
    """

    attacked: Change
    squared_error: float
    samples: int
    held_out: Change | None = None


class Meter(Protocol):
    """Says what recognisers read in the faces of a frame."""

    def measure(self, raw: Pixels, filtered: Filtered, surrogate: Surrogate) -> list[FaceMeasure]:
        """Measure a frame.

        Args:
            raw: (height, width, 3) uint8, BGR.
            filtered: what the filter made of it.
            surrogate: the recogniser that is attacked.
        """


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Measures all faces by all recognisers, each with two forward passes for each face.

    Attributes:
        held_out: a recogniser that is never attacked, to be asked, too.
    """

    held_out: Recogniser | None = None

    def measure(self, raw: Pixels, filtered: Filtered, surrogate: Surrogate) -> list[FaceMeasure]:
        """Measure a frame; see `Meter`."""
        measures = []
        for face in filtered.faces:
            pair = raw, filtered.pixels
            attacked = _change(_read(surrogate, face, *pair))
            other = None if self.held_out is None else _change(_read(self.held_out, face, *pair))
            measures.append(_measured(face, raw, filtered, attacked, other))
        return measures


@dataclass(slots=True)
class InTurns:
    """Measures the largest face, asking one recogniser after the other, one for each call.

    So no frame pays for all of them. A face is measured once all were asked; from then on each
    call replaces the oldest answer.

    Attributes:
        held_out: a recogniser that is never attacked, to be asked, too.
    """

    held_out: Recogniser | None = None
    _asked: tuple[Recogniser, ...] = ()
    _track: int = -1
    _answers: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    _turn: int = 0

    def measure(self, raw: Pixels, filtered: Filtered, surrogate: Surrogate) -> list[FaceMeasure]:
        """Measure a frame; see `Meter`."""
        if not filtered.faces:
            return []
        face, members = filtered.faces[0], members_of(surrogate)
        asked = members if self.held_out is None else (*members, self.held_out)
        if asked != self._asked or face.track != self._track:
            self._asked, self._track = asked, face.track
            self._answers, self._turn = {}, 0
        turn = self._turn % len(asked)
        self._turn += 1
        self._answers[turn] = _read(asked[turn], face, raw, filtered.pixels)
        if len(self._answers) < len(asked):
            return []
        attacked = _change(log_mean([self._answers[turn] for turn in range(len(members))]))
        other = None if self.held_out is None else _change(self._answers[len(members)])
        return [_measured(face, raw, filtered, attacked, other)]


def _read(recogniser: Recogniser, face: Face, before: Pixels, after: Pixels) -> NDArray[np.float32]:
    """Logits (2, 8) of one face in two pictures."""
    crops = [cut_crop(pixels, face, recogniser.size_px) for pixels in (before, after)]
    return recogniser.read(np.stack(crops))


def _change(logits: NDArray[np.float32]) -> Change:
    return Change(Reading.of(logits[0]), Reading.of(logits[1]))


def _measured(
    face: Face, raw: Pixels, filtered: Filtered, attacked: Change, held_out: Change | None
) -> FaceMeasure:
    part = face.box.within(Size.of(raw)).slices()
    before = raw[part]
    squared_error = cv2.norm(before, filtered.pixels[part], cv2.NORM_L2SQR) if before.size else 0.0
    return FaceMeasure(attacked, float(squared_error), before.size, held_out)
