"""Unix sockets in a folder that belongs to one person and nobody else may enter."""

from __future__ import annotations

import fcntl
import os
import selectors
import socket
import stat
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from camfilter.app.transport import LINE_BYTES, Channel, LineTooLong
from camfilter.atomic import one_line
from camfilter.errors import AlreadyRunning, ControlError, NotRunning

__all__ = ["SocketChannel", "SocketListener", "SocketTransport", "peer_uid", "runtime_folder"]

_SUFFIX: Final = ".sock"
_BACKLOG: Final = 8
_CONNECT_S: Final = 2.0
_CHUNK_BYTES: Final = 64 * 1024


def runtime_folder(environment: Mapping[str, str]) -> Path:
    """The folder for sockets: in the person's runtime folder, else under the one for temporaries.

    Raises:
        ControlError: it cannot be made, or somebody else could write to it.
    """
    named = environment.get("XDG_RUNTIME_DIR", "")
    base = Path(named)
    if named and base.is_absolute() and base.is_dir() and base.stat().st_uid == os.geteuid():
        folder = base / "camfilter"
    else:
        folder = Path(tempfile.gettempdir()) / f"camfilter-{os.geteuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        said = folder.lstat()
    except OSError as error:
        raise ControlError(f"Folder {folder} cannot be made: {one_line(error)}.") from error
    private = said.st_uid == os.geteuid() and not said.st_mode & 0o077
    if not stat.S_ISDIR(said.st_mode) or not private:
        raise ControlError(
            f"Folder {folder} is not yours alone.", "Remove it, or set XDG_RUNTIME_DIR."
        )
    return folder


def peer_uid(connection: socket.socket) -> int | None:
    """Who is at the other end; None where the system does not say, and the folder must do."""
    if sys.platform != "linux":
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("iII", credentials)[1])


class SocketChannel:
    """One connection over a socket.

    Args:
        connection: the socket; closed with the channel.
        clock: reads a monotonic time in seconds.
    """

    def __init__(
        self, connection: socket.socket, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._buffer = bytearray()

    def receive(self, timeout_s: float) -> bytes | None:
        """The next line without its end; None when the other side is done.

        A last line without an end counts as one.
        """
        until_s = self._clock() + timeout_s
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > LINE_BYTES:
                raise LineTooLong
            left_s = until_s - self._clock()
            if left_s <= 0:
                raise TimeoutError
            self._connection.settimeout(left_s)
            chunk = self._connection.recv(_CHUNK_BYTES)
            if not chunk:
                rest = bytes(self._buffer)
                self._buffer.clear()
                return rest or None
            self._buffer += chunk
        if end > LINE_BYTES:
            raise LineTooLong
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def send(self, line: bytes, timeout_s: float) -> None:
        """Send one line, given without its end."""
        self._connection.settimeout(timeout_s)
        self._connection.sendall(line + b"\n")

    def close(self) -> None:
        """End the connection and wake who waits on it; closing twice does nothing."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was first
        finally:
            self._connection.close()


class SocketListener:
    """A socket at a path that this process alone has, as a lock proves.

    The lock goes with the process, however it ends, so that a socket file
    without a locked lock is known to be stale and is replaced.

    Args:
        path: of the socket; the lock lies beside it.
        uid: only this person is answered.

    Raises:
        AlreadyRunning: a living process has the lock.
        ControlError: the socket cannot be made.
    """

    def __init__(self, path: Path, uid: int | None = None) -> None:
        self._path = path
        self._uid = os.geteuid() if uid is None else uid
        self._lock = _locked(path.with_suffix(".lock"))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path.unlink(missing_ok=True)
            self._socket.bind(str(path))
            path.chmod(0o600)
            self._socket.listen(_BACKLOG)
            self._socket.setblocking(False)
        except OSError as error:
            self._socket.close()
            os.close(self._lock)
            raise ControlError(f"{path} cannot be opened: {one_line(error)}.") from error
        self._wake_read, self._wake_write = socket.socketpair()
        self._accepting = threading.Lock()
        self._closed = False

    def accept(self) -> Channel | None:
        """The next connection of the same person; None once closed."""
        with self._accepting:
            connection = None if self._closed else self._next()
        if connection is None:
            return None
        if peer_uid(connection) not in (None, self._uid):
            connection.close()
            raise PermissionError("Somebody else knocked.")
        return SocketChannel(connection)

    def close(self) -> None:
        """Give the name up; from any thread, twice does nothing."""
        if self._closed:
            return
        self._closed = True
        self._wake_write.send(b"!")
        with self._accepting:
            self._path.unlink(missing_ok=True)
            for end in (self._socket, self._wake_read, self._wake_write):
                end.close()
            os.close(self._lock)

    def _next(self) -> socket.socket | None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            selector.select()
        return None if self._closed else self._socket.accept()[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class SocketTransport:
    """Sockets named NAME.sock in one folder.

    Args:
        folder: nobody else may enter it; see `runtime_folder`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def listen(self, name: str) -> SocketListener:
        """Take a name."""
        return SocketListener(self._folder / f"{name}{_SUFFIX}")

    def connect(self, name: str) -> SocketChannel:
        """Reach the process that has a name."""
        path = self._folder / f"{name}{_SUFFIX}"
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_CONNECT_S)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            connection.close()
            raise NotRunning("camfilter is not running.", "Start it with: camfilter run") from error
        except OSError as error:
            connection.close()
            raise ControlError(f"{path} does not answer: {one_line(error)}.") from error
        return SocketChannel(connection)

    def names(self) -> list[str]:
        """Names that are, or were, taken."""
        return sorted(path.stem for path in self._folder.glob(f"*{_SUFFIX}"))


def _locked(path: Path) -> int:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ControlError(f"{path} cannot be opened: {one_line(error)}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise AlreadyRunning("camfilter is already running for this sink.") from error
    return lock
