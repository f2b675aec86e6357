"""The virtual camera that Zoom, Teams, Meet or OBS can pick."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final, Protocol

from camfilter.atomic import one_line
from camfilter.card import draw_card
from camfilter.errors import SinkError
from camfilter.frames import Pixels, Size
from camfilter.guard import ProtectedFrame
from camfilter.shape import even, fitted, padded_to_even
from camfilter.sinks.base import pixels_of
from camfilter.sinks.closing import ClosedOnExit
from camfilter.sinks.loopback import STOPPED, tend
from camfilter.sinks.v4l2 import is_loopback, loopback_nodes, rearm

__all__ = ["Tended", "VirtualCamera", "VirtualCameraSink", "open_pyvirtualcam"]

_LINUX_HINT: Final = "Run camfilter setup to get the driver ready."
_TAKEN_HINT: Final = "Another program writes to it: close that one."
_OTHER_HINT: Final = "Install OBS and start its virtual camera once."


class VirtualCamera(Protocol):
    """The part of `pyvirtualcam.Camera` that is used here."""

    @property
    def device(self) -> str:
        """The device in use."""

    def send(self, frame: Pixels) -> None:
        """Show one BGR picture."""

    def close(self) -> None:
        """Release the device."""


def open_pyvirtualcam(size: Size, rate_hz: float, device: str | None) -> VirtualCamera:
    """Open a virtual camera for BGR pictures; raises RuntimeError where there is none."""
    try:
        import pyvirtualcam  # noqa: PLC0415 - its native part may be missing
    except ImportError as error:
        raise RuntimeError(f"pyvirtualcam does not load: {one_line(error)}") from error
    camera: VirtualCamera = pyvirtualcam.Camera(
        size.width, size.height, rate_hz, fmt=pyvirtualcam.PixelFormat.BGR, device=device
    )
    return camera


class Tended(Protocol):
    """Looks after the device of an open camera."""

    @property
    def granted(self) -> Size:
        """The size that the device really takes."""

    def problem(self) -> str:
        """Why frames no longer reach anybody ("is gone"), or nothing."""

    def close(self) -> None:
        """Put back what was changed."""


class VirtualCameraSink(ClosedOnExit):
    """Shows frames as a camera. It does not pace: a frame is shown when it is written.

    An odd size is made even by repeating the last column or row, and a frame of
    another size (a camera that came back with one) is fitted in. pyvirtualcam
    hides failures, so the device itself is asked before each frame. On
    v4l2loopback the driver shows a card when this program dies or hangs; after
    `close` whoever still watches sees that card too.

    Args:
        size: width and height to announce, rounded up to even numbers.
        rate_hz: frames a second to announce.
        device: "/dev/video10", or a name on other systems; None for the first free one.
        open_camera: opens the camera from size, rate and device.
        mend: tries to free a stuck node; True when it did something.
        nodes: loopback nodes to mend where no device is named.
        tend: looks after the device that was opened, from device, size and rate.

    Raises:
        SinkError: there is no virtual camera, or it is in use.
    """

    def __init__(
        self,
        size: Size,
        rate_hz: float,
        device: str | None = None,
        *,
        open_camera: Callable[[Size, float, str | None], VirtualCamera] = open_pyvirtualcam,
        mend: Callable[[str], bool] = rearm,
        nodes: Callable[[], tuple[str, ...]] = loopback_nodes,
        tend: Callable[[str, Size, float], Tended] = tend,
    ) -> None:
        self._size = even(size)
        self._camera: VirtualCamera | None
        try:
            self._camera = open_camera(self._size, rate_hz, device)
        except (RuntimeError, OSError, ValueError) as error:
            stuck = (device,) if device else nodes()
            if not any(mend(node) for node in stuck):
                raise _unavailable(device, stuck, error) from error
            try:
                self._camera = open_camera(self._size, rate_hz, device)
            except (RuntimeError, OSError, ValueError) as again:
                raise _unavailable(device, stuck, again) from again
        self._device = self._camera.device
        self._tended = tend(self._device, self._size, rate_hz)
        if self._tended.granted != self._size:
            self._tended.close()
            self._camera.close()
            raise SinkError(
                f"The {self.name} is held at {self._tended.granted} by a program that watches it.",
                f"Close that program, or send pictures of {self._tended.granted}.",
            )

    @property
    def name(self) -> str:
        """What a person would call the sink."""
        return f"virtual camera {self._device}"

    @property
    def device(self) -> str:
        """The device in use ("/dev/video10")."""
        return self._device

    def write(self, frame: ProtectedFrame) -> None:
        """Show one frame.

        Raises:
            UnguardedFrame: the frame was not made by the guard.
            SinkError: the device is gone, was given another format, or refuses the frame.
        """
        pixels = pixels_of(frame)
        if self._camera is None:
            raise SinkError(f"The {self.name} is closed.")
        if problem := self._tended.problem():
            raise SinkError(f"The {self.name} {problem}.", "Was its driver unloaded or set anew?")
        try:
            self._camera.send(fitted(padded_to_even(pixels), self._size))
        except (RuntimeError, OSError, ValueError, TypeError) as error:
            raise SinkError(f"The {self.name} refused a frame: {one_line(error)}.") from error

    def close(self) -> None:
        """Leave a card for who still watches, and release the device; twice does nothing.

        Raises:
            SinkError: the device cannot be released.
        """
        camera, self._camera = self._camera, None
        if camera is None:
            return
        try:
            if not self._tended.problem():
                camera.send(draw_card(self._size, STOPPED))
        except (RuntimeError, OSError, ValueError):
            pass  # nobody can be shown anything any more
        finally:
            self._release(camera)

    def _release(self, camera: VirtualCamera) -> None:
        self._tended.close()
        try:
            camera.close()
        except (RuntimeError, OSError) as error:
            raise SinkError(f"The {self.name} cannot be closed: {one_line(error)}.") from error


def _unavailable(device: str | None, tried: tuple[str, ...], error: Exception) -> SinkError:
    name = f"virtual camera {device}" if device else "virtual camera"
    hint = _LINUX_HINT if sys.platform == "linux" else _OTHER_HINT
    if any(is_loopback(node) for node in tried):
        hint = _TAKEN_HINT
    return SinkError(f"There is no {name} to write to: {one_line(error)}.", hint)
