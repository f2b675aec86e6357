"""Is there a place on the screen for a tray icon?"""

from __future__ import annotations

from typing import Final

from camfilter.doctor.child import ChildFailed, ask_child
from camfilter.doctor.finding import Finding, ok, warn
from camfilter.doctor.packages import bringing
from camfilter.doctor.system import System

__all__ = ["look_at_tray"]

_TIME_OUT_S: Final = 1.5
_WATCHER: Final = "org.kde.StatusNotifierWatcher"
_BUS: Final = "org.freedesktop.DBus"
_COMMANDS: Final = (
    (
        *("busctl", "--user", "--timeout=1", "call", _BUS, "/org/freedesktop/DBus", _BUS),
        *("NameHasOwner", "s", _WATCHER),
    ),
    (
        *("gdbus", "call", "--session", "--timeout", "1", "--dest", _BUS),
        *("--object-path", "/org/freedesktop/DBus", "--method", f"{_BUS}.NameHasOwner", _WATCHER),
    ),
    (
        *("dbus-send", "--session", "--print-reply", "--reply-timeout=1000", f"--dest={_BUS}"),
        *("/org/freedesktop/DBus", f"{_BUS}.NameHasOwner", f"string:{_WATCHER}"),
    ),
)


def look_at_tray(system: System) -> Finding:
    """Ask the session bus for a StatusNotifier host, then the X screen for a tray."""
    if not (system.env.get("DISPLAY") or system.env.get("WAYLAND_DISPLAY")):
        return warn("no screen, so no tray icon", "camfilter run needs none.")
    if not bringing("PySide6", system):
        return warn("PySide6 is not installed", "Run: python -m pip install PySide6-Essentials")
    watcher = _watcher(system)
    if watcher:
        return ok("a StatusNotifier host is there")
    xembed = _xembed(system)
    if xembed:
        return ok("an XEmbed tray is there")
    left_out = [
        name
        for name, answer in (("the session bus", watcher), ("the X screen", xembed))
        if answer is None
    ]
    detail = "no tray host found"
    if left_out:
        detail += f" ({' and '.join(left_out)} could not be asked)"
    return warn(detail, _hint(system))


def _hint(system: System) -> str:
    if "gnome" in system.env.get("XDG_CURRENT_DESKTOP", "").casefold():
        return "GNOME shows tray icons with the extension AppIndicator and KStatusNotifierItem."
    return "Start your desktop's tray or panel; without one there is the command line."


def _watcher(system: System) -> bool | None:
    """True or False as the session bus says; None where it cannot be asked."""
    runtime = system.env.get("XDG_RUNTIME_DIR", "")
    bus = system.env.get("DBUS_SESSION_BUS_ADDRESS") or (
        runtime and system.path(f"{runtime}/bus").exists()
    )
    if not bus:
        return None
    for command in _COMMANDS:
        answer = system.run(command, _TIME_OUT_S)
        if answer.worked:
            return "true" in answer.output.lower()
    return None


def _xembed(system: System) -> bool | None:
    """True or False as the X screen says; None where there is none or it does not answer."""
    if not system.env.get("DISPLAY"):
        return None
    try:
        return bool(ask_child(system, ("tray",), _TIME_OUT_S)["xembed"])
    except ChildFailed:
        return None
