"""Clips in which an expression changes: two pictures of one person, one turning into the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.faces.base import Face, FaceFinder
from camfilter.frames import Pixels, Size
from camfilter.geometry import fit_similarity
from camfilter.lab.evaluate.motion import moving_clip
from camfilter.lab.evaluate.subjects import Subject

__all__ = ["Change", "changing_clip", "pairs_of"]

_CORNERS: Final = np.array([[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]])


@dataclass(frozen=True, slots=True)
class Change:
    """When an expression changes.

    Attributes:
        at_s: since the clip began.
        takes_s: until the second picture is all that is seen.
    """

    at_s: float = 0.63
    takes_s: float = 0.17


def pairs_of(
    people: Mapping[str, Sequence[Subject]], count: int, random: np.random.Generator
) -> list[tuple[Subject, Subject]]:
    """Two pictures with different expressions of each person who has such.

    Args:
        people: pictures by person.
        count: most pairs.
        random: draws the people and the two expressions.
    """
    pairs = []
    for person in sorted(people):
        first_of: dict[str, Subject] = {}
        for subject in people[person]:
            first_of.setdefault(subject.label or "", subject)
        if len(first_of) > 1:
            before, after = random.choice(sorted(first_of), 2, replace=False)
            pairs.append((first_of[before], first_of[after]))
    order = random.permutation(len(pairs))[:count]
    return [pairs[index] for index in sorted(order)]


def changing_clip(
    stills: tuple[Pixels, Pixels],
    size: Size,
    times_s: NDArray[np.float64],
    seed: int,
    finder: FaceFinder,
    change: Change,
) -> list[Pixels]:
    """A head that moves as in `moving_clip`, and whose expression changes on the way.

    Args:
        stills: (height, width, 3) uint8, BGR, before and after, of one size.
        size: of the frames.
        times_s: (n,) time of each frame.
        seed: the same seed gives the same clip.
        finder: of faces in stills.
        change: when.

    Returns:
        n frames; none where one of the stills shows no face.
    """
    first, second = (finder.find(still) for still in stills)
    if not first or not second:
        return []
    height, width = stills[0].shape[:2]
    aligned = cv2.warpAffine(
        stills[1], _onto(second[0], first[0]), (width, height), borderMode=cv2.BORDER_REPLICATE
    ).view(np.uint8)
    before, after = (
        moving_clip(still, first[0].box, size, times_s, np.random.default_rng(seed))
        for still in (stills[0], aligned)
    )
    shares = np.clip((times_s - change.at_s) / change.takes_s, 0, 1)
    return [
        cv2.addWeighted(one, 1 - share, other, share, 0).view(np.uint8)
        for one, other, share in zip(before, after, shares.tolist(), strict=True)
    ]


def _onto(face: Face, other: Face) -> NDArray[np.float64]:
    """The similarity of a picture that lays one face onto another."""
    start, end = (
        _CORNERS @ inverse[:, :2].T + inverse[:, 2]
        for inverse in (cv2.invertAffineTransform(each.to_unit) for each in (face, other))
    )
    return fit_similarity(np.asarray(start, np.float32), np.asarray(end, np.float32))
