"""The icon in the tray: it comes when a tray comes, and again when the tray was restarted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from camfilter.tray.hosts import TrayHost
from camfilter.tray.icons import Icons
from camfilter.tray.model import View

__all__ = ["Presence"]

_NOTICE_MS: Final = 6000


class Presence:
    """Keeps the icon in the tray while there is a tray.

    Args:
        host: says whether a tray is there.
        menu: of the icon.
        icons: of the states.
        show_window: a click on the icon.
        toggle: a click with the middle button.
        lost: called once when there has been no tray for `patience_s`.
        patience_s: how long to wait for a tray.
    """

    def __init__(
        self,
        host: TrayHost,
        menu: QMenu,
        icons: Icons,
        show_window: Callable[[], None],
        toggle: Callable[[], None],
        lost: Callable[[], None],
        patience_s: float = 6.0,
    ) -> None:
        self._host = host
        self._menu = menu
        self._icons = icons
        self._show_window = show_window
        self._toggle = toggle
        self._lost = lost
        self._patience_s = patience_s
        self._icon: QSystemTrayIcon | None = None
        self._missed_since_s: float | None = None
        self._said_lost = False
        self._state = ""

    @property
    def there(self) -> bool:
        """True while an icon can be seen."""
        return self._icon is not None and self._icon.isVisible() and self._missed_since_s is None

    def look(self, now_s: float, view: View) -> None:
        """Look for a tray, and bring the icon up to date.

        Args:
            now_s: a monotonic time in seconds.
            view: what to show.
        """
        if self._host.present():
            self._appear(view)
        else:
            self._miss(now_s)
        self.show_view(view)

    def show_view(self, view: View) -> None:
        """Show what is true now."""
        if self._icon is None:
            return
        if view.state != self._state:
            self._state = view.state
            self._icon.setIcon(self._icons.of(view.state))
        if self._icon.toolTip() != view.tooltip:
            self._icon.setToolTip(view.tooltip)

    def say(self, text: str) -> None:
        """Show a line beside the tray, where the desktop can."""
        if self.there and self._icon is not None:
            kind = QSystemTrayIcon.MessageIcon.Warning
            self._icon.showMessage("camfilter", text, kind, _NOTICE_MS)

    def vanish(self) -> None:
        """Take the icon away."""
        if self._icon is not None:
            self._icon.hide()
            self._icon = None

    def _appear(self, view: View) -> None:
        came_back = self._missed_since_s is not None
        self._missed_since_s, self._said_lost = None, False
        if self._icon is None:
            self._state = view.state
            self._icon = QSystemTrayIcon(self._icons.of(view.state))
            self._icon.setContextMenu(self._menu)
            self._icon.activated.connect(self._activated)
            self._icon.show()
        elif came_back:
            self._icon.hide()
            self._icon.show()

    def _miss(self, now_s: float) -> None:
        if self._missed_since_s is None:
            self._missed_since_s = now_s
        if not self._said_lost and now_s - self._missed_since_s >= self._patience_s:
            self._said_lost = True
            self._lost()

    def _activated(self, how: QSystemTrayIcon.ActivationReason) -> None:
        if how is QSystemTrayIcon.ActivationReason.MiddleClick:
            self._toggle()
        elif how is QSystemTrayIcon.ActivationReason.Trigger and sys.platform != "darwin":
            self._show_window()
