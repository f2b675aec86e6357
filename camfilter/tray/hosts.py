"""Whether there is a tray to sit in, found out without asking Qt too early.

Qt looks once per process for a StatusNotifier host on D-Bus and remembers a
no for ever. So Linux is asked here, and Qt only once somebody is there.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from typing import Any, Final, Protocol

from PySide6.QtDBus import QDBusConnection, QDBusInterface, QDBusVariant
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QSystemTrayIcon

__all__ = ["DesktopTray", "TrayHost"]

_WATCHER: Final = "org.kde.StatusNotifierWatcher"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_PATIENCE_MS: Final = 500
_OWN_SELECTION: Final = b"_NET_SYSTEM_TRAY_S0"


class TrayHost(Protocol):
    """Says whether a tray is there."""

    def present(self) -> bool:
        """True when an icon would be seen now."""


class DesktopTray:
    """The tray of this desktop."""

    def __init__(self) -> None:
        self._x11 = _x11() if QGuiApplication.platformName() == "xcb" else None

    def present(self) -> bool:
        """True when an icon would be seen now."""
        if sys.platform != "linux":
            return QSystemTrayIcon.isSystemTrayAvailable()
        return _notifier_host() or (self._x11 is not None and self._x11.tray_owner() != 0)


def _notifier_host() -> bool:
    bus = QDBusConnection.sessionBus()
    if not bus.isConnected() or not bus.interface().isServiceRegistered(_WATCHER).value():
        return False
    watcher = QDBusInterface(_WATCHER, "/StatusNotifierWatcher", _PROPERTIES, bus)
    watcher.setTimeout(_PATIENCE_MS)
    said = watcher.call("Get", _WATCHER, "IsStatusNotifierHostRegistered").arguments()
    return bool(said and isinstance(said[0], QDBusVariant) and said[0].variant())


class _X11:
    """Asks the X server who owns the system tray of the first screen."""

    def __init__(self, library: Any, display: int) -> None:
        self._library = library
        self._display = display
        self._atom = library.XInternAtom(display, _OWN_SELECTION, False)

    def tray_owner(self) -> int:
        """The owner's window; 0 for none."""
        return int(self._library.XGetSelectionOwner(self._display, self._atom))


def _x11() -> _X11 | None:
    name = ctypes.util.find_library("X11") or "libX11.so.6"
    try:
        library: Any = ctypes.CDLL(name)
    except OSError:
        return None
    library.XOpenDisplay.restype = ctypes.c_void_p
    library.XOpenDisplay.argtypes = [ctypes.c_char_p]
    library.XInternAtom.restype = ctypes.c_ulong
    library.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.XGetSelectionOwner.restype = ctypes.c_ulong
    library.XGetSelectionOwner.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
    display = library.XOpenDisplay(None)
    return _X11(library, display) if display else None
