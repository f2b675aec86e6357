"""A webcam that may be unplugged, freeze, and come back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from camfilter.errors import CameraLost, SourceNotFound
from camfilter.frames import RawFrame, Size
from camfilter.sources.base import SourceInfo
from camfilter.sources.closing import ClosedOnExit
from camfilter.sources.devices import Camera, locate
from camfilter.sources.opencv_device import OpenCvDevice, Shot
from camfilter.sources.stillness import Stillness

__all__ = ["CameraSource", "Device"]

_READ_S: Final = 1.0
"""A read returns or raises within this time."""
_START_S: Final = 5.0
"""How long a camera may take to its first picture."""
_SILENCE_S: Final = 2.0
"""How long it may then be silent before it is reopened."""
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 1.5
"""Short enough that a picture is back within two seconds of the camera."""
_MEASURED_SHOTS: Final = 10
_DEFAULT_SIZE: Final = Size(1280, 720)


class Device(Protocol):
    """An open camera."""

    def read(self, timeout_s: float) -> Shot | None:
        """The newest picture, or None when none comes in time.

        Raises:
            CameraLost: the device failed.
        """

    def close(self) -> None:
        """Release it."""


class CameraSource(ClosedOnExit):
    """A live source that drops what its reader is too slow for, and reconnects.

    The rate is measured over the first pictures, not believed.

    Args:
        camera: which camera.
        size: size to ask for; the camera may give another. None for 1280x720.
        rate_hz: rate to ask for, or None to leave it to the camera.
        find: where the camera is now; None while it is unplugged.
        open_device: opens it at an address, with size and rate.
        clock: seconds, monotonic.
        sleep: waits so many seconds.

    Raises:
        SourceNotFound: the camera is not there.
        CameraLost: it is there but sends no picture that can be used.
    """

    def __init__(
        self,
        camera: Camera,
        *,
        size: Size | None = None,
        rate_hz: float | None = None,
        find: Callable[[Camera], str | int | None] = locate,
        open_device: Callable[[str | int, Size, float | None], Device] = OpenCvDevice,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._camera = camera
        self._size = size or _DEFAULT_SIZE
        self._rate_hz = rate_hz
        self._find = find
        self._open_device = open_device
        self._clock = clock
        self._sleep = sleep
        self._device: Device | None = None
        self._closed = False
        self._stillness = Stillness()
        self._wait_s = _FIRST_WAIT_S
        self._retry_at_s = clock()
        self._heard_s = self._looked_s = clock()
        self._silence_s = _START_S
        self._index = 0
        self._time_s = 0.0
        if find(camera) is None:
            raise SourceNotFound(f"Camera {camera.name} is not there.", "Plug it in.")
        try:
            first = self._first_shot()
            self._start_s = first.taken_s
            self._info = SourceInfo(
                name=camera.name,
                size=Size.of(first.pixels),
                rate_hz=self._measured_hz(first),
                frame_count=None,
                live=True,
                stills=False,
            )
        except CameraLost:
            self.close()
            raise

    @property
    def info(self) -> SourceInfo:
        """What the camera was found to send when it was opened."""
        return self._info

    def read(self) -> RawFrame | None:
        """The newest picture, within about a second; None once closed.

        Raises:
            CameraLost: none came; call again, the camera is reopened when its time has come.
        """
        if self._closed:
            return None
        shot = self._shot()
        frame = RawFrame(shot.pixels, self._index, max(shot.taken_s - self._start_s, self._time_s))
        self._index += 1
        self._time_s = frame.time_s
        return frame

    def close(self) -> None:
        """Release the camera; closing twice does nothing."""
        self._closed = True
        device, self._device = self._device, None
        if device is not None:
            device.close()

    def _first_shot(self) -> Shot:
        give_up_s = self._clock() + _START_S
        while True:
            try:
                return self._shot()
            except CameraLost:
                if self._device is None or self._clock() >= give_up_s:
                    raise

    def _measured_hz(self, first: Shot) -> float:
        """Rate over the pictures of at most a second; 30 where only one came."""
        until_s = self._clock() + _READ_S
        last, count = first, 0
        while self._device is not None and count < _MEASURED_SHOTS and self._clock() < until_s:
            shot = self._device.read(until_s - self._clock())
            if shot is not None:
                last, count = shot, count + 1
        span_s = last.taken_s - first.taken_s
        return count / span_s if span_s > 0 else 30.0

    def _shot(self) -> Shot:
        until_s = self._clock() + _READ_S
        device = self._device or self._reopen(until_s)
        try:
            shot = device.read(max(until_s - self._clock(), 0.0))
        except CameraLost:
            self._drop()
            raise
        now_s = self._clock()
        if shot is None:
            if now_s - self._heard_s >= self._silence_s:
                self._drop()
            raise CameraLost(f"Camera {self._camera.name} sends no picture.")
        self._heard_s, self._silence_s = now_s, _SILENCE_S
        if self._stillness.suspicious(shot.pixels, now_s):
            self._drop()
            raise CameraLost(f"Camera {self._camera.name} keeps sending the same picture.")
        if self._stillness.accepted and self._gone(now_s):
            self._drop()
            raise CameraLost(f"Camera {self._camera.name} was unplugged.")
        self._wait_s = _FIRST_WAIT_S
        return shot

    def _gone(self, now_s: float) -> bool:
        """Whether the node vanished; a still scene does not show it, so look now and then."""
        if now_s - self._looked_s < _SILENCE_S:
            return False
        self._looked_s = now_s
        return self._find(self._camera) is None

    def _reopen(self, until_s: float) -> Device:
        wait_s = self._retry_at_s - self._clock()
        if wait_s > 0:
            self._sleep(min(wait_s, until_s - self._clock()))
            if self._clock() < self._retry_at_s:
                raise CameraLost(f"Camera {self._camera.name} is away.", "Plug it in again.")
        address = self._find(self._camera)
        if address is None:
            self._put_off()
            raise CameraLost(f"Camera {self._camera.name} is away.", "Plug it in again.")
        self._device = self._open_device(address, self._size, self._rate_hz)
        self._heard_s, self._silence_s = self._clock(), _START_S
        return self._device

    def _drop(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            device.close()
        self._put_off()

    def _put_off(self) -> None:
        """Set the next attempt; each wait is twice the last, until a picture comes."""
        self._retry_at_s = self._clock() + self._wait_s
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
