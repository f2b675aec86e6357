"""Faces with names where they are found in their pictures, cut as the product cuts them.

People are divided by a hash of their names, not their pictures: whoever is in the test part was
never learned from, as in verification on unseen people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.faces.base import Box, Face
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from camfilter.geometry import Similarity, cut_crop
from camfilter.lab.identities import Identities, load_identities

__all__ = [
    "FRAME_PX",
    "PICTURE_PX",
    "Part",
    "Placed",
    "crop_of",
    "finder",
    "found_in",
    "load_part",
    "part_of",
]

PICTURE_PX: Final = 160
"""Width and height of the pictures, as LFW's crops are here."""

_MARGIN_PX: Final = 48
FRAME_PX: Final = PICTURE_PX + 2 * _MARGIN_PX
"""Width and height of a picture with its edge repeated: the finder needs room around a face."""


class Part(StrEnum):
    """What people are for."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


_UP_TO: Final = {Part.TEST: 15, Part.VALID: 22, Part.TRAIN: 100}
"""Of a hundred hashes, those below belong to the part."""


def part_of(name: str) -> Part:
    """The part that a person belongs to, by the hash of the name alone."""
    hashed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 100
    return next(part for part, limit in _UP_TO.items() if hashed < limit)


@dataclass(frozen=True)
class Placed:
    """Pictures of people, and where the face lies in each.

    Attributes:
        frames: (N, FRAME_PX, FRAME_PX) uint8 luma.
        to_unit: (N, 2, 3) float64 similarity from frame pixels to the crop's unit square.
        people: (N,) int64 index into `names`.
        names: of the people, sorted.
        missed: pictures that were left out, as no face was found in them.
    """

    frames: NDArray[np.uint8]
    to_unit: NDArray[np.float64]
    people: NDArray[np.int64]
    names: list[str]
    missed: int = 0

    def __len__(self) -> int:
        return len(self.frames)

    def crops(self, size_px: int) -> NDArray[np.float32]:
        """(N, size_px, size_px) float32 luma in [0, 1]: what an embedder sees."""
        cut = [
            crop_of(frame, place, size_px)
            for frame, place in zip(self.frames, self.to_unit, strict=True)
        ]
        return np.stack(cut)

    def part(self, indices: Sequence[int] | NDArray[np.int64]) -> Placed:
        """Some of the pictures; people keep their numbers."""
        chosen = np.asarray(indices, np.int64)
        return Placed(self.frames[chosen], self.to_unit[chosen], self.people[chosen], self.names)


def crop_of(frame: NDArray[np.uint8], to_unit: Similarity, size_px: int) -> NDArray[np.float32]:
    """One face of a luma frame as an embedder sees it: (size_px, size_px) float32 in [0, 1]."""
    return cut_crop(_three(frame), _face_at(to_unit), size_px)


def load_part(
    source: Path,
    part: Part,
    *,
    least_pictures: int = 3,
    most_people: int | None = None,
    most_pictures: int | None = None,
) -> Placed:
    """The people of a part, those with the most pictures first, and their faces' places.

    Args:
        source: as `camfilter.lab.identities.load_identities` reads it.
        part: which people.
        least_pictures: of a person, to be taken; three or more.
        most_people: to be taken; None takes all.
        most_pictures: of each person; None takes all.

    Raises:
        SourceError: there are no such pictures; see load_identities.
    """
    everybody = load_identities(source, PICTURE_PX, least_pictures=least_pictures)
    counts = np.bincount(everybody.people, minlength=len(everybody.names))
    wanted = [i for i, name in enumerate(everybody.names) if part_of(name) is part]
    wanted.sort(key=lambda person: (-counts[person], everybody.names[person]))
    chosen = sorted(wanted[:most_people])
    pictures = [np.flatnonzero(everybody.people == person)[:most_pictures] for person in chosen]
    indices = np.concatenate([np.zeros(0, np.int64), *pictures])
    return _placed(everybody.part(indices), chosen)


def _placed(some: Identities, chosen: Sequence[int]) -> Placed:
    frames = np.pad(some.pictures, ((0, 0), (_MARGIN_PX, _MARGIN_PX), (_MARGIN_PX, _MARGIN_PX)),
                    mode="edge")  # fmt: skip
    with finder() as faces:
        places = [found_in(faces, frame) for frame in frames]
    kept = np.array([i for i, place in enumerate(places) if place is not None], np.int64)
    number = {person: index for index, person in enumerate(chosen)}
    people = np.array([number[int(person)] for person in some.people[kept]], np.int64)
    to_unit = [place for place in places if place is not None]
    return Placed(
        frames[kept],
        np.stack(to_unit) if to_unit else np.zeros((0, 2, 3)),
        people,
        [some.names[person] for person in chosen],
        len(frames) - len(kept),
    )


@contextmanager
def finder() -> Iterator[MediaPipeFaces]:
    """The product's face finder, for unrelated pictures."""
    faces = MediaPipeFaces(stills=True)
    try:
        yield faces
    finally:
        faces.close()


def found_in(faces: MediaPipeFaces, frame: NDArray[np.uint8]) -> Similarity | None:
    """Where the largest face of a luma frame lies; None where there is none."""
    found = faces.find(_three(frame))
    return found[0].to_unit if found else None


def _three(frame: NDArray[np.uint8]) -> Pixels:
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR), np.uint8)


def _face_at(to_unit: Similarity) -> Face:
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    inverse = cv2.invertAffineTransform(to_unit)
    outline = np.asarray(corners @ inverse[:, :2].T + inverse[:, 2], np.float32)
    return Face(outline, to_unit, Box.around(outline))
