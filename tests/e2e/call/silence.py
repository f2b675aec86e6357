"""Whether the browser talks to anyone but itself, seen from its open sockets."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

__all__ = ["SocketWatch", "only_loopback_here"]

_TABLES: Final = ("tcp", "tcp6", "udp", "udp6")
_PERIOD_S: Final = 0.2


class SocketWatch:
    """Looks five times a second where the sockets of some processes lead.

    What lives for less than that, and a datagram sent without a connection, is not seen.

    Args:
        processes: gives the ids of the processes.

    Attributes:
        looks: how often it looked.
        strangers: addresses outside this machine's loopback that a socket led to.
    """

    def __init__(self, processes: Callable[[], Iterable[int]]) -> None:
        self.looks = 0
        self.strangers: set[str] = set()
        self._processes = processes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_PERIOD_S):
            sockets = {inode for pid in self._processes() for inode in _sockets_of(pid)}
            for inode, address in _peers():
                if inode in sockets and not (address.is_loopback or address.is_unspecified):
                    self.strangers.add(str(address))
            self.looks += 1


def only_loopback_here() -> bool:
    """True when this process has no network device but the loopback, so that nothing can leave."""
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    return {line.partition(":")[0].strip() for line in lines} == {"lo"}


def _sockets_of(pid: int) -> Iterator[str]:
    try:
        links = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # the process ended
        return
    for link in links:
        with suppress(OSError):  # the file was closed
            target = str(link.readlink())
            if target.startswith("socket:["):
                yield target[8:-1]


def _peers() -> Iterator[tuple[str, ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    for table in _TABLES:
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            yield fields[9], _address(fields[2].partition(":")[0])


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as the kernel writes it: words of 32 bits, each in the machine's byte order."""
    words = [bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
