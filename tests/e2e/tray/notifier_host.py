"""A StatusNotifier host as KDE and GNOME have one: prints each icon's words and menu as JSON.

Runs under the system's own Python, which has dbus and gi (Debian: python3-dbus python3-gi).
"""

# mypy: ignore-errors

from __future__ import annotations

import json
import sys

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"


class Watcher(dbus.service.Object):
    """Takes icons in, and says what they are."""

    @dbus.service.method(WATCHER, in_signature="s", sender_keyword="sender")
    def RegisterStatusNotifierItem(self, service, sender):  # noqa: N802 - D-Bus's names
        GLib.timeout_add(300, self._describe, sender)

    @dbus.service.method(WATCHER, in_signature="s")
    def RegisterStatusNotifierHost(self, service): ...  # noqa: N802 - D-Bus's name

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="ss", out_signature="v")
    def Get(self, _interface, name):  # noqa: N802 - D-Bus's name
        return self.GetAll("")[name]

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="s", out_signature="a{sv}")
    def GetAll(self, _interface):  # noqa: N802 - D-Bus's name
        return {
            "IsStatusNotifierHostRegistered": dbus.Boolean(True),
            "ProtocolVersion": dbus.Int32(0),
            "RegisteredStatusNotifierItems": dbus.Array([], signature="s"),
        }

    def _describe(self, sender):
        bus = dbus.SessionBus()
        item = dbus.Interface(
            bus.get_object(sender, "/StatusNotifierItem"), dbus.PROPERTIES_IFACE
        ).GetAll(ITEM)
        menu = dbus.Interface(bus.get_object(sender, item["Menu"]), "com.canonical.dbusmenu")
        _, layout = menu.GetLayout(0, -1, [])
        said = {
            "tooltip": " ".join(str(word) for word in item["ToolTip"][2:]),
            "icons": [int(pixmap[0]) for pixmap in item["IconPixmap"]],
            "labels": list(_labels(layout)),
        }
        print(json.dumps(said), flush=True)  # noqa: T201
        return False


def _labels(node):
    _, properties, children = node
    if "label" in properties:
        yield str(properties["label"])
    for child in children:
        yield from _labels(child)


def main() -> int:
    """Serve until the process is ended."""
    DBusGMainLoop(set_as_default=True)
    bus = dbus.SessionBus()
    name = dbus.service.BusName(WATCHER, bus)
    watcher = Watcher(bus, "/StatusNotifierWatcher")
    GLib.MainLoop().run()
    del name, watcher
    return 0


if __name__ == "__main__":
    sys.exit(main())
