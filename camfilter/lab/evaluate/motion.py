"""Moving clips from stills: a head that sways before a wall, seen by a webcam."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.faces.base import Box
from camfilter.frames import Pixels, Size
from camfilter.lab.evaluate.turning import Relief, turned

__all__ = ["MOTIONS", "Motion", "moving_clip"]

_NOISE_MARGIN_PX: Final = 64
_LEAST_SCALE: Final = 0.7
"""Sampling skips pixels when it shrinks by more; the rest is averaged away first."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How a head moves; amplitudes either way of what is drawn for a clip.

    Attributes:
        face_height: least and greatest height of the face, as a share of the frame's.
        pan: shift as a share of the frame's height.
        log_zoom: natural logarithm of coming nearer.
        roll_deg: head roll.
        log_gain: natural logarithm of the light.
        noise_levels: standard deviation of the sensor's noise, new in each frame.
        period_s: least and greatest duration of one swing.
        yaw_deg: turn to a side, out of the picture's plane.
        pitch_deg: nod, likewise.
    """

    face_height: tuple[float, float] = (0.36, 0.56)
    pan: float = 0.06
    log_zoom: float = 0.08
    roll_deg: float = 6.0
    log_gain: float = 0.08
    noise_levels: float = 1.2
    period_s: tuple[float, float] = (1.5, 5.0)
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0

    @property
    def turns(self) -> bool:
        """Whether it needs to know how deep the head is."""
        return bool(self.yaw_deg or self.pitch_deg)


_LIVELY: Final = Motion(pan=0.12, log_zoom=0.12, roll_deg=9.0, period_s=(1.2, 3.0))
MOTIONS: Final = {
    "calm": Motion(),
    "lively": _LIVELY,
    "turning": replace(_LIVELY, yaw_deg=25.0, pitch_deg=10.0),
    "fast": Motion(pan=0.14, log_zoom=0.16, roll_deg=14.0, period_s=(0.7, 1.8)),
}
"""How heads move: of who listens, who talks, who looks about, and who laughs and rocks."""


def moving_clip(
    still: Pixels,
    face: Box,
    size: Size,
    times_s: NDArray[np.float64],
    random: np.random.Generator,
    motion: Motion | None = None,
    relief: Relief | None = None,
) -> list[Pixels]:
    """Make a clip from one picture.

    Args:
        still: (height, width, 3) uint8, BGR.
        face: where its face lies, chin to forehead.
        size: of the clip.
        times_s: (n,) time of each frame.
        random: all chance comes from it: the same seed gives the same clip.
        motion: how far things move.
        relief: of the head; without one it does not turn.

    Returns:
        n frames, (height, width, 3) uint8, BGR.
    """
    motion = motion or Motion()
    share = random.uniform(*motion.face_height)
    scale = share * size.height / max(1, face.bottom - face.top)
    centre = np.array([(face.left + face.right) / 2, (face.top + face.bottom) / 2])
    if scale < _LEAST_SCALE:
        shrink = scale / _LEAST_SCALE
        still = cv2.resize(still, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA).view(
            np.uint8
        )
        centre, scale = centre * shrink, _LEAST_SCALE
        relief = relief.resized(Size.of(still)) if relief is not None else None
    swings = {
        name: _swing(times_s, motion.period_s, random)
        for name in ("right", "down", "zoom", "roll", "gain")
    }
    wall = _wall(size, random)
    edges = _soft_edges(Size.of(still))
    noise = random.normal(
        0, motion.noise_levels, (size.height + _NOISE_MARGIN_PX, size.width + _NOISE_MARGIN_PX, 3)
    )
    noise_levels = np.rint(noise).astype(np.int16)
    yaw, pitch = (
        (_swing(times_s, motion.period_s, random) for _ in range(2))
        if motion.turns
        else (np.zeros(len(times_s)), np.zeros(len(times_s)))
    )
    frames = []
    for index in range(len(times_s)):
        matrix = cv2.getRotationMatrix2D(
            (float(centre[0]), float(centre[1])),
            motion.roll_deg * swings["roll"][index],
            scale * float(np.exp(motion.log_zoom * swings["zoom"][index])),
        )
        matrix[0, 2] += size.width / 2 - centre[0]
        matrix[0, 2] += motion.pan * size.height * swings["right"][index]
        matrix[1, 2] += size.height / 2 - centre[1]
        matrix[1, 2] += motion.pan * size.height * swings["down"][index]
        frame = wall.copy()
        part, shifted = _part(np.asarray(matrix, np.float64), Size.of(still), size)
        if part is not None:
            area = (part[1].stop - part[1].start, part[0].stop - part[0].start)
            shown = still
            if relief is not None and motion.turns:
                shown = turned(
                    still, relief, motion.yaw_deg * yaw[index], motion.pitch_deg * pitch[index]
                )
            head = cv2.warpAffine(
                shown, shifted, area, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            )
            weight = cv2.warpAffine(edges, shifted, area, flags=cv2.INTER_LINEAR)
            frame[part] = cv2.blendLinear(head, wall[part], weight, 1 - weight)
        gain = float(np.exp(motion.log_gain * swings["gain"][index]))
        top, left = random.integers(0, _NOISE_MARGIN_PX, 2)
        grain = noise_levels[top : top + size.height, left : left + size.width]
        lit = cv2.convertScaleAbs(frame, alpha=gain)
        frames.append(cv2.add(lit, grain, dtype=cv2.CV_8U).view(np.uint8))
    return frames


def _part(
    matrix: NDArray[np.float64], still: Size, size: Size
) -> tuple[tuple[slice, slice] | None, NDArray[np.float64]]:
    """The part of a frame (rows, columns) that a still covers, and its matrix there."""
    corners = np.array([[0, still.width, 0, still.width], [0, 0, still.height, still.height]])
    places = matrix[:, :2] @ corners + matrix[:, 2:]
    left, top = np.clip(np.floor(places.min(axis=1)), 0, (size.width, size.height)).astype(int)
    right, bottom = np.clip(np.ceil(places.max(axis=1)), 0, (size.width, size.height)).astype(int)
    shifted = matrix.copy()
    shifted[:, 2] -= left, top
    if right <= left or bottom <= top:
        return None, shifted
    return (slice(top, bottom), slice(left, right)), shifted


def _swing(
    times_s: NDArray[np.float64], period_s: tuple[float, float], random: np.random.Generator
) -> NDArray[np.float64]:
    """A smooth movement between -1 and 1 that starts anywhere in its course."""
    slow, fast = random.uniform(*period_s), random.uniform(*period_s) / 2
    phases = random.uniform(0, 2 * pi, 2)
    slow_part = 0.75 * np.sin(2 * pi * times_s / slow + phases[0])
    return np.asarray(slow_part + 0.25 * np.sin(2 * pi * times_s / fast + phases[1]))


def _wall(size: Size, random: np.random.Generator) -> Pixels:
    """A room: a lit wall with a few soft-edged pieces of furniture, and its fine grain."""
    shade = np.linspace(150, 105, size.height, dtype=np.float32)[:, None, None]
    room = np.repeat(shade, size.width, axis=1) + random.uniform(-15, 15, 3)
    for _ in range(6):
        left, top = random.uniform(-0.2, 0.9, 2) * (size.width, size.height)
        wide, high = random.uniform(0.08, 0.4, 2) * (size.width, size.height)
        rows = slice(max(0, int(top)), max(0, int(top + high)))
        columns = slice(max(0, int(left)), max(0, int(left + wide)))
        room[rows, columns] += random.uniform(-35, 35) + random.uniform(-12, 12, 3)
    soft = cv2.GaussianBlur(room.astype(np.float32), (0, 0), size.height / 180)
    grain = random.normal(0, 2.0, (size.height, size.width, 1)).astype(np.float32)
    return np.asarray(np.clip(soft + grain, 0, 255), np.uint8)


def _soft_edges(size: Size) -> NDArray[np.float32]:
    """Mask (height, width), 1 inside and fading to 0 at the picture's edges."""
    mask = np.zeros((size.height, size.width), np.float32)
    inset = max(1, min(size.width, size.height) // 24)
    mask[inset:-inset, inset:-inset] = 1
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), inset / 2.5), np.float32)
