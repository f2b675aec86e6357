"""Start at login, as the menu and the window see it."""

from __future__ import annotations

from camfilter.errors import SettingError
from camfilter.tray.autostart import Autostart

__all__ = ["LoginChoice"]


class LoginChoice:
    """Switches it; what goes wrong is kept as a notice.

    Args:
        autostart: this system's way to do it.
    """

    def __init__(self, autostart: Autostart) -> None:
        self._autostart = autostart
        self._enabled = autostart.enabled()
        self.notice = ""

    @property
    def enabled(self) -> bool:
        """True when camfilter starts at login."""
        return self._enabled

    def switch(self, on: bool) -> None:
        """Remember it, or say why it cannot be remembered."""
        try:
            self._autostart.switch(on)
        except SettingError as error:
            self.notice = str(error)
        else:
            self.notice = ""
        self._enabled = self._autostart.enabled()
