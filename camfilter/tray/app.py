"""Puts the tray together and runs it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, MutableMapping, Sequence
from typing import Final

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from camfilter.ending import ending_signals
from camfilter.tray.actions import Actions
from camfilter.tray.asking import MessageBoxes
from camfilter.tray.autostart import Autostart, autostart_here
from camfilter.tray.cameras import Devices
from camfilter.tray.engine import Engine
from camfilter.tray.hosts import DesktopTray, TrayHost
from camfilter.tray.icons import Icons
from camfilter.tray.login import LoginChoice
from camfilter.tray.menu import TrayMenu
from camfilter.tray.presence import Presence
from camfilter.tray.question import LEAVE_WITHOUT_TRAY, Questioner
from camfilter.tray.window import Window

__all__ = ["TrayApp", "run_tray", "without_cv2s_qt"]

_VIEW_EVERY_MS: Final = 250
_LOOK_EVERY_S: Final = 1.0


class TrayApp:
    """The icon, its menu and the window, around one engine.

    Args:
        engine: runs the controller.
        questioner: asks the person.
        autostart: start at login.
        devices: lists cameras.
        host: says whether a tray is there.
        leave: ends the program.
        patience_s: how long to wait for a tray before the window opens.
    """

    def __init__(
        self,
        engine: Engine,
        questioner: Questioner,
        autostart: Autostart,
        devices: Devices,
        host: TrayHost,
        leave: Callable[[], None],
        patience_s: float = 6.0,
    ) -> None:
        self._questioner = questioner
        self._leave = leave
        self._looked_s = float("-inf")
        self._said = ""
        self.actions = Actions(engine, questioner, done=self.refresh)
        icons, login = Icons(), LoginChoice(autostart)
        self.window = Window(self.actions, devices, login, icons, self._may_close, leave)
        self.menu = TrayMenu(self.actions, devices, login, self.show_window, leave)
        self.presence = Presence(
            host, self.menu, icons, self.show_window, self.actions.toggle, self.show_window,
            patience_s,
        )  # fmt: skip

    def refresh(self, now_s: float | None = None) -> None:
        """Show what is true now, everywhere."""
        now_s = time.monotonic() if now_s is None else now_s
        if self.actions.engine.ended:
            self._leave()
        view = self.actions.view()
        self.window.show_view(view)
        self.menu.show_view(view)
        if now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            self.presence.look(now_s, view)
        else:
            self.presence.show_view(view)
        self._say(self.actions.notice or (view.detail if view.failed else ""))

    def show_window(self) -> None:
        """Open the window, or bring it to the front."""
        self.window.show()
        self.window.raise_()
        self.window.activateWindow()

    def _may_close(self) -> bool:
        if self.presence.there:
            return True
        if not self._questioner.ask(LEAVE_WITHOUT_TRAY):
            return False
        self._leave()
        return True

    def _say(self, text: str) -> None:
        """Say something once where the window does not show it."""
        if text != self._said:
            self._said = text
            if text and not self.window.isVisible():
                self.presence.say(text)


def run_tray(
    engine: Engine,
    arguments: Sequence[str] = ("tray",),
) -> int:
    """Run the filter with a tray icon until the person quits.

    Args:
        engine: runs the controller; it is started and closed here.
        arguments: words after the program's name that start the same at login.

    Returns:
        Exit status.
    """
    without_cv2s_qt(os.environ)
    application = QApplication(["camfilter"])
    application.setApplicationDisplayName("camfilter")
    application.setDesktopFileName("camfilter")
    application.setQuitOnLastWindowClosed(False)
    boxes = MessageBoxes()

    def leave() -> None:
        application.exit(0)  # quit() would ask each window first, and the window asks the person

    app = TrayApp(engine, boxes, autostart_here(arguments), Devices(), DesktopTray(), leave)
    boxes.parent = app.window
    for name in (signal.SIGINT, *ending_signals()):
        signal.signal(name, lambda *_: leave())
    timer = QTimer()
    timer.timeout.connect(app.refresh)
    timer.start(_VIEW_EVERY_MS)  # Python sees a signal at the next tick
    engine.start()
    app.refresh()
    try:
        status = application.exec()
    finally:
        timer.stop()
        app.presence.vanish()
        app.window.hide()
        engine.close()
    return status


def without_cv2s_qt(environment: MutableMapping[str, str]) -> None:
    """Forget the Qt plugins that importing cv2 points to: they are of another Qt."""
    for name in ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"):
        if f"{os.sep}cv2{os.sep}" in environment.get(name, ""):
            del environment[name]
