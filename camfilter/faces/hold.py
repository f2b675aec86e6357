"""Keep faces that a finder lost for a moment: a face missed in one frame is a face left bare."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.faces.base import Box, Face, FaceFinder
from camfilter.frames import Pixels

__all__ = ["HeldFaces"]

_SAME_FACE: Final = 0.2
_GROWTH_PER_FRAME: Final = 1.02
_VELOCITY_DAMPING: Final = 0.85


@dataclass(frozen=True, slots=True, eq=False)
class _Track:
    face: Face
    velocity_px: NDArray[np.float64]


class HeldFaces:
    """Follows the faces of a finder and carries each one on for some frames after a miss.

    A carried face moves on with its last speed, which fades, and its outline
    grows by 2 % a frame, as nobody knows any more exactly where it is.

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
            if match is None or match.face.box.overlap(face.box) < _SAME_FACE:
                tracks.append(_Track(replace(face, track=self._next_track), np.zeros(2)))
                self._next_track += 1
                continue
            lost.remove(match)
            velocity = _centre(face) - _centre(match.face)
            velocity = velocity if match.face.missed_frames == 0 else np.zeros(2)
            tracks.append(_Track(replace(face, track=match.face.track), velocity))
        carried = [_carry_on(track) for track in lost]
        height, width = pixels.shape[:2]
        frame = Box(0, 0, width, height)
        tracks += [
            track
            for track in carried
            if track.face.missed_frames <= self._hold_frames and track.face.box.common(frame).area
        ]
        self._tracks = tracks
        return sorted((track.face for track in tracks), key=lambda face: -face.box.area)

    def close(self) -> None:
        """Close the finder; closing twice does nothing."""
        self._finder.close()


def _carry_on(track: _Track) -> _Track:
    face, velocity = track.face, track.velocity_px * _VELOCITY_DAMPING
    centre = face.outline.mean(axis=0)
    outline = centre + (face.outline - centre) * _GROWTH_PER_FRAME + velocity
    outline = outline.astype(np.float32)
    linear = face.to_unit[:, :2]
    to_unit = np.column_stack([linear, face.to_unit[:, 2] - linear @ velocity])
    moved = replace(
        face,
        outline=outline,
        to_unit=to_unit,
        box=Box.around(outline),
        missed_frames=face.missed_frames + 1,
    )
    return _Track(moved, velocity)


def _centre(face: Face) -> NDArray[np.float64]:
    """Centre of the crop in the frame; steadier than the mean of an outline's corners."""
    inverse = cv2.invertAffineTransform(face.to_unit)
    return np.asarray(inverse @ np.array([0.5, 0.5, 1.0]), np.float64)
