"""Whether a file is a picture or a video, by its name and else by its first bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from camfilter.errors import UnreadableSource
from camfilter.sources.pictures import PICTURE_SUFFIXES

__all__ = ["is_picture_file"]

_PICTURE_STARTS: Final = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|BM....\0\0\0\0|RIFF....WEBP|II\*\0|MM\0\*|P[1-6]\s", re.DOTALL
)
_VIDEO_SUFFIXES: Final = frozenset({".avi", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".webm"})


def is_picture_file(path: Path) -> bool:
    """True when a file is to be read as a picture, False when as a video.

    Raises:
        UnreadableSource: the file may not be read.
    """
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return True
    if suffix in _VIDEO_SUFFIXES:
        return False
    try:
        with path.open("rb") as file:
            return _PICTURE_STARTS.match(file.read(16)) is not None
    except OSError as error:
        raise UnreadableSource(f"{path} cannot be read: {error.strerror}.") from error
