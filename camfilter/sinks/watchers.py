"""Who is watching the virtual camera, so that the webcam need not run for nobody.

Programs open every camera for a moment when they start or list cameras, so a
change is believed only when it has lasted. Where it cannot be known, the
camera counts as watched: a picture too many is better than none.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from camfilter.sinks.v4l2 import call, is_loopback, open_node

__all__ = [
    "EventWatchers",
    "FakeWatchers",
    "OpenFileWatchers",
    "Steady",
    "UnknownWatchers",
    "Watchers",
    "watchers_of",
]

_SUBSCRIBE_EVENT: Final = 0x4020565A
_DQEVENT: Final = 0x80885659
_CLIENT_USAGE: Final = 0x10E00001
_SEND_INITIAL: Final = 1
_EVENT_BYTES: Final = 136
_BELIEVE_COME_AFTER_S: Final = 1.5
_BELIEVE_GONE_AFTER_S: Final = 3.0
_ASK_EVERY_S: Final = 1.0


class Watchers(Protocol):
    """Tells whether anybody watches."""

    def count(self) -> int | None:
        """How many watch at this moment, as far as can be told; None where it cannot be known."""

    def watched(self, now_s: float) -> bool:
        """Whether to send real frames; follows `count`, but only when it has lasted.

        Args:
            now_s: time in seconds, monotonic.
        """


class Steady:
    """Believes a change only after it has lasted.

    Args:
        count: how many watch at this moment; None where it cannot be known.
        come_after_s: how long somebody must have watched to be believed, in seconds;
            a look at the list of cameras is shorter, and who joins a call waits for it.
        gone_after_s: how long nobody must have watched to be believed, in seconds.
        ask_every_s: `count` is asked at most this often, in seconds.
    """

    def __init__(
        self,
        count: Callable[[], int | None],
        *,
        come_after_s: float = _BELIEVE_COME_AFTER_S,
        gone_after_s: float = _BELIEVE_GONE_AFTER_S,
        ask_every_s: float = _ASK_EVERY_S,
    ) -> None:
        self._count = count
        self._come_after_s = come_after_s
        self._gone_after_s = gone_after_s
        self._ask_every_s = ask_every_s
        self._asked_s: float | None = None
        self._believed = True
        self._seen = True
        self._since_s = 0.0

    def watched(self, now_s: float) -> bool:
        """True at first and where nobody knows; else what has lasted."""
        if self._asked_s is None or now_s - self._asked_s >= self._ask_every_s:
            self._asked_s = now_s
            number = self._count()
            if number is None:
                self._believed = self._seen = True
                return True
            if (number > 0) != self._seen:
                self._seen, self._since_s = number > 0, now_s
        needed_s = self._come_after_s if self._seen else self._gone_after_s
        if self._seen != self._believed and now_s - self._since_s >= needed_s:
            self._believed = self._seen
        return self._believed


class UnknownWatchers:
    """Where it cannot be known: always watched."""

    def count(self) -> int | None:
        """Nobody knows."""
        return None

    def watched(self, now_s: float) -> bool:  # noqa: ARG002 - the protocol's
        """Always."""
        return True


class FakeWatchers:
    """As many as a test says, believed like real ones.

    Args:
        number: how many watch; may be set at any time.
    """

    def __init__(self, number: int | None = 0) -> None:
        self.number = number
        self._steady = Steady(self.count)

    def count(self) -> int | None:
        """What the test said."""
        return self.number

    def watched(self, now_s: float) -> bool:
        """What has lasted."""
        return self._steady.watched(now_s)


class EventWatchers:
    """As v4l2loopback 0.13 and newer says it itself: who streams, not who merely opened.

    The node is asked anew each time, so that a lost event is made good a second later.

    Args:
        node: path of the virtual camera.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._steady = Steady(self.count)

    def count(self) -> int | None:
        """How many stream; None when the driver does not say."""
        try:
            opened = open_node(self._node)
        except OSError:
            return None
        try:
            call(opened, _SUBSCRIBE_EVENT, struct.pack("III20x", _CLIENT_USAGE, 0, _SEND_INITIAL))
            event = call(opened, _DQEVENT, bytes(_EVENT_BYTES))
        except OSError:
            return None
        finally:
            os.close(opened)
        kind, number = struct.unpack_from("I4xI", event)
        return int(number) if kind == _CLIENT_USAGE else None

    def watched(self, now_s: float) -> bool:
        """Whether somebody has been streaming for a while, or has stopped only just now."""
        return self._steady.watched(now_s)


class OpenFileWatchers:
    """The other processes of this person that hold the node open, from /proc.

    Processes of other people cannot be seen and are not counted.

    Args:
        node: path of the virtual camera.
        processes: where Linux lists processes.
        own: this process; it writes and does not watch.
    """

    def __init__(
        self, node: str, *, processes: Path = Path("/proc"), own: int | None = None
    ) -> None:
        self._node = node
        self._processes = processes
        self._own = str(os.getpid() if own is None else own)
        self._steady = Steady(self.count)

    def count(self) -> int | None:
        """How many other processes have it open; None without /proc."""
        node = os.path.realpath(self._node)
        try:
            names = [name for name in os.listdir(self._processes) if name.isdecimal()]  # noqa: PTH208 - half the time
        except OSError:
            return None
        if self._own not in names:
            return None
        return sum(
            _holds(f"{self._processes}/{name}/fd", node) for name in names if name != self._own
        )

    def watched(self, now_s: float) -> bool:
        """Whether somebody has had it open for a while, or has closed it only just now."""
        return self._steady.watched(now_s)


def watchers_of(device: str, *, processes: Path = Path("/proc")) -> Watchers:
    """The best way there is to know who watches a virtual camera.

    Args:
        device: "/dev/video10", or a name on other systems, where nobody can tell.
        processes: where Linux lists processes.
    """
    if not device.startswith("/dev/") or not is_loopback(device):
        return UnknownWatchers()
    by_event = EventWatchers(device)
    if by_event.count() is not None:
        return by_event
    by_file = OpenFileWatchers(device, processes=processes)
    return by_file if by_file.count() is not None else UnknownWatchers()


def _holds(folder: str, node: str) -> bool:
    """Whether a process has this node open; False where it may not be asked or is gone."""
    try:
        with os.scandir(folder) as entries:
            return any(_leads_to(entry.path, node) for entry in entries)
    except OSError:
        return False


def _leads_to(link: str, node: str) -> bool:
    try:
        return os.readlink(link) == node  # noqa: PTH115 - half the time
    except OSError:
        return False
