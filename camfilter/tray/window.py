"""The window: the preview, every control, and the figures."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QCloseEvent, QHideEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from camfilter.tray.actions import Actions
from camfilter.tray.cameras import Devices
from camfilter.tray.controls import Controls
from camfilter.tray.icons import Icons
from camfilter.tray.login import LoginChoice
from camfilter.tray.model import View
from camfilter.tray.pictures import PairKeeper
from camfilter.tray.preview_pane import PreviewPane
from camfilter.tray.switch import Switch

__all__ = ["Window"]

_PICTURE_EVERY_MS = 50
_ICON_PX = 44
_SIDE_PX = 320


class Window(QWidget):
    """Same controls as the tray's menu, and the picture before and after.

    Args:
        actions: brings wishes to the controller.
        devices: lists cameras.
        login: start at login.
        icons: of the states.
        may_close: asked when the person closes the window; True hides it, or ends it all.
        leave: ends the program.
    """

    def __init__(
        self,
        actions: Actions,
        devices: Devices,
        login: LoginChoice,
        icons: Icons,
        may_close: Callable[[], bool],
        leave: Callable[[], None],
    ) -> None:
        super().__init__()
        self._actions = actions
        self._login = login
        self._icons = icons
        self._may_close = may_close
        self._pairs = PairKeeper()
        self._view = actions.view()
        self.setWindowTitle("camfilter")
        self._build(devices, leave)
        self._timer = QTimer(self)
        self._timer.setInterval(_PICTURE_EVERY_MS)
        self._timer.timeout.connect(self.show_picture)
        self.show_view(self._view)

    def show_view(self, view: View) -> None:
        """Show what is true now."""
        self._view = view
        icon = self._icons.of(view.state)
        self.setWindowIcon(icon)
        self._badge.setPixmap(icon.pixmap(_ICON_PX, _ICON_PX))
        self._badge.setAccessibleName(view.headline)
        self._headline.setText(view.headline)
        self._detail.setText(view.detail)
        self.switch.setChecked(view.on)
        self.controls.show_view(view)
        for label, figure in zip(self._figures, view.figures, strict=True):
            label.setText(figure.value)
            label.setToolTip(figure.value)
        self.login.setChecked(self._login.enabled)
        notice = self._actions.notice or self._login.notice or view.warning
        self._notice.setText(notice)
        self._notice.setVisible(bool(notice))
        self.retry.setVisible(view.failed)

    def show_picture(self) -> None:
        """Show the newest pair of pictures."""
        controller = self._actions.engine.controller
        strict, budget = self.difference.isChecked(), controller.settings.budget_levels
        limits = {"protected": budget, "off": 0}
        limit = budget if strict else limits.get(self._view.state)
        pair = self._pairs.newest(controller.preview(), limit, time.monotonic(), strict=strict)
        if self._view.failed:
            self.preview.show_pair(None, "No picture.\nChoose another camera, or try again.")
        elif strict:
            self.preview.show_pair(pair, "Waiting for two pictures of one moment ...")
        else:
            self.preview.show_pair(pair)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Pictures are kept only while somebody can see them."""
        super().showEvent(event)
        self._actions.show_preview(True)
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Pictures are no longer kept."""
        super().hideEvent(event)
        self._timer.stop()
        self._actions.show_preview(False)
        self.preview.show_pair(None)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Ask first where there is no tray."""
        if self._may_close():
            event.accept()
        else:
            event.ignore()

    def _build(self, devices: Devices, leave: Callable[[], None]) -> None:
        actions = self._actions
        self.switch = Switch("&Protection")
        self.switch.setAccessibleName("Protection")
        self.switch.setToolTip("Ctrl+P")
        self.switch.clicked.connect(actions.switch)
        QShortcut(QKeySequence("Ctrl+P"), self, actions.toggle)
        QShortcut(QKeySequence("Ctrl+Q"), self, leave)
        self.controls = Controls(actions, devices)
        self.preview = PreviewPane()
        self.difference = QCheckBox("Magnified &difference (20 times)")
        self.difference.setAccessibleName("Magnified difference")
        self.difference.toggled.connect(self._magnify)
        self.login = QCheckBox("&Start at login")
        self.login.setAccessibleName("Start at login")
        self.login.clicked.connect(self._switch_login)
        self.retry = QPushButton("Try &again")
        self.retry.setAccessibleName("Try again")
        self.retry.clicked.connect(actions.try_again)
        self.quit = QPushButton("&Quit")
        self.quit.setAccessibleName("Quit")
        self.quit.clicked.connect(leave)
        self._notice = QLabel()
        self._notice.setWordWrap(True)
        self._notice.setAccessibleName("Notice")
        self._arrange()

    def _arrange(self) -> None:
        side = QVBoxLayout()
        side.setSpacing(14)
        side.addWidget(self.controls)
        side.addWidget(_line())
        side.addLayout(self._figure_grid())
        side.addStretch()
        panel = QWidget()
        panel.setLayout(side)
        side.setContentsMargins(0, 0, 0, 0)
        panel.setFixedWidth(_SIDE_PX)

        foot = QHBoxLayout()
        foot.addWidget(self.difference)
        foot.addStretch()
        foot.addWidget(self.login)
        foot.addSpacing(12)
        foot.addWidget(self.quit)

        body = QHBoxLayout()
        body.setSpacing(18)
        body.addWidget(self.preview, 1)
        body.addWidget(panel)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.setSpacing(14)
        layout.addLayout(self._head())
        layout.addWidget(self._notice)
        layout.addLayout(body, 1)
        layout.addLayout(foot)
        QWidget.setTabOrder(self.retry, self.switch)
        self.resize(980, 620)

    def _head(self) -> QHBoxLayout:
        self._badge = QLabel()
        self._headline = QLabel()
        font = self._headline.font()
        font.setPointSizeF(font.pointSizeF() * 1.6)
        font.setBold(True)
        self._headline.setFont(font)
        self._detail = QLabel()
        self._detail.setWordWrap(True)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self._headline)
        words.addWidget(self._detail)
        head = QHBoxLayout()
        head.setSpacing(12)
        head.addWidget(self._badge)
        head.addLayout(words, 1)
        head.addWidget(self.retry)
        head.addWidget(self.switch)
        return head

    def _figure_grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setVerticalSpacing(5)
        grid.setColumnStretch(1, 1)
        self._figures = []
        for row, figure in enumerate(self._view.figures):
            value = QLabel()
            value.setAccessibleName(figure.name)
            value.setAlignment(Qt.AlignmentFlag.AlignRight)
            name = QLabel(figure.name)
            grid.addWidget(name, row, 0)
            grid.addWidget(value, row, 1)
            self._figures.append(value)
        return grid

    def _magnify(self, wanted: bool) -> None:
        self.preview.magnify(wanted)
        self.show_picture()

    def _switch_login(self, on: bool) -> None:
        self._login.switch(on)
        self._actions.done()


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Sunken)
    return line
