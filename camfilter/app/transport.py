"""How requests reach a running camfilter: lines over a channel that only its owner can open."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Protocol, Self

__all__ = ["LINE_BYTES", "Channel", "LineTooLong", "Listener", "Transport", "this_transport"]

LINE_BYTES: Final = 64 * 1024
"""Longest line in either direction, without its end."""


class LineTooLong(ValueError):
    """The other side sent more than a line may hold."""


class Channel(Protocol):
    """One connection, in lines."""

    def receive(self, timeout_s: float) -> bytes | None:
        """The next line without its end; None when the other side is done.

        Raises:
            TimeoutError: no whole line came in time.
            LineTooLong: more came than a line may hold.
            OSError: the connection broke.
        """

    def send(self, line: bytes, timeout_s: float) -> None:
        """Send one line, given without its end.

        Raises:
            TimeoutError: the other side does not take it.
            OSError: the connection broke.
        """

    def close(self) -> None:
        """End the connection and wake who waits on it; closing twice does nothing."""


class Listener(Protocol):
    """Waits for connections on a name that no other process has."""

    def accept(self) -> Channel | None:
        """The next connection of the same person; None once closed.

        Raises:
            OSError: one connection failed; the next may work.
        """

    def close(self) -> None:
        """Give the name up; from any thread, twice does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Transport(Protocol):
    """Makes both ends of a channel, by name."""

    def listen(self, name: str) -> Listener:
        """Take a name.

        Raises:
            AlreadyRunning: a living process has it.
            ControlError: it cannot be taken.
        """

    def connect(self, name: str) -> Channel:
        """Reach the process that has a name.

        Raises:
            NotRunning: none has.
            ControlError: it cannot be reached.
        """

    def names(self) -> list[str]:
        """Names that are, or were, taken."""


def this_transport(environment: Mapping[str, str] = os.environ) -> Transport:
    """The transport of this system.

    Raises:
        ControlError: there is no folder for it that only this person can write to.
    """
    if sys.platform == "win32":
        from camfilter.app.pipes import PipeTransport  # noqa: PLC0415 - Windows only

        return PipeTransport()
    from camfilter.app.sockets import SocketTransport, runtime_folder  # noqa: PLC0415 - Unix only

    return SocketTransport(runtime_folder(environment))
