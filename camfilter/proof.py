"""What a filtered picture must prove before the guard lets it out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from camfilter.errors import FilterFault
from camfilter.faces.base import Box, Face
from camfilter.faces.likeness import Likeness
from camfilter.frames import Pixels, RawFrame

__all__ = ["EarlierFrames", "SeenFaces", "check", "greatest_change", "own_copy"]

_LEAST_CHANGED: Final = 0.05
"""Share of a face that must have changed; a real perturbation moves a third of it or more."""
_REMEMBERED: Final = 8
_GRID_PX: Final = 4
_STEADY_FRAMES: Final = 20
"""More than the follower of faces needs to keep one (`faces.hold`), so that it comes first."""
_STILL_THERE: Final = 0.9
_COVERED: Final = 0.3
_REMEMBERED_S: Final = 10.0


def check(raw: RawFrame, pixels: Pixels, faces: Sequence[Face], budget_levels: int) -> int:
    """Prove that a filtered picture keeps its promises, or refuse it.

    Args:
        raw: what came from the source.
        pixels: what the filter made of it.
        faces: the faces that had to be changed.
        budget_levels: greatest change allowed for any pixel, in levels.

    Returns:
        The greatest change of any pixel, in levels.

    Raises:
        FilterFault: wrong type, wrong shape, a change over the budget, or a face left bare.
    """
    return greatest_change(raw, own_copy(raw, pixels), faces, budget_levels)


def own_copy(raw: RawFrame, pixels: Pixels) -> Pixels:
    """A copy of what the filter made, which the filter cannot write to any more.

    Raises:
        FilterFault: it is no picture like the raw frame, or it is the raw frame itself.
    """
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        raise FilterFault("The filter returned something that is not an 8-bit picture.")
    if pixels.shape != raw.pixels.shape:
        raise FilterFault(f"The filter returned {pixels.shape} for a {raw.pixels.shape} frame.")
    if np.shares_memory(pixels, raw.pixels):
        raise FilterFault("The filter returned the raw frame's own memory.")
    return np.array(pixels, np.uint8)


def greatest_change(
    raw: RawFrame, pixels: Pixels, faces: Sequence[Face], budget_levels: int
) -> int:
    """The greatest change of any pixel, in levels, of a picture that keeps its promises.

    Raises:
        FilterFault: a change over the budget, or a face left bare.
    """
    linf = int(cv2.norm(raw.pixels, pixels, cv2.NORM_INF))
    if not linf <= budget_levels:  # so that a budget that is no number refuses, too
        raise FilterFault(f"A pixel moved by {linf} levels; the budget is {budget_levels}.")
    for face in faces:
        part = face.box.within(raw.size).slices()
        before, after = raw.pixels[part], pixels[part]
        changed = 0
        if before.size:
            changed = cv2.countNonZero(cv2.absdiff(before, after).reshape(before.shape[0], -1))
        if changed == 0:
            raise FilterFault("A face came out unchanged: the perturbation is empty.")
        if changed < _LEAST_CHANGED * before.size:
            raise FilterFault("A face came out all but unchanged: the perturbation is too thin.")
    return linf


class EarlierFrames:
    """Remembers the last raw frames thinly, to know one when a filter returns it again.

    A filter that hands out an old buffer may pass for one that changed the face: the
    noise of a camera moves a pixel by less than the budget.
    """

    def __init__(self) -> None:
        self._thin: deque[Pixels] = deque(maxlen=_REMEMBERED)

    def add(self, raw: RawFrame) -> None:
        """Remember one more raw frame; the oldest is forgotten."""
        self._thin.append(raw.pixels[::_GRID_PX].copy())  # whole rows: fast to take

    def refuse_again(self, raw: RawFrame, pixels: Pixels, faces: Sequence[Face]) -> None:
        """Refuse a picture that shows a face as an earlier raw frame showed it.

        Args:
            raw: what came from the source now; a scene that stands still is no fault.
            pixels: (height, width, 3) uint8, BGR; what the filter made of it.
            faces: the faces that had to be changed.

        Raises:
            FilterFault: it does.
        """
        after = pixels[::_GRID_PX, ::_GRID_PX]
        now, width = raw.pixels[::_GRID_PX, ::_GRID_PX], raw.pixels.shape[1]
        for face in faces:
            part = _thinned(face.box.within(raw.size)).slices()
            shown, seen = after[part], now[part]
            middle = shown.shape[0] // 2
            for before in self._thin:
                if before.shape[0] != now.shape[0] or before.shape[1] != width or not shown.size:
                    continue
                earlier = before[:, ::_GRID_PX][part]
                # One row first: hardly any earlier frame gets further.
                if (
                    (earlier[middle] == shown[middle]).all()
                    and (earlier == shown).all()
                    and not (earlier == seen).all()
                ):
                    raise FilterFault("The filter returned an earlier frame.")


def _thinned(box: Box) -> Box:
    """Where those of every fourth pixel lie that are within a box."""
    return Box(*(-(-edge // _GRID_PX) for edge in (box.left, box.top, box.right, box.bottom)))


@dataclass(frozen=True, slots=True)
class _Seen:
    """A face that was proved before: where it is, how it looked, how often and when it was seen."""

    box: Box
    likeness: Likeness
    frames: int
    time_s: float


class SeenFaces:
    """Remembers the faces that were proved, to miss one that the filter names no more.

    Whoever follows faces carries a lost one on as long as it can still be seen where it was
    (`camfilter.faces.hold`). Should a filter fail to, this refuses the frame.
    """

    def __init__(self) -> None:
        self._seen: list[_Seen] = []

    def refuse_missing(self, raw: RawFrame, faces: Sequence[Face]) -> None:
        """Refuse a picture in which a face that is still there was not changed.

        Args:
            raw: what came from the source.
            faces: the faces that the filter found.

        Raises:
            FilterFault: one of those seen before is missing, but its picture is still there.
        """
        for seen in self._seen:
            if (
                seen.frames >= _STEADY_FRAMES
                and abs(raw.time_s - seen.time_s) <= _REMEMBERED_S
                and not any(_covers(face, seen) for face in faces)
                and seen.likeness.sought(raw.pixels, seen.box)[0] >= _STILL_THERE
            ):
                raise FilterFault("A face that is still there was not found.")

    def note(self, raw: RawFrame, faces: Sequence[Face]) -> None:
        """Remember the faces of a proved picture; those that it does not show are forgotten."""
        known = []
        for face in faces:
            before = next((seen for seen in self._seen if _covers(face, seen)), None)
            if face.missed_frames == 0:
                likeness = Likeness(raw.pixels, face.box)
                count = before.frames + 1 if before else 1
                known.append(_Seen(face.box, likeness, count, raw.time_s))
            elif before is not None:
                known.append(replace(before, box=face.box))
        self._seen = known

    def forget(self) -> None:
        """Another scene begins."""
        self._seen = []


def _covers(face: Face, seen: _Seen) -> bool:
    return face.box.common(seen.box).area >= _COVERED * seen.box.area
