"""What the v4l2loopback driver must be asked beside what pyvirtualcam asks it, and its mends."""

from __future__ import annotations

import os
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from camfilter.frames import Size
from camfilter.sources.v4l2 import capabilities_of

__all__ = [
    "LOOPBACK_DRIVER",
    "TIMEOUT",
    "TIMEOUT_IMAGE_IO",
    "OutputFormat",
    "call",
    "claim",
    "control",
    "descriptor_of",
    "is_loopback",
    "loopback_nodes",
    "open_node",
    "output_format",
    "rearm",
    "set_control",
]

LOOPBACK_DRIVER: Final = "v4l2 loopback"
TIMEOUT: Final = 0x0098F902
"""Control: milliseconds without a frame until the timeout picture is shown; 0 for never."""
TIMEOUT_IMAGE_IO: Final = 0x0098F903
"""Control: whoever opens the node next exchanges the timeout picture, not frames."""

_G_FMT: Final = 0xC0D05604
_STREAMON: Final = 0x40045612
_G_CTRL: Final = 0xC008561B
_S_CTRL: Final = 0xC008561C
_OUTPUT_BUFFER: Final = 2
_LISTEN_S: Final = 0.7
_LISTEN_STEP_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """What a node expects to be written to it.

    Attributes:
        fourcc: pixel format ("YU12" is planar 4:2:0).
        size: width and height.
    """

    fourcc: str
    size: Size


def call(descriptor: int, request: int, argument: bytes) -> bytes:
    """One ioctl; the answer has the argument's length.

    Raises:
        OSError: the driver refuses, or this is not Linux.
    """
    if sys.platform != "linux":
        raise OSError("Video nodes exist on Linux only.")
    import fcntl  # noqa: PLC0415 - Linux only

    return fcntl.ioctl(descriptor, request, argument)


def open_node(node: str) -> int:
    """Open a node without ever waiting for a frame; the caller closes it.

    Raises:
        OSError: it is missing or not ours to open.
    """
    return os.open(node, os.O_RDWR | getattr(os, "O_NONBLOCK", 0))


def is_loopback(node: str) -> bool:
    """Whether v4l2loopback drives this node."""
    said = capabilities_of(node)
    return said is not None and said.driver == LOOPBACK_DRIVER


def loopback_nodes(classes: Path = Path("/sys/class/video4linux")) -> tuple[str, ...]:
    """Paths of the nodes that v4l2loopback drives."""
    try:
        names = sorted(entry.name for entry in classes.iterdir())
    except OSError:
        return ()
    return tuple(node for node in (f"/dev/{name}" for name in names) if is_loopback(node))


def control(descriptor: int, identity: int) -> int:
    """Value of a control.

    Raises:
        OSError: the node has no such control.
    """
    answer = call(descriptor, _G_CTRL, struct.pack("Ii", identity, 0))
    value: int = struct.unpack("Ii", answer)[1]
    return value


def set_control(descriptor: int, identity: int, value: int) -> None:
    """Set a control.

    Raises:
        OSError: the node has no such control, or refuses the value.
    """
    call(descriptor, _S_CTRL, struct.pack("Ii", identity, value))


def output_format(descriptor: int) -> OutputFormat:
    """What is to be written.

    Raises:
        OSError: the node is gone (ENODEV), or does not say.
    """
    answer = call(descriptor, _G_FMT, struct.pack("I204x", _OUTPUT_BUFFER))
    width, height, code = struct.unpack_from("II4s", answer, 8)
    return OutputFormat(code.decode("latin-1").strip(), Size(width, height))


def descriptor_of(node: str, folder: Path = Path("/proc/self/fd")) -> int | None:
    """The newest descriptor by which this process itself holds a node open, if it does.

    pyvirtualcam keeps the descriptor of its camera to itself; this finds it.
    """
    wanted = os.path.realpath(node)
    try:
        numbers = sorted((int(entry.name) for entry in folder.iterdir()), reverse=True)
    except OSError:
        return None
    for number in numbers:
        try:
            if str((folder / str(number)).readlink()) == wanted:
                return number
        except OSError:
            continue
    return None


def claim(descriptor: int) -> bool:
    """Tell v4l2loopback up to 0.12 that this descriptor is its writer's.

    Only a writer that started an output stream counts, and only after such a
    one is gone, however it went, does the node take another. pyvirtualcam
    starts none.

    Returns:
        False where the driver does not want that; then nothing was changed.
    """
    try:
        call(descriptor, _STREAMON, struct.pack("i", _OUTPUT_BUFFER))
    except OSError:
        return False
    return True


def rearm(
    node: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Make a loopback node take a writer again; True when it was stuck and this was tried.

    Up to 0.12.7, with exclusive_caps=1, a node whose writer went away without ever
    starting a stream offers no output: a second start fails. Whoever starts an
    output stream counts as the writer, and when that one closes, the node is free.
    A node that still gets frames is in use and is left alone.
    """
    said = capabilities_of(node)
    if said is None or said.driver != LOOPBACK_DRIVER or said.outputs:
        return False
    try:
        opened = open_node(node)
    except OSError:
        return False
    try:
        if said.captures and _is_fed(opened, clock, sleep):
            return False
        claim(opened)
    finally:
        os.close(opened)
    return True


def _is_fed(node: int, clock: Callable[[], float], sleep: Callable[[float], None]) -> bool:
    """Whether somebody writes frames; the driver's own timeout picture does not count."""
    try:
        timeout_s = control(node, TIMEOUT) / 1000
    except OSError:
        timeout_s = 0.0
    until_s = clock() + max(_LISTEN_S, 1.5 * timeout_s)
    of_the_driver = 2 if timeout_s else 0
    frames = -1  # the first is an old one
    while clock() < until_s:
        try:
            os.read(node, 1)
            frames += 1
        except OSError:
            sleep(_LISTEN_STEP_S)
    return frames > of_the_driver
