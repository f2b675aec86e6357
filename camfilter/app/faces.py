"""What is attached to a live run: the control socket, the config file, one run for each sink."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camfilter.app.client import ControlClient
from camfilter.app.config import Layers
from camfilter.app.config_follower import ConfigFollower
from camfilter.app.control import ControlServer
from camfilter.app.controller import Controller
from camfilter.app.instance import Running, instance_name, serving, shared
from camfilter.app.transport import Listener, Transport, this_transport
from camfilter.errors import AlreadyRunning, ControlError
from camfilter.sources import names_camera

__all__ = ["Claim", "claim", "hand_over", "with_faces"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What came of asking for a sink.

    Attributes:
        listener: the control socket, to be served or closed; None where there is none.
        other: the camfilter that has the sink already; None where it is free.
        fault: why there is no control socket although the sink is free; else empty.
    """

    listener: Listener | None = None
    other: Running | None = None
    fault: str = ""


def claim(sink: str, transport: Transport | None = None) -> Claim:
    """Take a sink for this process, or find out who has it.

    Args:
        sink: as the person named it.
        transport: of the control socket; None takes this system's.

    Raises:
        AlreadyRunning: somebody has it and does not answer.
    """
    try:
        transport = transport or this_transport()
        other = None if shared(sink) else serving(transport, sink)
        if other is not None:
            return Claim(other=other)
        return Claim(listener=transport.listen(instance_name(sink)))
    except AlreadyRunning:
        assert transport is not None
        if shared(sink):
            return Claim()
        other = serving(transport, sink, starting=True)
        if other is None:
            raise AlreadyRunning(
                f"camfilter is already running for {sink} and does not answer.",
                "End that process, then start again.",
            ) from None
        return Claim(other=other)
    except ControlError as error:
        return Claim(fault=f"{error} camfilter ctl cannot reach this run.")


def hand_over(other: Running, flags: Mapping[str, Any], transport: Transport | None = None) -> str:
    """Give flags to the camfilter that has the sink already.

    Args:
        other: who takes them.
        flags: settings by name; the sink is left out.
        transport: of the control socket; None takes this system's.

    Returns:
        What was done, in one line.

    Raises:
        SettingError: it refused them.
        ControlError: it does not answer.
    """
    values = {name: value for name, value in flags.items() if name != "sink"}
    source = str(values.get("source", "demo"))
    if source != "demo" and not names_camera(source):
        values["source"] = str(Path(source).absolute())
    what = f"camfilter is already running for {other.sink}"
    if not values:
        return f"{what}."
    with ControlClient((transport or this_transport()).connect(other.name)) as client:
        client.ask("set", values=values)
    return f"{what}; it took over {', '.join(name.replace('_', ' ') for name in values)}."


@contextmanager
def with_faces(controller: Controller, layers: Layers, listener: Listener | None) -> Iterator[None]:
    """Serve the control socket and follow the config file.

    Args:
        controller: does what they say.
        layers: what was read at the start.
        listener: the control socket, closed at the end; None serves none.
    """
    with ExitStack() as stack:
        if listener is not None:
            stack.enter_context(ControlServer(controller, listener))
        stack.enter_context(ConfigFollower(controller, layers))
        yield
