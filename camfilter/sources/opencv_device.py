"""A camera behind OpenCV, read by a thread of its own so that no caller ever hangs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import cv2
import numpy as np

from camfilter.errors import CameraLost
from camfilter.frames import Pixels, Size
from camfilter.sources.v4l2 import Mode, modes_of

__all__ = ["Capture", "OpenCvDevice", "Shot", "formats_for", "open_capture"]

_JPEG: Final = "MJPG"
_PLAIN: Final = "YUYV"
_FLUENT_HZ: Final = 29.0
"""What a camera that says 29.97 offers, too."""
_MOST_MISSES: Final = 5
_MISS_PAUSE_S: Final = 0.02
_CLOSE_PATIENCE_S: Final = 1.0


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used here; its names are OpenCV's."""

    def isOpened(self) -> bool:  # noqa: N802
        """Whether the device could be opened."""

    def set(self, propId: int, value: float) -> bool:  # noqa: N803
        """Ask for a property; whether it was granted is not to be believed."""

    def read(self) -> tuple[bool, Any]:
        """Success, and a picture or None."""

    def release(self) -> None:
        """Close the device."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One picture and the clock's time at which it came.

    Attributes:
        pixels: (height, width, 3) uint8, BGR.
        taken_s: time of arrival in seconds, on the clock that was given.
    """

    pixels: Pixels = field(repr=False)
    taken_s: float


def open_capture(address: str | int) -> Capture:
    """Open a camera by node path or index."""
    api = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
    return cv2.VideoCapture(address, api)


def formats_for(modes: Sequence[Mode], size: Size, rate_hz: float | None) -> tuple[str, str]:
    """Pixel formats to ask a camera for, best first.

    Pictures that are no JPEG need not be decoded, which takes four times as long as converting
    them; but over USB 2 those of 1080p come five times a second. So they are asked for where
    the camera says that it sends them fast enough.

    Args:
        modes: what the camera offers; empty where it cannot be asked.
        size: wanted.
        rate_hz: wanted; None for a fluent picture.
    """
    wanted_hz = min(rate_hz or _FLUENT_HZ, _FLUENT_HZ)
    fast = any(
        mode.fourcc == _PLAIN and mode.size == size and mode.rate_hz >= wanted_hz for mode in modes
    )
    return (_PLAIN, _JPEG) if fast else (_JPEG, _PLAIN)


class OpenCvDevice:
    """Opens, reads and releases a camera in one thread; the newest picture wins.

    Args:
        address: node path or index.
        size: size to ask for; the camera may give another.
        rate_hz: rate to ask for, or None to leave it to the camera.
        capture: opens the camera.
        modes: asks a node what it offers.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        address: str | int,
        size: Size,
        rate_hz: float | None,
        *,
        capture: Callable[[str | int], Capture] = open_capture,
        modes: Callable[[str], tuple[Mode, ...]] = modes_of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._size = size
        self._rate_hz = rate_hz
        self._capture = capture
        self._modes = modes
        self._clock = clock
        self._news = threading.Condition()
        self._newest: Shot | None = None
        self._failure: CameraLost | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camfilter-camera", daemon=True)
        self._thread.start()

    def read(self, timeout_s: float) -> Shot | None:
        """The newest picture that was not read yet, or None when none comes in time.

        Raises:
            CameraLost: the device cannot be opened, or it failed.
        """
        with self._news:
            self._news.wait_for(lambda: self._newest or self._failure, timeout_s)
            shot, self._newest = self._newest, None
            if shot is None and self._failure is not None:
                raise self._failure
            return shot

    def close(self) -> None:
        """Stop reading; a driver that hangs is left to its thread, which releases it later."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_PATIENCE_S)

    def _run(self) -> None:
        try:
            self._grab()
        except CameraLost as error:
            self._fail(error)
        except (cv2.error, OSError, RuntimeError, ValueError) as error:
            self._fail(CameraLost(f"Camera {self._address} failed: {type(error).__name__}."))

    def _grab(self) -> None:
        offered = self._modes(self._address) if isinstance(self._address, str) else ()
        capture = self._capture(self._address)
        try:
            if not capture.isOpened():
                raise CameraLost(
                    f"Camera {self._address} cannot be opened.",
                    "Another program may be using it.",
                )
            formats = formats_for(offered, self._size, self._rate_hz)
            self._publish(self._configured(capture, formats))
            while not self._stop.is_set():
                self._publish(self._picture(capture))
        finally:
            capture.release()

    def _configured(self, capture: Capture, formats: Sequence[str]) -> Pixels | None:
        """Ask for format, then size, until the pictures have a shape that can be used."""
        for fourcc in formats:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*fourcc))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size.width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size.height)
            if self._rate_hz is not None:
                capture.set(cv2.CAP_PROP_FPS, self._rate_hz)
            try:
                return self._picture(capture)
            except _FlatPicture:
                continue
            except CameraLost:
                # Two cameras on one bus may be too much for it where only one was offered.
                if fourcc == formats[-1] or fourcc == _JPEG:
                    raise
        raise CameraLost(
            f"Camera {self._address} sends pictures without a shape.",
            f"It must offer {' or '.join(formats)}.",
        )

    def _picture(self, capture: Capture) -> Pixels | None:
        """The next picture; None when the device is being closed."""
        for _ in range(_MOST_MISSES):
            ok, picture = capture.read()
            if self._stop.is_set():
                return None
            if ok and isinstance(picture, np.ndarray) and picture.size:
                return _shaped(picture)
            self._stop.wait(_MISS_PAUSE_S)
        raise CameraLost(f"Camera {self._address} stopped sending.", "Is it still plugged in?")

    def _publish(self, pixels: Pixels | None) -> None:
        if pixels is not None:
            with self._news:
                self._newest = Shot(pixels, self._clock())
                self._news.notify_all()

    def _fail(self, error: CameraLost) -> None:
        with self._news:
            self._failure = error
            self._news.notify_all()


class _FlatPicture(CameraLost):
    """An array that is not (height, width, 3): OpenCV could not make sense of the format."""


def _shaped(picture: Pixels) -> Pixels:
    if picture.ndim == 2 and picture.dtype == np.uint8 and min(picture.shape) > 1:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR).view(np.uint8)
    flat = picture.ndim != 3 or picture.shape[2] != 3 or picture.shape[0] == 1
    if flat or picture.dtype != np.uint8:
        raise _FlatPicture(f"The camera sent an array of shape {picture.shape}.")
    return picture
