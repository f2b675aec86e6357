"""Named pipes of Windows, in place of sockets.

Untested: no Windows machine was at hand. Pipes are made with the system's
default rights, which let only their owner (and administrators) write to them.
"""

from __future__ import annotations

import getpass
import os
from multiprocessing.connection import Client, Connection, Listener
from types import TracebackType
from typing import Any, Final, Self

from camfilter.app.transport import LINE_BYTES, Channel, LineTooLong
from camfilter.atomic import one_line
from camfilter.errors import AlreadyRunning, ControlError, NotRunning

__all__ = ["PipeChannel", "PipeListener", "PipeTransport"]

_FOLDER: Final = "\\\\.\\pipe\\"


class PipeChannel:
    """One connection over a named pipe; a message is a line."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection

    def receive(self, timeout_s: float) -> bytes | None:
        """The next line without its end; None when the other side is done."""
        try:
            if not self._connection.poll(timeout_s):
                raise TimeoutError
            return self._connection.recv_bytes(LINE_BYTES + 1).rstrip(b"\n")
        except EOFError:
            return None
        except TimeoutError:
            raise
        except OSError as error:  # the message was longer, and the pipe is closed now
            raise LineTooLong from error

    def send(self, line: bytes, timeout_s: float) -> None:  # noqa: ARG002 - pipes have none
        """Send one line, given without its end."""
        self._connection.send_bytes(line)

    def close(self) -> None:
        """End the connection; closing twice does nothing."""
        self._connection.close()


class PipeListener:
    """A named pipe that this process alone has."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._closed = False
        try:
            self._listener = Listener(address, "AF_PIPE")
        except PermissionError as error:
            raise AlreadyRunning("camfilter is already running for this sink.") from error
        except OSError as error:
            raise ControlError(f"{address} cannot be opened: {one_line(error)}.") from error

    def accept(self) -> Channel | None:
        """The next connection; None once closed."""
        connection = self._listener.accept()
        if self._closed:
            connection.close()
            return None
        return PipeChannel(connection)

    def close(self) -> None:
        """Give the name up; twice does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            Client(self._address, "AF_PIPE").close()  # wakes `accept`
        except OSError:
            pass
        finally:
            self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class PipeTransport:
    """Pipes named after the person and what they are for."""

    def __init__(self) -> None:
        self._prefix = f"camfilter-{getpass.getuser()}-"

    def listen(self, name: str) -> PipeListener:
        """Take a name."""
        return PipeListener(f"{_FOLDER}{self._prefix}{name}")

    def connect(self, name: str) -> PipeChannel:
        """Reach the process that has a name."""
        try:
            return PipeChannel(Client(f"{_FOLDER}{self._prefix}{name}", "AF_PIPE"))
        except FileNotFoundError as error:
            raise NotRunning("camfilter is not running.", "Start it with: camfilter run") from error
        except OSError as error:
            raise ControlError(f"camfilter does not answer: {one_line(error)}.") from error

    def names(self) -> list[str]:
        """Names that are taken."""
        pipes = os.listdir(_FOLDER)  # noqa: PTH208 - a folder of pipes is no Path
        prefix = self._prefix
        return sorted(pipe.removeprefix(prefix) for pipe in pipes if pipe.startswith(prefix))
