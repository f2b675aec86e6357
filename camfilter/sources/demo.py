"""A moving portrait for trying things out: no camera, no download, always the same."""

from __future__ import annotations

import importlib.util
from math import pi, sin
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from camfilter.errors import SettingError, SourceNotFound
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.sources.base import SourceInfo
from camfilter.sources.closing import ClosedOnExit
from camfilter.sources.pictures import read_picture

__all__ = ["DemoSource", "portrait_path"]

_FACE_X: Final = 0.50
"""Centre of the face in the portrait, as a share of its width."""
_FACE_Y: Final = 0.33
"""The same for its height."""


class DemoSource(ClosedOnExit):
    """A portrait that sways, nods, comes nearer and brightens, over a quiet background.

    Args:
        size: width and height of the frames.
        rate_hz: frames a second of stream time; the source itself does not wait.
        frame_count: how many frames to deliver.

    Raises:
        SettingError: a size, rate or count that cannot be used.
        SourceNotFound: the portrait is not installed.
    """

    def __init__(
        self,
        size: Size | None = None,
        rate_hz: float = 30.0,
        frame_count: int = 150,
    ) -> None:
        size = size or Size(640, 480)
        if min(size.width, size.height, frame_count) < 1 or rate_hz <= 0:
            raise SettingError(
                f"A demo of {frame_count} frames of {size} at {rate_hz:g} Hz cannot be made.",
                "All must be greater than zero.",
            )
        self._portrait = read_picture(portrait_path())
        self._mask = _soft_edges(Size.of(self._portrait))
        self._background = _background(size)
        self._next = 0
        self._info = SourceInfo(
            name="demo", size=size, rate_hz=rate_hz, frame_count=frame_count, live=False,
            stills=False,
        )  # fmt: skip

    @property
    def info(self) -> SourceInfo:
        """What the source says about itself."""
        return self._info

    def read(self) -> RawFrame | None:
        """The next frame, or None after the last one."""
        index = self._next
        if index >= (self._info.frame_count or 0):
            return None
        self._next += 1
        time_s = index / self._info.rate_hz
        return RawFrame(self._draw(time_s), index, time_s)

    def close(self) -> None:
        """End the demo; closing twice does nothing."""
        self._next = self._info.frame_count or 0

    def _draw(self, time_s: float) -> Pixels:
        size = self._info.size
        move = _motion(size, Size.of(self._portrait), time_s)
        area = (size.width, size.height)
        portrait = cv2.warpAffine(self._portrait, move, area, flags=cv2.INTER_AREA)
        mask = cv2.warpAffine(self._mask, move, area, flags=cv2.INTER_LINEAR)
        mixed = cv2.blendLinear(portrait, self._background, mask, 1 - mask)
        gain = 1 + 0.04 * sin(2 * pi * time_s / 6.1)
        return cv2.convertScaleAbs(mixed, alpha=gain).view(np.uint8)


def portrait_path() -> Path:
    """The portrait among matplotlib's sample data (Grace Hopper; public domain).

    Raises:
        SourceNotFound: matplotlib or its sample data is not installed.
    """
    package = importlib.util.find_spec("matplotlib")
    for folder in (package.submodule_search_locations or []) if package else []:
        path = Path(folder) / "mpl-data" / "sample_data" / "grace_hopper.jpg"
        if path.is_file():
            return path
    raise SourceNotFound(
        "The demo's portrait is missing.", "Install matplotlib with its sample data."
    )


def _motion(size: Size, portrait: Size, time_s: float) -> cv2.typing.MatLike:
    """Affine matrix (2, 3) from portrait to frame at `time_s`; the face stays in the frame."""
    unit = min(size.width / 640, size.height / 480)
    zoom = 0.92 * unit * (1 + 0.06 * sin(2 * pi * time_s / 4.3))
    roll_deg = 4.0 * sin(2 * pi * time_s / 3.7)
    face_x, face_y = _FACE_X * portrait.width, _FACE_Y * portrait.height
    move = cv2.getRotationMatrix2D((face_x, face_y), roll_deg, zoom)
    move[0, 2] += size.width / 2 - face_x + 48 * unit * sin(2 * pi * time_s / 5.0)
    move[1, 2] += 0.46 * size.height - face_y + 14 * unit * sin(2 * pi * time_s / 2.9)
    return move


def _soft_edges(size: Size) -> cv2.typing.MatLike:
    """Mask (height, width) float32, 1 inside and fading to 0 at the portrait's edges."""
    mask = np.zeros((size.height, size.width), np.float32)
    inset = size.width // 12
    mask[inset:-inset, inset:-inset] = 1
    return cv2.GaussianBlur(mask, (0, 0), inset / 2.5)


def _background(size: Size) -> Pixels:
    """A plain wall: a gradient with a few wide soft patches."""
    patches = np.random.default_rng(7).normal(0, 5, (4, 6, 3)).astype(np.float32)
    wall = cv2.resize(patches, (size.width, size.height), interpolation=cv2.INTER_CUBIC)
    shade = np.linspace(150, 105, size.height, dtype=np.float32)[:, None, None]
    return cv2.GaussianBlur(wall + shade, (0, 0), 3).clip(0, 255).astype(np.uint8)
