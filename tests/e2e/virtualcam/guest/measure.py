"""Tells protected faces from raw ones, by comparing with the webcam's own pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pictures import POSES, SIZE, Change, is_card, luma_of, number_of, once_more_through, pose_of

from camfilter.frames import Pixels

EPSILON_LEVELS = 6
ROUNDING_LEVELS = 2
"""What the way through 8-bit planar video may add."""
_MARGIN_LEVELS = 1.5


class Eye:
    """Knows every raw pose as it looks behind a virtual camera.

    Args:
        raw: pictures from the webcam; each pose must be among them.
    """

    def __init__(self, raw: Sequence[Pixels]) -> None:
        seen: dict[int, NDArray[np.uint8]] = {}
        for picture in raw:
            number = number_of(picture)
            if number is not None:
                seen[pose_of(number)] = luma_of(once_more_through(picture))
        self.poses = len(seen)
        self.luma = np.stack([seen.get(pose, luma_of(raw[0])) for pose in range(POSES)])
        self.bare_levels = 0.0

    @property
    def least_levels(self) -> float:
        """From here on a face counts as changed: well over what a raw one shows."""
        return self.bare_levels + _MARGIN_LEVELS

    def learn_bare(self, pictures: Sequence[Pixels]) -> None:
        """Take note of how far raw pictures seem changed by the way alone."""
        self.bare_levels = max(change.face for change in self.look(pictures).changes)

    def look(self, pictures: Sequence[Pixels]) -> Sight:
        """Everything there is to say of some pictures of the virtual camera."""
        faces = [picture for picture in pictures if not is_card(picture)]
        numbers, changes = [], []
        for picture in faces:
            number = number_of(picture)
            if number is not None:
                numbers.append(number)
                changes.append(Change.between(self.luma[pose_of(number)], luma_of(picture)))
        right_size = all(picture.shape == (SIZE.height, SIZE.width, 3) for picture in pictures)
        return Sight(len(pictures), len(faces), right_size, numbers, changes)


@dataclass(frozen=True, slots=True)
class Sight:
    """What some pictures show.

    Attributes:
        frames: how many pictures there were.
        faces: how many are no cards.
        right_size: whether all have the webcam's size.
        numbers: the numbers of the faces, in order.
        changes: how far each of them is from its raw picture.
    """

    frames: int
    faces: int
    right_size: bool
    numbers: list[int]
    changes: list[Change]

    def protected(self, least_levels: float) -> bool:
        """Whether every face is changed enough, and no pixel too much."""
        return (
            self.right_size
            and len(self.numbers) == self.faces > 0
            and min(change.face for change in self.changes) >= least_levels
            and max(change.most for change in self.changes) <= EPSILON_LEVELS + ROUNDING_LEVELS
        )

    @property
    def in_order(self) -> bool:
        """Whether the numbers only grow."""
        return self.numbers == sorted(self.numbers) and len(set(self.numbers)) > 1

    def __str__(self) -> str:
        least = min((change.face for change in self.changes), default=0.0)
        most = max((change.most for change in self.changes), default=0)
        return (
            f"{self.frames} frames, {self.faces} faces; each differs by at least {least:.1f} "
            f"levels, no pixel by more than {most}"
        )
