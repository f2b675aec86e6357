"""The virtual camera: is its driver there, and will calls list it?"""

from __future__ import annotations

from typing import Final

from camfilter.doctor.finding import Finding, fail, ok, warn
from camfilter.doctor.loopback import Loopback, LoopbackNode, read_loopback
from camfilter.doctor.system import System

__all__ = ["look_at_driver", "look_at_virtual_camera"]

_SETUP: Final = "Run: camfilter setup"
_RELOAD: Final = (
    "Close what uses it, then: sudo modprobe -r v4l2loopback; "
    'sudo modprobe v4l2loopback video_nr=10 card_label="camfilter" exclusive_caps=1. '
    "camfilter setup keeps these options for the next start."
)


def look_at_driver(system: System) -> Finding:
    """Is v4l2loopback installed and loaded?"""
    loopback = read_loopback(system)
    name = f"v4l2loopback {loopback.version}".rstrip()
    if loopback.loaded:
        return ok(f"{name} is loaded")
    if loopback.installed:
        return fail(
            f"{name} is installed and not loaded", f"{_SETUP}, or: sudo modprobe v4l2loopback"
        )
    if loopback.installed is None:
        return fail("v4l2loopback is not loaded; whether it is installed was not found out", _SETUP)
    return fail("v4l2loopback is not installed for the running kernel", _SETUP)


def look_at_virtual_camera(system: System) -> Finding:
    """Is there a node to write to, and will Chrome, Zoom and Teams list it?"""
    loopback = read_loopback(system)
    if not loopback.nodes:
        return _no_node(loopback)
    listed = ", ".join(_in_words(node) for node in loopback.nodes)
    usable = [node for node in loopback.nodes if system.nodes.usable(node.path)]
    if not usable:
        return fail(f"{listed}: not writable for {system.user.name}", "See the check access.")
    if any(node.exclusive and not node.stuck for node in usable):
        return ok(listed)
    if any(node.stuck for node in usable):
        return warn(
            f"{listed}: neither capture nor output is offered",
            "camfilter frees such a node when it starts; if not: sudo modprobe -r v4l2loopback; "
            "sudo modprobe v4l2loopback",
        )
    if all(node.exclusive is None for node in usable):
        return warn(f"{listed}: exclusive_caps was not found out")
    return warn(f"{listed}: Chrome, Zoom and Teams do not list it", _RELOAD)


def _no_node(loopback: Loopback) -> Finding:
    if not loopback.loaded:
        return fail("none: v4l2loopback is not loaded", _SETUP)
    return fail("none: v4l2loopback is loaded without a node", _RELOAD)


def _in_words(node: LoopbackNode) -> str:
    options = {True: "exclusive_caps=1", False: "exclusive_caps=0", None: "exclusive_caps unknown"}
    written = ", written to now" if node.written else ""
    return f"{node.path} {node.label!r} ({options[node.exclusive]}{written})"
