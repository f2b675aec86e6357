"""What the surrogate reads before and after: measured on the 8-bit picture that leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from camfilter.filtered import Filtered
from camfilter.frames import Pixels, Size
from camfilter.geometry import cut_crop
from camfilter.surrogate.base import Surrogate
from camfilter.surrogate.reading import Reading

__all__ = ["FaceMeasure", "measure"]


@dataclass(frozen=True, slots=True)
class FaceMeasure:
    """One face of one frame, before and after.

    Attributes:
        before: the reading of the raw face.
        after: the reading of the protected face, cut again from the 8-bit picture.
        squared_error: summed over all pixels and channels of the face's box, in levels squared.
        samples: how many pixels times channels that sum has.
    """

    before: Reading
    after: Reading
    squared_error: float
    samples: int

    @property
    def fooled(self) -> bool:
        """True when the most probable expression is another one."""
        return self.before.label != self.after.label


def measure(raw: Pixels, filtered: Filtered, surrogate: Surrogate) -> list[FaceMeasure]:
    """Measure each face of a frame. Costs one forward pass for each face."""
    if not filtered.faces:
        return []
    crops = [cut_crop(filtered.pixels, face, surrogate.size_px) for face in filtered.faces]
    after = surrogate.read(np.stack(crops))
    measures = []
    for face, before_logits, after_logits in zip(
        filtered.faces, filtered.clean_logits, after, strict=True
    ):
        part = face.box.within(Size.of(raw)).slices()
        error = filtered.pixels[part].astype(np.int32) - raw[part]
        measures.append(
            FaceMeasure(
                Reading.of(before_logits),
                Reading.of(after_logits),
                float((error * error).sum(dtype=np.int64)),
                error.size,
            )
        )
    return measures
