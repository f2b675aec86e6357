"""The dead man's switch: what the driver shows by itself when camfilter stops sending.

Without it a camera whose program was killed shows its last picture for ever, or
a green one. v4l2loopback can be given a picture and a time: when no frame
was written for so long, it shows that picture.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import Final

import cv2

from camfilter.frames import Pixels
from camfilter.sinks.v4l2 import (
    TIMEOUT,
    TIMEOUT_IMAGE_IO,
    call,
    control,
    open_node,
    output_format,
    set_control,
)

__all__ = ["DeadMansSwitch"]

_REQBUFS: Final = 0xC0145608
_QUERYBUF: Final = 0xC0585609
_MAPPED_MEMORY: Final = 1
_OUTPUT_BUFFER: Final = 2
_OFFSET_AT: Final = 64
_LENGTH_AT: Final = 72
_PLANAR: Final = "YU12"
_ATTEMPTS: Final = 3


class DeadMansSwitch:
    """Arms a v4l2loopback node that is open for writing, until `disarm`.

    Args:
        node: path of the node.
        picture: what to show, of the size that the node was opened with; even.
        timeout_s: how long no frame may come before it is shown, in seconds.

    Raises:
        OSError: the driver offers no such thing, or not for this pixel format.
    """

    def __init__(self, node: str, picture: Pixels, timeout_s: float) -> None:
        self._node = node
        timeout_ms = round(1000 * timeout_s)
        opened = open_node(node)
        try:
            before_ms = control(opened, TIMEOUT)
            _put_picture(node, opened, picture)
            set_control(opened, TIMEOUT, timeout_ms)
        finally:
            os.close(opened)
        # A killed camfilter could not put back what it had found.
        self._before_ms = 0 if before_ms == timeout_ms else before_ms

    def disarm(self) -> None:
        """Give the node the timeout that it had before.

        Raises:
            OSError: the node is gone.
        """
        opened = open_node(self._node)
        try:
            set_control(opened, TIMEOUT, self._before_ms)
        finally:
            os.close(opened)


def _put_picture(node: str, opened: int, picture: Pixels) -> None:
    wanted = output_format(opened)
    height, width = picture.shape[:2]
    if wanted.fourcc != _PLANAR or (wanted.size.width, wanted.size.height) != (width, height):
        raise OSError(f"{node} takes {wanted.fourcc} {wanted.size}, not this picture.")
    planar = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).tobytes()
    for _ in range(_ATTEMPTS):
        # The driver forgets the 1 with the next opener, but the kernel does not, and
        # passes on changes only.
        set_control(opened, TIMEOUT_IMAGE_IO, 0)
        set_control(opened, TIMEOUT_IMAGE_IO, 1)
        exchange = open_node(node)
        try:
            if _exchanged(exchange, planar):
                return
        finally:
            os.close(exchange)
    raise OSError(f"{node} does not take a timeout picture.")


def _exchanged(opened: int, planar: bytes) -> bool:
    """Write the timeout picture; False when another opener came between."""
    try:
        offset, length = _place(opened)
        if offset == 0 or length < len(planar):  # that is a frame's place
            return False
        with mmap.mmap(opened, length, offset=offset) as memory:
            memory[: len(planar)] = planar
    except (OSError, ValueError):
        return False
    return True


def _place(opened: int) -> tuple[int, int]:
    """Where in the node's memory the picture goes: offset and length in bytes.

    Newer drivers say so only after buffers were asked for; older ones must not be
    asked needlessly, because that disturbs who watches.
    """
    question = struct.pack("II80x", 0, _OUTPUT_BUFFER)
    try:
        answer = call(opened, _QUERYBUF, question)
    except OSError:
        call(opened, _REQBUFS, struct.pack("III8x", 1, _OUTPUT_BUFFER, _MAPPED_MEMORY))
        answer = call(opened, _QUERYBUF, question)
    offset: int = struct.unpack_from("I", answer, _OFFSET_AT)[0]
    length: int = struct.unpack_from("I", answer, _LENGTH_AT)[0]
    return offset, length
