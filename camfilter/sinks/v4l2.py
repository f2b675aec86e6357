"""Mends for the v4l2loopback driver."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from typing import Final

from camfilter.sources.v4l2 import capabilities_of

__all__ = ["loopback_nodes", "rearm"]

_LOOPBACK_DRIVER: Final = "v4l2 loopback"
_STREAMON: Final = 0x40045612
_OUTPUT_BUFFER: Final = 2


def loopback_nodes(classes: Path = Path("/sys/class/video4linux")) -> tuple[str, ...]:
    """Paths of the nodes that v4l2loopback drives."""
    try:
        names = sorted(entry.name for entry in classes.iterdir())
    except OSError:
        return ()
    nodes = (f"/dev/{name}" for name in names)
    return tuple(node for node in nodes if _is_loopback(node))


def rearm(node: str) -> bool:
    """Make a loopback node take a writer again; True when it was stuck and this was tried.

    Up to 0.12.7, with exclusive_caps=1, a node whose writer went away without ever
    starting a stream offers neither capture nor output. Whoever starts an output
    stream counts as its writer, and when that writer closes, the node is free:
    starting fails for want of buffers, which does no harm.
    """
    said = capabilities_of(node)
    if said is None or said.driver != _LOOPBACK_DRIVER or said.captures or said.outputs:
        return False
    if sys.platform != "linux":
        return False
    import fcntl  # noqa: PLC0415 - Linux only

    try:
        opened = os.open(node, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.ioctl(opened, _STREAMON, struct.pack("i", _OUTPUT_BUFFER))
    except OSError:
        pass
    finally:
        os.close(opened)
    return True


def _is_loopback(node: str) -> bool:
    said = capabilities_of(node)
    return said is not None and said.driver == _LOOPBACK_DRIVER
