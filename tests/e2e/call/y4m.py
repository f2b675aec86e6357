"""YUV4MPEG2, the uncompressed video that Chromium takes for a camera."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from call.colour import I420, to_i420
from camfilter.frames import Pixels, Size

__all__ = ["Y4mFile", "Y4mWriter"]

_MARK: Final = b"FRAME\n"


class Y4mWriter:
    """Writes frames; leave the ``with`` block to finish the file.

    Args:
        path: where to.
        size: width and height of every frame, both even.
        rate_hz: frames a second.
    """

    def __init__(self, path: Path, size: Size, rate_hz: float) -> None:
        self._path = path
        self._size = size
        self._header = _header(size, rate_hz)
        self._count = 0
        self._file = path.open("wb")
        self._file.write(self._header)

    def write(self, pixels: Pixels) -> None:
        """Add one frame, (height, width, 3) uint8 BGR."""
        self._file.write(_MARK)
        self._file.write(to_i420(pixels).tobytes())
        self._count += 1

    def finished(self) -> Y4mFile:
        """Close the file and open it to look into."""
        self._file.close()
        return Y4mFile(self._path, self._size, len(self._header), self._count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


class Y4mFile:
    """A finished file, mapped into memory.

    Attributes:
        path: the file.
        size: width and height in pixels.
        frames: (count, 3 height / 2, width) uint8; what is written to it goes to the file.
    """

    def __init__(self, path: Path, size: Size, header_bytes: int, count: int) -> None:
        self.path = path
        self.size = size
        record: Any = [
            ("mark", np.uint8, len(_MARK)),
            ("picture", np.uint8, (size.height * 3 // 2, size.width)),
        ]
        mapped = np.memmap(path, np.dtype(record), "r+", offset=header_bytes, shape=(count,))
        self.frames: I420 = mapped["picture"]


def _header(size: Size, rate_hz: float) -> bytes:
    rate = Fraction(rate_hz).limit_denominator(1001)
    return (
        f"YUV4MPEG2 W{size.width} H{size.height} F{rate.numerator}:{rate.denominator} "
        "Ip A1:1 C420jpeg\n"
    ).encode()
