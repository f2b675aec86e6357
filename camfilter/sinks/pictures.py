"""Pictures into files: one, or a folder of them."""

from __future__ import annotations

import secrets
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2

from camfilter.atomic import AtomicFile, one_line
from camfilter.errors import SinkError
from camfilter.frames import Pixels, Size
from camfilter.guard import ProtectedFrame
from camfilter.sinks.base import pixels_of
from camfilter.sinks.closing import ClosedOnExit

__all__ = ["PICTURE_SUFFIXES", "FolderSink", "PictureSink"]

PICTURE_SUFFIXES: Final = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

_QUALITY: Final = {
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 97],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 97],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 101],
}
"""WebP above 100 is lossless."""


class PictureSink(ClosedOnExit):
    """One picture file. Where no frame came, `close` writes nothing.

    Args:
        path: where to; the suffix says which format.

    Raises:
        SinkError: an unknown format, or nothing can be written there.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in PICTURE_SUFFIXES:
            raise SinkError(
                f"{path.name} is not a picture's name.",
                f"Pictures end in {', '.join(PICTURE_SUFFIXES)}.",
            )
        self._file: AtomicFile | None = AtomicFile(path)
        self._path = path
        self._written = False

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    def write(self, frame: ProtectedFrame) -> None:
        """Take the one picture.

        Raises:
            UnguardedFrame: the frame was not made by the guard.
            SinkError: it cannot be written, or there is one already.
        """
        pixels = pixels_of(frame)
        if self._file is None:
            raise SinkError(f"{self.name} is closed.")
        if self._written:
            raise SinkError(
                f"{self.name} holds one picture, and a second one came.",
                "Write to a folder (name it with a / at the end) or to a video (.mkv, .mp4).",
            )
        _save(self._file.temporary, pixels, self._path)
        self._written = True

    def close(self) -> None:
        """Move the picture into place; closing twice does nothing.

        Raises:
            SinkError: it cannot be moved.
        """
        file, self._file = self._file, None
        if file is not None and self._written:
            file.commit()
        elif file is not None:
            file.discard()

    def abort(self) -> None:
        """Throw the picture away; an older file stays as it is."""
        file, self._file = self._file, None
        if file is not None:
            file.discard()


class FolderSink(ClosedOnExit):
    """A folder of PNG files, named by frame index or as the source's pictures are.

    All are written to a hidden folder inside and moved into place by `close`. A
    frame with the index of an earlier one stands for the same picture and
    replaces it.

    Args:
        folder: where to; made if it is missing.
        names: file name of each frame by index; frames beyond are named by index.

    Raises:
        SinkError: the folder cannot be made or written to.
    """

    def __init__(self, folder: Path, names: Sequence[str] = ()) -> None:
        self._folder = folder
        self._names = _png_names(names)
        self._made = not folder.exists()
        self._stage = folder / f".camfilter-{secrets.token_hex(6)}"
        self._open = True
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._stage.mkdir()
        except OSError as error:
            raise SinkError(
                f"Folder {folder} cannot be written: {one_line(error)}.",
                "Choose a folder that you may write to.",
            ) from error

    @property
    def name(self) -> str:
        """The folder's name."""
        return f"{self._folder.name}/"

    def write(self, frame: ProtectedFrame) -> None:
        """Take one picture of any size.

        Raises:
            UnguardedFrame: the frame was not made by the guard.
            SinkError: it cannot be written.
        """
        pixels = pixels_of(frame)
        if not self._open:
            raise SinkError(f"{self.name} is closed.")
        known = 0 <= frame.index < len(self._names)
        name = self._names[frame.index] if known else f"{frame.index:06d}.png"
        _save(self._stage / name, pixels, self._folder / name)

    def close(self) -> None:
        """Move the pictures into place; closing twice does nothing.

        Raises:
            SinkError: one cannot be moved.
        """
        if not self._open:
            return
        try:
            for picture in sorted(self._stage.iterdir()):
                picture.replace(self._folder / picture.name)
        except OSError as error:
            raise SinkError(
                f"Folder {self._folder} cannot be written: {one_line(error)}."
            ) from error
        finally:
            self.abort()

    def abort(self) -> None:
        """Throw away what is not in place yet, and the folder if it was made for nothing."""
        if not self._open:
            return
        self._open = False
        shutil.rmtree(self._stage, ignore_errors=True)
        if self._made and not any(self._folder.iterdir()):
            self._folder.rmdir()


def _png_names(names: Sequence[str]) -> tuple[str, ...]:
    """PNG name of each picture; "a.jpg" beside "a.png" keeps its suffix ("a.jpg.png")."""
    plain = [Path(name).name for name in names]
    stems = Counter(Path(name).stem for name in plain)
    return tuple(
        f"{Path(name).stem if stems[Path(name).stem] == 1 else name}.png" for name in plain
    )


def _save(path: Path, pixels: Pixels, shown: Path) -> None:
    """Encode and write a picture; errors call it `shown`, as `path` is hidden."""
    suffix = path.suffix.lower()
    try:
        ok, data = cv2.imencode(suffix, pixels, _QUALITY.get(suffix, []))
    except cv2.error as error:
        raise _unfit(pixels, shown) from error
    if not ok:
        raise _unfit(pixels, shown)
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise SinkError(f"{shown} cannot be written: {one_line(error)}.") from error


def _unfit(pixels: Pixels, shown: Path) -> SinkError:
    return SinkError(
        f"{shown.name} cannot be written: {Size.of(pixels)} does not fit this kind of file.",
        "Make it smaller." if shown.suffix.lower() == ".png" else "Use .png.",
    )
