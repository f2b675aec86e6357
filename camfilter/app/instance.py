"""One camfilter for each sink, and how the others are found."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from camfilter.app.client import ControlClient
from camfilter.app.transport import Transport
from camfilter.errors import ControlError, NotRunning, SettingError

__all__ = ["Running", "instance_name", "only_running", "running", "serving", "shared"]

_NAME: Final = "control"
_STARTING_S: Final = 10.0
_ASK_AGAIN_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Running:
    """A camfilter that answers.

    Attributes:
        name: of its control socket.
        sink: as it was named at its start.
        device: what it truly writes to, as it says itself.
    """

    name: str
    sink: str
    device: str


def instance_name(sink: str) -> str:
    """Name of the control socket for a sink; the plain virtual camera has the plain name."""
    if sink == "virtual":
        return _NAME
    known = sink if not _is_file(sink) else str(Path(sink).absolute())
    return f"{_NAME}-{hashlib.sha256(known.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def shared(sink: str) -> bool:
    """Whether several may use this sink at once: each has a window, or a nowhere, of its own."""
    return sink in ("preview", "null")


def running(transport: Transport) -> list[Running]:
    """Every camfilter of this person that answers."""
    found = []
    for name in transport.names():
        with suppress(ControlError, SettingError), ControlClient(transport.connect(name)) as client:
            found.append(_described(name, client.ask("status")["status"]))
    return found


def only_running(transport: Transport, sink: str | None = None) -> Running:
    """The one camfilter that is meant.

    Args:
        transport: reaches the control sockets.
        sink: which one; None where only one runs.

    Raises:
        NotRunning: none runs, or none for this sink.
        ControlError: several run and none was named.
    """
    found = running(transport)
    if sink is not None:
        found = [one for one in found if _same_sink(sink, one)]
    if not found:
        what = f"No camfilter runs for {sink}." if sink else "camfilter is not running."
        raise NotRunning(what, "Start it with: camfilter run")
    if len(found) > 1:
        names = ", ".join(one.sink for one in found)
        raise ControlError(f"{len(found)} camfilters run.", f"Name one with --sink: {names}.")
    return found[0]


def serving(
    transport: Transport,
    sink: str,
    *,
    starting: bool = False,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Running | None:
    """The camfilter that has this sink already, or None.

    Args:
        transport: reaches the control sockets.
        sink: the one that is wanted.
        starting: its name is taken, so wait some seconds until it answers.
        clock: reads a monotonic time in seconds.
        pause: waits some seconds.
    """
    until_s = clock() + (_STARTING_S if starting else 0)
    while True:
        found = next((one for one in running(transport) if _same_sink(sink, one)), None)
        if found is not None or clock() >= until_s:
            return found
        pause(_ASK_AGAIN_S)


def _described(name: str, status: dict[str, Any]) -> Running:
    device = str(status["sink"]).removeprefix("virtual camera ")
    return Running(name, str(status["settings"]["sink"]), device)


def _same_sink(sink: str, one: Running) -> bool:
    if instance_name(sink) == one.name:
        return True
    if not sink.startswith("virtual") or not one.sink.startswith("virtual"):
        return False
    return sink == "virtual" or sink.partition(":")[2] == one.device


def _is_file(sink: str) -> bool:
    return sink not in ("preview", "null") and sink.partition(":")[0] != "virtual"
