"""Keep faces that a finder lost for a moment: a face missed in one frame is a face left bare."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.faces.base import Box, Face, FaceFinder
from camfilter.faces.likeness import Likeness
from camfilter.frames import Pixels

__all__ = ["HeldFaces"]

_SAME_FACE: Final = 0.2
_GROWTH_PER_FRAME: Final = 1.02
_VELOCITY_DAMPING: Final = 0.85
_STEADY_FRAMES: Final = 10
_STILL_THERE: Final = 0.8
_COVERED: Final = 0.5
_INSIDE: Final = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class _Track:
    """One face that is followed.

    Attributes:
        face: where it is now.
        velocity_px: how far it moves from frame to frame, x and y.
        likeness: what it looked like when the finder saw it last.
        seen_frames: how often the finder saw it.
    """

    face: Face
    velocity_px: NDArray[np.float64]
    likeness: Likeness
    seen_frames: int


class HeldFaces:
    """Follows the faces of a finder and carries each one on for some frames after a miss.

    A carried face moves on with its last speed, which fades, and its outline
    grows by 2 % a frame, as nobody knows any more exactly where it is. But a face that
    was seen steadily, and whose picture can still be found where it was, is no lost face:
    only the finder fails. It is carried on there for as long as that is so.

    Args:
        finder: where faces come from.
        hold_frames: how many frames a lost face is carried on.
    """

    def __init__(self, finder: FaceFinder, hold_frames: int = 15) -> None:
        self._finder = finder
        self._hold_frames = hold_frames
        self._tracks: list[_Track] = []
        self._next_track = 0

    def find(self, pixels: Pixels) -> list[Face]:
        """Faces seen in this picture and faces carried on from earlier ones; largest first."""
        seen = self._finder.find(pixels)
        lost = list(self._tracks)
        tracks = []
        for face in seen:
            match = max(lost, key=lambda t: t.face.box.overlap(face.box), default=None)
            likeness = Likeness(pixels, face.box)
            if match is None or match.face.box.overlap(face.box) < _SAME_FACE:
                face = replace(face, track=self._next_track)  # noqa: PLW2901 - the same face, known
                tracks.append(_Track(face, np.zeros(2), likeness, 1))
                self._next_track += 1
                continue
            lost.remove(match)
            velocity = _centre(face) - _centre(match.face)
            velocity = velocity if match.face.missed_frames == 0 else np.zeros(2)
            face = replace(face, track=match.face.track)  # noqa: PLW2901 - the same face, known
            tracks.append(_Track(face, velocity, likeness, match.seen_frames + 1))
        # A lost face inside one that is seen is that one, found better; it wears a change already.
        lost = [track for track in lost if not _covered(track.face.box, seen, _INSIDE)]
        carried = [self._still_there(track, seen, pixels) or _carry_on(track) for track in lost]
        height, width = pixels.shape[:2]
        frame = Box(0, 0, width, height)
        tracks += [
            track
            for track in carried
            if track.face.missed_frames <= self._hold_frames and track.face.box.common(frame).area
        ]
        self._tracks = tracks
        return sorted((track.face for track in tracks), key=lambda face: -face.box.area)

    def catch_up(self) -> None:
        """Let the finder do what may wait until the newest frame is out."""
        self._finder.catch_up()

    def close(self) -> None:
        """Close the finder; closing twice does nothing."""
        self._finder.close()

    def _still_there(self, track: _Track, seen: list[Face], pixels: Pixels) -> _Track | None:
        """The face at the place where its picture is now; None where it cannot be found."""
        box = track.face.box
        if track.seen_frames < _STEADY_FRAMES or self._hold_frames == 0:
            return None
        if _covered(box, seen, _COVERED):
            return None  # the finder sees it, as another face
        alike, shift = track.likeness.sought(pixels, box)
        if alike < _STILL_THERE:
            return None
        return replace(track, face=_moved(track.face, shift, 1.0, 1), velocity_px=np.zeros(2))


def _covered(box: Box, seen: list[Face], share: float) -> bool:
    """Whether one of the faces that are seen covers so much of a box."""
    return any(box.common(face.box).area > share * box.area for face in seen)


def _carry_on(track: _Track) -> _Track:
    velocity = track.velocity_px * _VELOCITY_DAMPING
    missed = track.face.missed_frames + 1
    face = _moved(track.face, velocity, _GROWTH_PER_FRAME, missed)
    return replace(track, face=face, velocity_px=velocity)


def _moved(face: Face, by_px: NDArray[np.float64], growth: float, missed_frames: int) -> Face:
    centre = face.outline.mean(axis=0)
    outline = (centre + (face.outline - centre) * growth + by_px).astype(np.float32)
    linear = face.to_unit[:, :2]
    return replace(
        face,
        outline=outline,
        to_unit=np.column_stack([linear, face.to_unit[:, 2] - linear @ by_px]),
        box=Box.around(outline),
        missed_frames=missed_frames,
    )


def _centre(face: Face) -> NDArray[np.float64]:
    """Centre of the crop in the frame; steadier than the mean of an outline's corners."""
    inverse = cv2.invertAffineTransform(face.to_unit)
    return np.asarray(inverse @ np.array([0.5, 0.5, 1.0]), np.float64)
