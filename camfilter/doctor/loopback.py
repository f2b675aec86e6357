"""The state of v4l2loopback, the driver behind the virtual camera on Linux."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from camfilter.doctor.system import System

__all__ = ["Loopback", "LoopbackNode", "read_loopback"]

_DRIVER: Final = "v4l2 loopback"
_MODULE: Final = "/sys/module/v4l2loopback"
_MODINFO: Final = ("modinfo", "/sbin/modinfo", "/usr/sbin/modinfo")


@dataclass(frozen=True, slots=True)
class LoopbackNode:
    """One virtual camera.

    Attributes:
        path: "/dev/video10".
        label: name that other programs show.
        exclusive: it offers capture only while somebody writes, which Chrome, Zoom and
            Teams need; None where that cannot be found out.
        stuck: it offers neither capture nor output.
        written: somebody writes to it now.
    """

    path: str
    label: str
    exclusive: bool | None
    stuck: bool = False
    written: bool = False


@dataclass(frozen=True, slots=True)
class Loopback:
    """The driver and its nodes.

    Attributes:
        loaded: the module is in the running kernel.
        installed: the module can be loaded; None where that cannot be found out.
        version: of the module; may be empty.
        signer: whose key signed it; may be empty.
        nodes: its virtual cameras, in the order of their numbers.
    """

    loaded: bool
    installed: bool | None
    version: str
    signer: str
    nodes: tuple[LoopbackNode, ...]


def read_loopback(system: System) -> Loopback:
    """Find out about the driver. Changes nothing."""
    loaded = system.path(_MODULE).is_dir()
    installed, version, signer = _module_file(system)
    version = system.read(f"{_MODULE}/version") or version if loaded else version
    nodes = _nodes(system) if loaded else ()
    return Loopback(loaded, True if loaded else installed, version, signer, nodes)


def _module_file(system: System) -> tuple[bool | None, str, str]:
    """Whether the module's file is there for the running kernel, its version and its signer."""
    for modinfo in _MODINFO:
        answer = system.run((modinfo, "v4l2loopback"), 3.0)
        if answer.worked:
            fields = dict(_fields(answer.output))
            return True, fields.get("version", ""), fields.get("signer", "")
        if "not found" in answer.complaint:
            return False, "", ""
    release = system.read("/proc/sys/kernel/osrelease")
    index = system.read(f"/lib/modules/{release}/modules.dep") if release else None
    return (None if index is None else "/v4l2loopback.ko" in index), "", ""


def _fields(output: str) -> list[tuple[str, str]]:
    pairs = (line.partition(":") for line in reversed(output.splitlines()))
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def _nodes(system: System) -> tuple[LoopbackNode, ...]:
    found: list[tuple[int, str, str]] = []
    for entry in system.entries("/sys/class/video4linux"):
        number = entry.name.removeprefix("video")
        path = str(system.path(f"/dev/{entry.name}"))
        if number.isdecimal() and _is_loopback(entry.name, path, system):
            label = system.read(f"/sys/class/video4linux/{entry.name}/name") or entry.name
            found.append((int(number), path, label))
    return tuple(_node(n, path, label, system) for n, path, label in sorted(found))


def _is_loopback(name: str, path: str, system: System) -> bool:
    said = system.nodes.capabilities(path)
    if said is not None:
        return said.driver == _DRIVER
    # It cannot be opened: a node of no hardware, while the module is loaded, is one of its own.
    real = system.path(f"/sys/class/video4linux/{name}").resolve()
    return real.parent == system.path("/sys/devices/virtual/video4linux").resolve()


def _node(number: int, path: str, label: str, system: System) -> LoopbackNode:
    said = system.nodes.capabilities(path)
    if said is None:
        return LoopbackNode(path, label, _exclusive_at_load(number, system))
    both, neither = said.captures and said.outputs, not said.captures and not said.outputs
    return LoopbackNode(
        path, said.card or label, not both, stuck=neither, written=said.captures and not both
    )


def _exclusive_at_load(number: int, system: System) -> bool | None:
    """The module's option for a node; None for a node that was added later."""
    numbers = (system.read(f"{_MODULE}/parameters/video_nr") or "").split(",")
    flags = (system.read(f"{_MODULE}/parameters/exclusive_caps") or "").split(",")
    if str(number) not in numbers or len(flags) != len(numbers):
        return None
    return flags[numbers.index(str(number))] == "Y"
