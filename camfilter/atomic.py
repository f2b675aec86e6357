"""A file that appears whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from camfilter.errors import SinkError

__all__ = ["AtomicFile", "one_line"]


class AtomicFile:
    """A hidden sibling to write to, moved over `path` by `commit`.

    Creating it proves that the folder can be written, before any work is done.

    Args:
        path: where the finished file shall lie; an older file there stays until `commit`.

    Attributes:
        temporary: the sibling; it exists and is empty after construction.

    Raises:
        SinkError: `path` is a folder, or nothing can be written beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.parent / f".camfilter-{secrets.token_hex(6)}{path.suffix}"
        try:
            is_folder = path.is_dir()
            if not is_folder:
                with self.temporary.open("xb"):
                    pass
        except OSError as error:
            raise SinkError(
                f"{path} cannot be written: {one_line(error)}.", _advice(error)
            ) from error
        if is_folder:
            raise SinkError(f"{path} is a folder, not a file.", "Name a file inside it.")

    def write(self, content: bytes) -> None:
        """Write all of it and move it into place.

        Raises:
            SinkError: it could not be written; the temporary file is gone then.
        """
        try:
            self.temporary.write_bytes(content)
        except BaseException as error:
            self._give_up(error)
            raise
        self.commit()

    def commit(self) -> None:
        """Move the finished file into place in one step.

        Raises:
            SinkError: it could not be moved; the temporary file is gone then.
        """
        try:
            with self.temporary.open("rb+") as written:
                os.fsync(written.fileno())
            self.temporary.replace(self.path)
        except BaseException as error:
            self._give_up(error)
            raise

    def discard(self) -> None:
        """Throw the temporary file away; an older file at `path` stays as it is."""
        self.temporary.unlink(missing_ok=True)

    def _give_up(self, error: BaseException) -> None:
        """Leave nothing behind, and say what the system said; a signal passes as it is."""
        self.discard()
        if isinstance(error, OSError):
            raise SinkError(f"{self.path} cannot be written: {one_line(error)}.") from error


def _advice(error: OSError) -> str:
    if error.errno == errno.ENAMETOOLONG:
        return "Choose a shorter name."
    return "Choose an existing folder that you may write to."


def one_line(error: Exception) -> str:
    """What an error says, in one line and without the number and the file name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).rstrip(".")
