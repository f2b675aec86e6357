"""Pictures from files: one, or a folder of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.errors import SourceNotFound, UnreadableSource
from camfilter.faces.quiet import quiet_native_log
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.sources.base import SourceInfo
from camfilter.sources.closing import ClosedOnExit
from camfilter.sources.whole import refuse_damaged

__all__ = ["PICTURE_SUFFIXES", "PictureSource", "read_picture"]

PICTURE_SUFFIXES: Final = frozenset(
    {".bmp", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)


class PictureSource(ClosedOnExit):
    """One picture, or those of a folder in natural order ("2.png" before "10.png").

    A picture that cannot be read stops the source with an error that names it;
    calling `read` again goes on with the next one.

    Args:
        path: a picture, or a folder that holds pictures directly.

    Attributes:
        names: file name of each picture, by frame index.

    Raises:
        SourceNotFound: nothing there, or a folder without pictures.
        UnreadableSource: the first picture cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._paths = _pictures_at(path)
        self.names = tuple(picture.name for picture in self._paths)
        self._next = 0
        self._first: Pixels | None = read_picture(self._paths[0])
        self._info = SourceInfo(
            name=path.resolve().name,
            size=Size.of(self._first),
            rate_hz=1.0,
            frame_count=len(self._paths),
            live=False,
            stills=True,
        )

    @property
    def info(self) -> SourceInfo:
        """What the source says about itself; the pictures may differ in size."""
        return self._info

    def read(self) -> RawFrame | None:
        """The next picture, or None after the last one; `time_s` is its index.

        Raises:
            UnreadableSource: the picture cannot be read.
        """
        index = self._next
        if index >= len(self._paths):
            return None
        self._next += 1
        pixels, self._first = self._first, None
        if pixels is None:
            pixels = read_picture(self._paths[index])
        return RawFrame(pixels, index, float(index))

    def close(self) -> None:
        """Forget the pictures that are left."""
        self._next = len(self._paths)
        self._first = None


def read_picture(path: Path) -> Pixels:
    """Read a picture as 8-bit BGR, turned as its EXIF orientation says.

    Gray becomes three equal channels, 16 bits are rounded to 8, alpha is dropped
    and the colour below it kept.

    Raises:
        SourceNotFound: there is no such file.
        UnreadableSource: the file holds no whole picture, or several.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise SourceNotFound(f"There is no picture {path}.") from error
    except OSError as error:
        raise UnreadableSource(f"{path} cannot be read: {error.strerror}.") from error
    refuse_damaged(content, str(path))
    picture = _decoded(content)
    if picture is None:
        raise UnreadableSource(
            f"{path} holds no readable picture.", "It may be damaged or cut short."
        )
    return _to_8_bits(picture, path)


def _decoded(content: bytes) -> NDArray[np.generic] | None:
    """What OpenCV makes of a file; None where that is nothing."""
    if not content:
        return None
    try:
        with quiet_native_log():  # libpng and libjpeg have their own say on the error stream
            return cv2.imdecode(
                np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
            )
    except cv2.error:
        return None


def _to_8_bits(picture: NDArray[np.generic], path: Path) -> Pixels:
    if picture.dtype == np.uint8:
        return picture.view(np.uint8)
    if picture.dtype == np.uint16:
        # 65535 / 255 = 257 exactly; in place, so that a huge picture is not copied twice.
        wide = picture.astype(np.uint32)
        wide += 128
        wide //= 257
        return wide.astype(np.uint8)
    raise UnreadableSource(
        f"{path} holds {picture.dtype} levels.", "Save it with 8 or 16 bits a channel."
    )


def _pictures_at(path: Path) -> list[Path]:
    if not path.exists():
        raise SourceNotFound(f"There is no picture or folder {path}.")
    if not path.is_dir():
        return [path]
    try:
        found = [p for p in path.iterdir() if _is_picture(p)]
    except OSError as error:
        raise UnreadableSource(f"Folder {path} cannot be read: {error.strerror}.") from error
    if not found:
        raise SourceNotFound(
            f"Folder {path} holds no picture.",
            f"Pictures end in {', '.join(sorted(PICTURE_SUFFIXES))}.",
        )
    return sorted(found, key=_natural)


def _is_picture(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return not hidden and path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()


def _natural(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    parts = re.findall(r"[0-9]+|[^0-9]+", path.name.lower())
    key = [(0, int(p), "") if p[0] in "0123456789" else (1, 0, p) for p in parts]
    return key, path.name
