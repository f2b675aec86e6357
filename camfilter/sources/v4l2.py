"""What a Linux video node says about itself, asked through its own ioctls."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from camfilter.frames import Size

__all__ = ["Capabilities", "Mode", "capabilities_of", "modes_of"]

_T = TypeVar("_T")

_QUERYCAP: Final = 0x80685600
_ENUM_FMT: Final = 0xC0405602
_ENUM_FRAMESIZES: Final = 0xC02C564A
_ENUM_FRAMEINTERVALS: Final = 0xC034564B
_HAS_DEVICE_CAPS: Final = 0x80000000
_CAPTURE: Final = 0x1
_OUTPUT: Final = 0x2
_CAPTURE_BUFFER: Final = 1
_DISCRETE: Final = 1
_MOST_ENTRIES: Final = 256
"""Bound for every enumeration, so that a broken driver cannot keep us for ever."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Who drives a node and what it can do at this moment.

    Attributes:
        driver: the driver's name ("uvcvideo", "v4l2 loopback").
        card: the device's name as the driver gives it.
        captures: frames can be read from it now.
        outputs: frames can be written to it now.
    """

    driver: str
    card: str
    captures: bool
    outputs: bool


@dataclass(frozen=True, slots=True)
class Mode:
    """One way in which a camera can send.

    Attributes:
        fourcc: pixel format ("MJPG", "YUYV").
        size: width and height; the greatest where the camera offers a range.
        rate_hz: greatest frame rate offered, 0 where the camera does not say.
    """

    fourcc: str
    size: Size
    rate_hz: float


def capabilities_of(path: str) -> Capabilities | None:
    """Ask a node who it is; None where it is missing, not ours to open, or no video node."""
    answer = _asked(path, lambda node: _ioctl(node, _QUERYCAP, bytes(104)))
    if answer is None:
        return None
    driver, card, _, _, whole, device = struct.unpack_from("<16s32s32sIII", answer)
    flags = device if whole & _HAS_DEVICE_CAPS else whole
    return Capabilities(_text(driver), _text(card), bool(flags & _CAPTURE), bool(flags & _OUTPUT))


def modes_of(path: str) -> tuple[Mode, ...]:
    """Every mode that a camera offers; empty where it cannot be asked."""
    return _asked(path, lambda node: tuple(_modes(node))) or ()


def _asked(path: str, ask: Callable[[int], _T]) -> _T | None:
    try:
        node = os.open(path, os.O_RDWR | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    try:
        return ask(node)
    except OSError:
        return None
    finally:
        os.close(node)


def _ioctl(node: int, request: int, argument: bytes) -> bytes:
    if sys.platform != "linux":
        raise OSError("Video nodes exist on Linux only.")
    import fcntl  # noqa: PLC0415 - Linux only

    return fcntl.ioctl(node, request, argument)


def _each(node: int, request: int, pack: Callable[[int], bytes]) -> Iterator[bytes]:
    """Answers for index 0, 1, ... until the driver says that there are no more."""
    for index in range(_MOST_ENTRIES):
        try:
            yield _ioctl(node, request, pack(index))
        except OSError:
            return


def _modes(node: int) -> Iterator[Mode]:
    formats = _each(node, _ENUM_FMT, lambda i: struct.pack("<II56x", i, _CAPTURE_BUFFER))
    for answer in formats:
        code = struct.unpack_from("<I", answer, 44)[0]
        for size in _sizes(node, code):
            fourcc = struct.pack("<I", code & 0x7FFFFFFF).decode("latin-1").strip()
            yield Mode(fourcc, size, _fastest_hz(node, code, size))


def _sizes(node: int, code: int) -> Iterator[Size]:
    for answer in _each(node, _ENUM_FRAMESIZES, lambda i: struct.pack("<II36x", i, code)):
        kind, *numbers = struct.unpack_from("<I6I", answer, 8)
        if kind == _DISCRETE:
            yield Size(numbers[0], numbers[1])
        else:
            yield Size(numbers[1], numbers[4])
            return


def _fastest_hz(node: int, code: int, size: Size) -> float:
    fastest = 0.0
    for answer in _each(
        node,
        _ENUM_FRAMEINTERVALS,
        lambda i: struct.pack("<IIII36x", i, code, size.width, size.height),
    ):
        # For a range the first interval is the shortest, so the fastest.
        kind, numerator, denominator = struct.unpack_from("<III", answer, 16)
        if numerator:
            fastest = max(fastest, denominator / numerator)
        if kind != _DISCRETE:
            break
    return fastest


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
