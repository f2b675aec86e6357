"""The v4l2loopback node behind a virtual camera: looked after while frames are sent."""

from __future__ import annotations

import contextlib
import errno
import re
from pathlib import Path
from typing import Final

from camfilter.card import draw_card
from camfilter.frames import Size
from camfilter.sinks.deadman import DeadMansSwitch
from camfilter.sinks.v4l2 import OutputFormat, claim, descriptor_of, is_loopback, output_format

__all__ = ["STOPPED", "LoopbackNode", "NodeIdentity", "driver_version", "tend"]

STOPPED: Final = "camfilter stopped."
_TIMEOUT_S: Final = 1.0
_FRAMES_TO_MISS: Final = 3
_COUNTS_WRITERS_WELL: Final = (0, 13)


class NodeIdentity:
    """Remembers which device a path led to, and tells when it is another one or none.

    Args:
        device: path of a node; anything else never changes.
        size: size that it was opened with.
    """

    def __init__(self, device: str, size: Size) -> None:
        self.granted = size
        self._path = Path(device)
        self._first = self._now()

    def problem(self) -> str:
        """What became of the node, or nothing."""
        return "" if self._now() == self._first else "is gone"

    def close(self) -> None:
        """Nothing was changed, so there is nothing to put back."""

    def _now(self) -> tuple[int, int] | None:
        if not self._path.is_absolute():
            return None
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, getattr(status, "st_rdev", 0)


class LoopbackNode:
    """A node that pyvirtualcam has just opened in this process.

    Makes sure that another writer can follow however this one ends, arms the
    dead man's switch where the driver has one, and notices what pyvirtualcam
    hides: a node that went away or was given another format.

    Args:
        node: path of the node.
        size: size that it was opened with.
        rate_hz: frames a second that will be sent; at a slow rate the switch waits longer.
        descriptor: pyvirtualcam's own.
    """

    def __init__(self, node: str, size: Size, rate_hz: float, descriptor: int) -> None:
        self._identity = NodeIdentity(node, size)
        self._descriptor = descriptor
        if driver_version() < _COUNTS_WRITERS_WELL:
            claim(descriptor)
        self._format = self._format_now()
        self.granted = self._format.size if self._format else size
        self._switch: DeadMansSwitch | None = None
        if self.granted == size:
            with contextlib.suppress(OSError, ValueError):
                self._switch = DeadMansSwitch(
                    node, draw_card(size, STOPPED), max(_TIMEOUT_S, _FRAMES_TO_MISS / rate_hz)
                )

    def problem(self) -> str:
        """Why frames no longer reach anybody, or nothing."""
        if said := self._identity.problem():
            return said
        try:
            now = output_format(self._descriptor)
        except OSError as error:
            gone = error.errno in (errno.ENODEV, errno.EBADF, errno.ENXIO)
            return "is gone" if gone else ""
        if self._format is not None and now != self._format:
            return f"was set to {now.fourcc} {now.size} by another program"
        return ""

    def close(self) -> None:
        """Put the driver's settings back as they were found."""
        if self._switch is not None:
            with contextlib.suppress(OSError):
                self._switch.disarm()

    def _format_now(self) -> OutputFormat | None:
        try:
            return output_format(self._descriptor)
        except OSError:
            return None


def tend(device: str, size: Size, rate_hz: float) -> LoopbackNode | NodeIdentity:
    """Look after the device of a camera that was just opened; most on Linux, little elsewhere."""
    if device.startswith("/dev/") and is_loopback(device):
        descriptor = descriptor_of(device)
        if descriptor is not None:
            return LoopbackNode(device, size, rate_hz, descriptor)
    return NodeIdentity(device, size)


def driver_version(
    path: Path = Path("/sys/module/v4l2loopback/version"),
) -> tuple[int, ...]:
    """Version of the loaded v4l2loopback, (0, 12, 7); empty where it does not say."""
    try:
        said = re.match(r"\d+(\.\d+)*", path.read_text())
    except OSError:
        return ()
    return tuple(int(number) for number in said.group().split(".")) if said else ()
