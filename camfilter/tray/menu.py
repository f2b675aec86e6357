"""The menu of the tray icon."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu, QWidgetAction

from camfilter.tray.actions import Actions
from camfilter.tray.cameras import Devices, camera_choices, chosen_camera, sink_choices
from camfilter.tray.choices import (
    CHAIN_LENGTH_PRESETS,
    CHAIN_LENGTHS,
    EPSILON_LEVELS,
    EPSILON_PRESETS,
    MODES,
    TARGETS,
    Choice,
    levels_text,
    stages_text,
)
from camfilter.tray.level_slider import LevelSlider
from camfilter.tray.login import LoginChoice
from camfilter.tray.menu_text import MenuText
from camfilter.tray.model import View

__all__ = ["TrayMenu"]


class TrayMenu(QMenu):
    """Everything that can be set, and the live figures.

    Sliders are drawn by Qt's own menus; a desktop that draws the menu itself
    shows the presets, and their rows in words lead to the window.

    Args:
        actions: brings wishes to the controller.
        devices: lists cameras when a submenu opens.
        login: start at login.
        show_window: opens the window.
        leave: ends the program.
    """

    def __init__(
        self,
        actions: Actions,
        devices: Devices,
        login: LoginChoice,
        show_window: Callable[[], None],
        leave: Callable[[], None],
    ) -> None:
        super().__init__("camfilter")
        self._actions = actions
        self._devices = devices
        self._login = login
        self._view = actions.view()
        self._headline = MenuText(self, bold=True)
        self._notice = MenuText(self)
        self.addSeparator()
        self.toggle = self.addAction("&Protection")
        self.toggle.setCheckable(True)
        self.toggle.setShortcut(QKeySequence("Ctrl+P"))
        self.toggle.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        self.toggle.triggered.connect(actions.switch)
        self.addSeparator()
        self.mode_menu = self.addMenu("&Mode")
        self._modes = _radio(self.mode_menu, MODES, actions.set_mode)
        self.target_menu = self.addMenu("&Target")
        self._targets = _radio(self.target_menu, TARGETS, actions.set_target)
        self.epsilon_menu = self.addMenu("&Epsilon")
        self.epsilon = self._slider(self.epsilon_menu, "Epsilon", EPSILON_LEVELS, show_window)
        self.epsilon.chosen.connect(actions.set_epsilon)
        self._epsilon_presets = _radio(
            self.epsilon_menu,
            [Choice(str(levels), f"&{levels_text(levels)}") for levels in EPSILON_PRESETS],
            lambda value: actions.set_epsilon(int(value)),
        )
        self.chain_menu = self.addMenu("Chain &length")
        self.chain = self._slider(self.chain_menu, "Chain length", CHAIN_LENGTHS, show_window)
        self.chain.chosen.connect(actions.set_chain_length)
        self._chain_presets = _radio(
            self.chain_menu,
            [Choice(str(stages), f"&{stages_text(stages)}") for stages in CHAIN_LENGTH_PRESETS],
            lambda value: actions.set_chain_length(int(value)),
        )
        self.addSeparator()
        self.camera_menu = self.addMenu("&Camera")
        self.camera_menu.aboutToShow.connect(self._list_cameras)
        self.sink_menu = self.addMenu("&Virtual camera")
        self.sink_menu.aboutToShow.connect(self._list_sinks)
        self._list_sinks()
        self._words(self.camera_menu).setText("Looking for cameras ...")
        self.addSeparator()
        self._figures = MenuText(self)
        self.addSeparator()
        self.addAction("P&review ...").triggered.connect(show_window)
        self.login = self.addAction("&Start at login")
        self.login.setCheckable(True)
        self.login.triggered.connect(self._switch_login)
        self.retry = self.addAction("Try &again")
        self.retry.triggered.connect(actions.try_again)
        self.quit = self.addAction("&Quit")
        self.quit.setShortcut(QKeySequence("Ctrl+Q"))
        self.quit.triggered.connect(leave)
        self.aboutToShow.connect(lambda: self.show_view(actions.view()))
        self.show_view(self._view)

    def show_view(self, view: View) -> None:
        """Show what is true now."""
        self._view = view
        self._headline.say(f"{view.headline}\n{view.detail}" if view.failed else view.headline)
        notice = self._actions.notice or self._login.notice or view.warning
        self._notice.say(notice)
        self._notice.setVisible(bool(notice))
        self.toggle.setChecked(view.on)
        self.mode_menu.setTitle(f"&Mode: {_label(MODES, view.mode)}")
        _check(self._modes, view.mode)
        target = _label(TARGETS, view.target)
        self.target_menu.setTitle(f"&Target: {target}" if target else "&Target")
        _check(self._targets, view.target)
        self.epsilon_menu.setTitle(f"&Epsilon: {view.epsilon_text}")
        self.epsilon.show_value(view.epsilon_level, view.epsilon_text, exact=view.epsilon_exact)
        _check(self._epsilon_presets, str(view.epsilon_level) if view.epsilon_exact else "")
        self.chain_menu.setTitle(f"Chain &length: {view.stages_text}")
        self.chain.show_value(view.stages, view.stages_text, exact=view.stages_exact)
        _check(self._chain_presets, str(view.stages) if view.stages_exact else "")
        self._figures.tell(view.figures)
        self.login.setChecked(self._login.enabled)
        self.retry.setVisible(view.failed)

    def _slider(
        self, menu: QMenu, name: str, places: range, show_window: Callable[[], None]
    ) -> LevelSlider:
        slider = LevelSlider(name, places, parent=menu)
        slider.setContentsMargins(14, 8, 14, 8)
        slider.setMinimumWidth(250)
        action = QWidgetAction(menu)
        action.setText("Other value ...")
        action.setDefaultWidget(slider)
        action.triggered.connect(show_window)
        menu.addAction(action)
        menu.addSeparator()
        return slider

    def _switch_login(self, on: bool) -> None:
        self._login.switch(on)
        self._actions.done()

    def _list_cameras(self) -> None:
        cameras = self._devices.cameras()
        choices = camera_choices(cameras, self._view.source, self._view.sink)
        chosen = chosen_camera(cameras, self._view.source)
        self.camera_menu.clear()
        _check(_radio(self.camera_menu, choices, self._actions.set_camera), chosen)
        if not cameras:
            self._words(self.camera_menu).setText("No camera was found")

    def _list_sinks(self) -> None:
        nodes = self._devices.loopbacks()
        choices = sink_choices(nodes, self._devices.name, self._view.sink)
        self.sink_menu.clear()
        _check(_radio(self.sink_menu, choices, self._actions.set_sink), self._view.sink)
        self.sink_menu.menuAction().setVisible(len(choices) > 1)

    @staticmethod
    def _words(menu: QMenu) -> QAction:
        """A line that is read and not chosen."""
        action = menu.addAction("")
        action.setEnabled(False)
        return action


def _radio(
    menu: QMenu, choices: Sequence[Choice], choose: Callable[[str], None]
) -> dict[str, QAction]:
    """One action for each choice, of which one at most is checked."""
    group = QActionGroup(menu)
    group.setExclusionPolicy(QActionGroup.ExclusionPolicy.ExclusiveOptional)
    actions: dict[str, QAction] = {}
    for choice in choices:
        action = menu.addAction(choice.label)
        action.setCheckable(True)
        action.setToolTip(choice.hint or choice.label.replace("&", ""))
        action.setData(choice.value)
        action.triggered.connect(lambda _checked, value=choice.value: choose(value))
        group.addAction(action)
        actions[choice.value] = action
    return actions


def _label(choices: Sequence[Choice], value: str) -> str:
    return next((choice.label.replace("&", "") for choice in choices if choice.value == value), "")


def _check(actions: dict[str, QAction], value: str) -> None:
    for key, action in actions.items():
        action.setChecked(key == value)
