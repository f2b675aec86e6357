"""What recognisers read before and after: measured on the 8-bit picture that leaves.

The chaining paper found that entropy follows protection; so the reading of the surrogates, and
that of a recogniser which is never attacked, say while the filter runs whether it works.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from camfilter.filtered import Filtered
from camfilter.frames import Pixels, Size
from camfilter.geometry import cut_crop
from camfilter.surrogate.base import Recogniser
from camfilter.surrogate.reading import Reading

__all__ = ["Change", "FaceMeasure", "measure"]


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


def measure(
    raw: Pixels,
    filtered: Filtered,
    surrogate: Recogniser,
    held_out: Recogniser | None = None,
    most_faces: int | None = None,
) -> list[FaceMeasure]:
    """Measure the faces of a frame. Costs two forward passes of each recogniser for each face.

    Args:
        raw: (height, width, 3) uint8, BGR.
        filtered: what the filter made of it.
        surrogate: the recogniser that is attacked.
        held_out: another one.
        most_faces: no more than so many, the first ones; None measures all.
    """
    faces = filtered.faces[:most_faces]
    if not faces:
        return []
    attacked = _changes(raw, filtered, surrogate, len(faces))
    others: Sequence[Change | None] = [None] * len(faces)
    if held_out is not None:
        others = _changes(raw, filtered, held_out, len(faces))
    measures = []
    for face, change, other in zip(faces, attacked, others, strict=True):
        part = face.box.within(Size.of(raw)).slices()
        error = filtered.pixels[part].astype(np.int32) - raw[part]
        squared_error = float((error * error).sum(dtype=np.int64))
        measures.append(FaceMeasure(change, squared_error, error.size, other))
    return measures


def _changes(raw: Pixels, filtered: Filtered, recogniser: Recogniser, count: int) -> list[Change]:
    faces, size_px = filtered.faces[:count], recogniser.size_px
    crops = [cut_crop(pixels, face, size_px) for pixels in (raw, filtered.pixels) for face in faces]
    readings = [Reading.of(logits) for logits in recogniser.read(np.stack(crops))]
    return [Change(*pair) for pair in zip(readings[:count], readings[count:], strict=True)]
