"""The cameras: which there are, who may open them, and who has them open."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from camfilter.doctor.child import ask_child
from camfilter.doctor.finding import Finding, fail, ok, warn
from camfilter.doctor.system import System

if TYPE_CHECKING:
    from camfilter.sources.devices import Camera
    from camfilter.sources.v4l2 import Mode

__all__ = ["groups_to_join", "look_at_access", "look_at_cameras", "look_at_holders", "node_paths"]

_PROBE_TIME_OUT_S: Final = 8.0
_NO_CAMERA: Final = "Plug one in; until then try: camfilter demo"
_BRIEF_MODES: Final = 3
_FLUENT_HZ: Final = 24


def node_paths(system: System) -> tuple[str, ...]:
    """Paths of all video nodes of a Linux machine."""
    names = [entry.name for entry in system.entries("/sys/class/video4linux")]
    nodes = [system.path(f"/dev/{name}") for name in names if name.startswith("video")]
    return tuple(str(node) for node in nodes if node.exists())


def look_at_cameras(system: System) -> Finding:
    """List the cameras that can be read, our own output left out."""
    if system.platform != "linux":
        names = ask_child(system, ("cameras",), _PROBE_TIME_OUT_S)["cameras"]
        return ok(", ".join(names)) if names else warn("none found", _NO_CAMERA)
    from camfilter.sources.devices import NodeFolders, list_cameras  # noqa: PLC0415 - needs cv2

    folders = NodeFolders(
        system.path("/dev"), system.path("/sys/class/video4linux"), system.path("/dev/v4l/by-id")
    )
    cameras = list_cameras(
        folders, capabilities=system.nodes.capabilities, modes=system.nodes.modes
    )
    real = [camera for camera in cameras if not camera.virtual]
    if not real:
        return warn("none found", _NO_CAMERA)
    return ok("; ".join(_in_words(camera) for camera in real))


def look_at_access(system: System) -> Finding:
    """May this user read and write the video nodes?"""
    nodes = node_paths(system)
    if not nodes:
        return ok("there are no video nodes yet")
    shut = [node for node in nodes if not system.nodes.usable(node)]
    if not shut:
        return ok(f"{system.user.name} may use {', '.join(nodes)}")
    detail = f"{system.user.name} may not use {', '.join(shut)}"
    number, group = _group_of(Path(shut[0]), system)
    if number in system.user.groups or not group:
        return fail(f"{detail}, though in group {group or number}", f"Look at: ls -l {shut[0]}")
    if system.user.name in _members(group, system):
        return fail(f"{detail}: group {group} was joined after this login", "Log out and in again.")
    return fail(
        f"{detail}: not in group {group}",
        f"Run: sudo usermod -aG {group} {system.user.name}; then log out and in again.",
    )


def groups_to_join(system: System) -> tuple[str, ...]:
    """Groups that own a video node which this user may not use, and that do not list the user."""
    groups = {
        _group_of(Path(node), system)[1]
        for node in node_paths(system)
        if not system.nodes.usable(node)
    }
    return tuple(
        sorted(g for g in groups - {"", "root"} if system.user.name not in _members(g, system))
    )


def look_at_holders(system: System) -> Finding:
    """Who has the cameras open. Of other users' programs only root sees the files."""
    nodes = set(node_paths(system))
    if not nodes:
        return ok("there are no video nodes yet")
    scan = _scan(nodes, system)
    hidden = f"; {scan.unreadable} processes of other users not looked into"
    note = hidden if scan.unreadable else ""
    held = "; ".join(f"{node}: {', '.join(who)}" for node, who in sorted(scan.holders.items()))
    rivals = [
        node
        for node, who in sorted(scan.holders.items())
        if _is_camera(node, system) and not all(name.startswith("camfilter") for name in who)
    ]
    if rivals:
        return warn(
            f"{held}{note}",
            f"If camfilter finds {rivals[0]} busy, close what holds it; "
            "in the call choose the camera camfilter.",
        )
    return ok((held or "nobody has a video node open") + note)


def _in_words(camera: Camera) -> str:
    if not camera.modes:
        return f"{camera.name} at {camera.address} (modes unknown)"
    best = sorted(camera.modes, key=_worth, reverse=True)[:_BRIEF_MODES]
    brief = ", ".join(f"{mode.fourcc} {mode.size} {mode.rate_hz:g} Hz" for mode in best)
    return f"{camera.name} at {camera.address} ({len(camera.modes)} modes, best {brief})"


def _worth(mode: Mode) -> tuple[bool, int, float]:
    """Fluent before large, large before fast."""
    return mode.rate_hz >= _FLUENT_HZ, mode.size.width * mode.size.height, mode.rate_hz


def _is_camera(node: str, system: System) -> bool:
    said = system.nodes.capabilities(node)
    return said is None or (said.captures and said.driver != "v4l2 loopback")


def _group_of(node: Path, system: System) -> tuple[int, str]:
    """Number and name of the group that owns a node; the name may be empty."""
    number = node.stat().st_gid
    for line in (system.read("/etc/group") or "").splitlines():
        parts = line.split(":")
        if len(parts) == 4 and parts[2] == str(number):
            return number, parts[0]
    return number, ""


def _members(group: str, system: System) -> list[str]:
    for line in (system.read("/etc/group") or "").splitlines():
        parts = line.split(":")
        if len(parts) == 4 and parts[0] == group:
            return parts[3].split(",")
    return []


@dataclass(slots=True)
class _Scan:
    """Who holds which node.

    Attributes:
        holders: node to "name (pid 12)" of each program.
        unreadable: processes that did not let us look.
    """

    holders: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    unreadable: int = 0


def _scan(nodes: set[str], system: System) -> _Scan:
    scan = _Scan()
    for process in system.entries("/proc"):
        if not process.name.isdecimal():
            continue
        try:
            files = list((process / "fd").iterdir())
        except PermissionError:
            scan.unreadable += 1
            continue
        except OSError:  # it ended meanwhile
            continue
        for node in nodes.intersection(_targets(files)):
            scan.holders[node].append(f"{_program(process)} (pid {process.name})")
    return scan


def _targets(files: list[Path]) -> list[str]:
    targets = []
    for file in files:
        try:
            targets.append(str(file.readlink()))
        except OSError:
            continue
    return targets


def _program(process: Path) -> str:
    """Its name; a Python that runs camfilter is called camfilter."""
    try:
        words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        name = (process / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "unknown"
    # As in: python /home/me/bin/camfilter run, or: python -m camfilter run
    return "camfilter" if any(Path(word).name == "camfilter" for word in words[:3]) else name
