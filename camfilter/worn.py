"""What one face wears, and what is known of it: the state of the chain over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from camfilter.clean_reading import CleanReading
from camfilter.decoy import Decoys
from camfilter.geometry import Crop, FollowedMask
from camfilter.haste import Haste
from camfilter.skin_flow import SkinFlow
from camfilter.turns import Turns

__all__ = ["LONG_AGO", "NOTHING", "Worn"]

NOTHING: Final = -1
"""The aim of a stage that only leaves the truth."""

LONG_AGO: Final = -1000
"""A frame before all others."""


@dataclass(slots=True, eq=False)
class Worn:
    """What one face wears.

    Attributes:
        texture: (48, 48) float32 change of luma in units of [0, 1], before the mask.
        momentum: (48, 48) float32 gradient kept from earlier stages.
        reading: what the surrogates read in the clean face.
        seen: (64, 64) float32 luma of the face in the newest frame.
        skin: where its skin goes inside that.
        stages: how many stages it has had.
        read_frame: frame of the newest clean reading.
        frame: frame in which it was worn last.
        aim: index of the expression that the newest stage approached, if any.
        aimed_at_stage: the stage that approached it first.
        staged_frame: frame of the newest stage.
        reread_frame: frame in which all surrogates read the clean face last.
        moved_frame: frame in which its skin moved inside the crop last.
        haste: the stages it is given beyond its turn.
        mask: where it may change.
        decoys: what it shall be read as, in mode untargeted.
        turns: which surrogate comes next.
        begun: whether it has had its first stages.
    """

    texture: Crop
    momentum: Crop
    reading: CleanReading
    seen: Crop
    skin: SkinFlow
    decoys: Decoys
    turns: Turns
    haste: Haste
    mask: FollowedMask
    stages: int = 0
    read_frame: int = 0
    frame: int = 0
    aim: int = NOTHING
    aimed_at_stage: int = 0
    staged_frame: int = 0
    reread_frame: int = LONG_AGO
    moved_frame: int = LONG_AGO
    begun: bool = False

    @property
    def beliefs(self) -> NDArray[np.float32]:
        """(surrogates, 8) probabilities that each gives the clean face, over time."""
        return self.reading.beliefs
