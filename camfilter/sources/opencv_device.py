"""A camera behind OpenCV, read by a thread of its own so that no caller ever hangs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import cv2
import numpy as np

from camfilter.errors import CameraLost
from camfilter.frames import Pixels, Size

__all__ = ["Capture", "OpenCvDevice", "Shot", "open_capture"]

_FORMATS: Final = ("MJPG", "YUYV")
"""Pixel formats to ask for, best first: 1080p YUYV over USB 2 comes 5 times a second."""
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


class OpenCvDevice:
    """Opens, reads and releases a camera in one thread; the newest picture wins.

    Args:
        address: node path or index.
        size: size to ask for; the camera may give another.
        rate_hz: rate to ask for, or None to leave it to the camera.
        capture: opens the camera.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        address: str | int,
        size: Size,
        rate_hz: float | None,
        *,
        capture: Callable[[str | int], Capture] = open_capture,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._size = size
        self._rate_hz = rate_hz
        self._capture = capture
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
        capture = self._capture(self._address)
        try:
            if not capture.isOpened():
                raise CameraLost(
                    f"Camera {self._address} cannot be opened.",
                    "Another program may be using it.",
                )
            self._publish(self._configured(capture))
            while not self._stop.is_set():
                self._publish(self._picture(capture))
        finally:
            capture.release()

    def _configured(self, capture: Capture) -> Pixels | None:
        """Ask for format, then size, until the pictures have a shape that can be used."""
        for fourcc in _FORMATS:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*fourcc))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size.width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size.height)
            if self._rate_hz is not None:
                capture.set(cv2.CAP_PROP_FPS, self._rate_hz)
            try:
                return self._picture(capture)
            except _FlatPicture:
                continue
        raise CameraLost(
            f"Camera {self._address} sends pictures without a shape.",
            f"It must offer {' or '.join(_FORMATS)}.",
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
