"""The random control: what a change of equal energy and spectrum does that knows no recogniser.

The filter's change is carried into face coordinates and all its phases are shifted by random
angles, the same in every frame of a clip. That keeps its spectrum and the way it moves with
the face and changes in time, and destroys what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.faces.base import Face
from camfilter.frames import Pixels, Size
from camfilter.geometry import Crop, Similarity, frame_to_grid
from camfilter.lab.evaluate.filtering import FilteredClip

__all__ = ["GRID_PX", "control_clip", "face_grid", "on_face"]

GRID_PX: Final = 128
"""Width and height of the grid in face coordinates."""

_REACH: Final = 1.2
"""Side of that grid in sides of the crop that surrogates see: all of the face."""

_ROUNDS: Final = 6


def face_grid(face: Face) -> Similarity:
    """Matrix from whole pixel positions of the frame to positions of the face's grid."""
    middle = np.array([0.5, 0.5])
    linear = face.to_unit[:, :2] / _REACH
    shift = (face.to_unit[:, 2] - middle) / _REACH + middle
    return frame_to_grid(np.column_stack([linear, shift]), GRID_PX)


def on_face(values: NDArray[np.float32], face: Face, border: int = cv2.BORDER_CONSTANT) -> Crop:
    """Values (height, width) of a frame in face coordinates, (GRID_PX, GRID_PX)."""
    return np.asarray(
        cv2.warpAffine(
            values, face_grid(face), (GRID_PX, GRID_PX), flags=cv2.INTER_LINEAR, borderMode=border
        ),
        np.float32,
    )


def control_clip(
    frames: Sequence[Pixels], filtered: FilteredClip, random: np.random.Generator
) -> list[Pixels]:
    """The control of a filtered clip.

    Each frame's change has the energy of the filter's there, and no pixel more than its
    greatest change; the spectrum is the filter's but for what that limit adds.

    Args:
        frames: before the filter, (height, width, 3) uint8, BGR.
        filtered: after it.
        random: of the phases.
    """
    phases: dict[int, NDArray[np.complex128]] = {}
    out = []
    for before, after, faces in zip(frames, filtered.frames, filtered.faces, strict=True):
        change = _luma_change(before, after)
        energy = float(np.square(change).sum())
        limit = float(np.abs(change).max())
        if not faces or energy == 0:
            out.append(before.copy())
            continue
        random_change = np.zeros_like(change)
        for face in faces:
            if face.track not in phases:
                phases[face.track] = _phases(random)
            random_change += _scrambled(change, face, phases[face.track], Size.of(before))
        levels = _limited(random_change, energy, limit).astype(np.int16)
        wide = before.astype(np.int16) + levels[:, :, None]
        out.append(np.clip(wide, 0, 255).astype(np.uint8))
    return out


def _luma_change(before: Pixels, after: Pixels) -> NDArray[np.float32]:
    difference = cv2.subtract(after, before, dtype=cv2.CV_32F)
    return np.asarray(cv2.transform(difference, np.full((1, 3), 1 / 3)), np.float32)


def _phases(random: np.random.Generator) -> NDArray[np.complex128]:
    """Factors of modulus one; those of a real picture, so that a real one comes out."""
    noise = np.fft.rfft2(random.normal(size=(GRID_PX, GRID_PX)))
    return np.asarray(noise / np.abs(noise))


def _scrambled(
    change: NDArray[np.float32], face: Face, phases: NDArray[np.complex128], size: Size
) -> NDArray[np.float32]:
    grid = np.fft.irfft2(np.fft.rfft2(on_face(change, face)) * phases, s=(GRID_PX, GRID_PX))
    native = cv2.warpAffine(
        grid.astype(np.float32),
        face_grid(face),
        (size.width, size.height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    inside = np.zeros((size.height, size.width), np.float32)
    cv2.fillConvexPoly(inside, np.rint(face.outline).astype(np.int32), (1.0,))
    return np.asarray(native * inside, np.float32)


def _limited(change: NDArray[np.float32], energy: float, limit: float) -> NDArray[np.float32]:
    """The change scaled to an energy, no value beyond a limit, in whole levels."""
    for _ in range(_ROUNDS):
        now = float(np.square(change).sum())
        if now == 0:
            break
        change = np.clip(change * np.float32(np.sqrt(energy / now)), -limit, limit)
    return np.rint(change)
