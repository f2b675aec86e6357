"""Clips in which an expression changes: two pictures of one person turn into each other."""

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

__all__ = ["Change", "changing_clip", "pairs_of", "since_change_s", "to_and_fro"]

_CORNERS: Final = np.array([[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]])


_TURN_TAKES_S: Final = (0.13, 0.33)
_STAYS_S: Final = (0.2, 0.9)
_FROM_SHARE: Final = (0.0, 0.2)
_TO_SHARE: Final = (0.55, 1.0)


@dataclass(frozen=True, slots=True)
class Change:
    """When an expression changes, once.

    Attributes:
        at_s: since the clip began.
        takes_s: until the second picture is all that is seen.
    """

    at_s: float = 0.63
    takes_s: float = 0.17

    def shares(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the second picture at each time, (n,) in [0, 1]."""
        return np.clip((times_s - self.at_s) / self.takes_s, 0, 1)


def to_and_fro(times_s: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Shares of the second picture for a face that is hardly ever at rest.

    Its expression comes, more or less of it, and goes, all but gone; it stays for two tenths to
    nine tenths of a second each time.

    Args:
        times_s: (n,) time of each frame.
        random: draws how fast, how long and how much.

    Returns:
        (n,) in [0, 1].
    """
    moments, shares = [0.0, random.uniform(*_STAYS_S)], [0.0, 0.0]
    while moments[-1] < times_s[-1]:
        reach = _FROM_SHARE if shares[-1] > _FROM_SHARE[1] else _TO_SHARE
        share = random.uniform(*reach)
        turned_s = moments[-1] + random.uniform(*_TURN_TAKES_S)
        moments += [turned_s, turned_s + random.uniform(*_STAYS_S)]
        shares += [share, share]
    return np.interp(times_s, moments, shares)


def since_change_s(
    times_s: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Time since the first frame that shows something of the newest change.

    Args:
        times_s: (n,) time of each frame.
        shares: (n,) of the second picture.

    Returns:
        (n,) in seconds; below 0 before the first change.
    """
    moves = np.diff(shares, prepend=shares[0]) != 0
    starts = moves & ~np.concatenate([[False], moves[:-1]])
    newest = np.maximum.accumulate(np.where(starts, np.arange(len(times_s)), -1))
    return np.where(newest < 0, -1.0, times_s - times_s[newest])


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
    shares: NDArray[np.float64],
) -> list[Pixels]:
    """A head that moves as in `moving_clip`, and whose expression changes on the way.

    Args:
        stills: (height, width, 3) uint8, BGR, before and after, of one size.
        size: of the frames.
        times_s: (n,) time of each frame.
        seed: the same seed gives the same clip.
        finder: of faces in stills.
        shares: (n,) of the second picture at each time.

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
