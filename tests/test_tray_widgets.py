from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camfilter.app.controller import Preview
from camfilter.app.settings import AppSettings
from camfilter.sources.devices import Camera
from fakes import noise
from tray_support import Answers, Scripted

# Qt's libraries (libEGL and others) are missing on some servers.
QtWidgets = pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, QTimer  # noqa: E402
from PySide6.QtGui import QAction, QImage, QMouseEvent, QPainter  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402

from camfilter.tray.app import TrayApp, without_cv2s_qt  # noqa: E402
from camfilter.tray.asking import MessageBoxes  # noqa: E402
from camfilter.tray.autostart import DesktopFile  # noqa: E402
from camfilter.tray.cameras import Devices  # noqa: E402
from camfilter.tray.engine import Engine  # noqa: E402
from camfilter.tray.icons import Icons  # noqa: E402
from camfilter.tray.model import STATES  # noqa: E402
from camfilter.tray.preview_pane import PreviewPane  # noqa: E402
from camfilter.tray.question import LEAVE_WITHOUT_TRAY, TURN_OFF  # noqa: E402

WEBCAM = Camera("/dev/video0", "HD Webcam", "usb-HD_Webcam-index0")


@pytest.fixture(scope="module")
def application() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QT_QPA_PLATFORM", "offscreen")
        patch.setenv("DBUS_SESSION_BUS_ADDRESS", "disabled:")
        without_cv2s_qt(os.environ)
        yield QtWidgets.QApplication.instance() or QtWidgets.QApplication(["camfilter"])


class Host:
    """A tray that comes and goes as a test says."""

    def __init__(self, there: bool = False) -> None:
        self.there = there

    def present(self) -> bool:
        return self.there


class Tray:
    """The real tray around a real controller that does not run."""

    def __init__(self, folder: Path, there: bool = False) -> None:
        self.answers = Answers()
        self.cameras: list[Camera] = [WEBCAM]
        self.left = 0
        self.host = Host(there)
        self.engine = Engine(AppSettings(), Scripted)
        devices = Devices(
            lambda: self.cameras, lambda: ["/dev/video10", "/dev/video11"], lambda _node: "Loop"
        )
        self.app = TrayApp(
            self.engine,
            self.answers,
            DesktopFile(["camfilter", "tray"], folder),
            devices,
            self.host,
            self._leave,
        )
        self.menu, self.window = self.app.menu, self.app.window

    @property
    def settings(self) -> AppSettings:
        return self.engine.controller.settings

    def says(self, **values: Any) -> None:
        controller = self.engine.controller
        assert isinstance(controller, Scripted)
        controller.said = values
        self.app.refresh()

    def _leave(self) -> None:
        self.left += 1


@pytest.fixture
def tray(application: Any, tmp_path: Path) -> Iterator[Tray]:
    made = Tray(tmp_path)
    yield made
    made.answers.yes = True
    made.window.close()
    made.app.presence.vanish()
    made.window.deleteLater()
    made.menu.deleteLater()
    application.processEvents()


def named(menu: Any, text: str) -> QAction:
    return next(action for action in menu.actions() if action.text().replace("&", "") == text)


def grey(image: QImage) -> np.ndarray[Any, Any]:
    image = image.convertToFormat(QImage.Format.Format_Grayscale8)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width()].astype(int)


def test_icons_differ_for_eyes_that_see_no_colour(application: Any) -> None:
    icons = Icons()
    shapes = {}
    for state in STATES:
        canvas = QImage(22, 22, QImage.Format.Format_ARGB32)
        canvas.fill(Qt.GlobalColor.black)
        painter = QPainter(canvas)
        icons.of(state).paint(painter, 0, 0, 22, 22)
        painter.end()
        shapes[state] = grey(canvas)
    for one, other in itertools.combinations(STATES, 2):
        differing = (np.abs(shapes[one] - shapes[other]) > 60).mean()
        assert differing > 0.2, (one, other)


def test_the_slider_of_the_menu_changes_epsilon(tray: Tray) -> None:
    QTest.keyClick(tray.menu.epsilon.slider, Qt.Key.Key_Right)
    assert tray.settings.budget_levels == 7
    tray.menu.epsilon.slider.setValue(12)
    assert tray.settings.budget_levels == 12
    assert tray.menu.epsilon_menu.title() == "&Epsilon: 12 levels"
    assert tray.window.controls.epsilon.slider.value() == 12


def test_up_and_down_leave_the_slider_of_the_menu_alone(tray: Tray) -> None:
    QTest.keyClick(tray.menu.epsilon.slider, Qt.Key.Key_Down)
    assert tray.settings.budget_levels == 6


def test_presets_change_epsilon_and_chain_length(tray: Tray) -> None:
    named(tray.menu.epsilon_menu, "2 levels").trigger()
    named(tray.menu.chain_menu, "20 stages").trigger()
    assert (tray.settings.budget_levels, tray.settings.chain_length) == (2, 20)
    assert named(tray.menu.epsilon_menu, "2 levels").isChecked()
    assert not named(tray.menu.epsilon_menu, "6 levels").isChecked()


def test_mode_and_target_are_radio_groups(tray: Tray) -> None:
    named(tray.menu.target_menu, "Fear").trigger()
    assert (tray.settings.mode, tray.settings.targets) == ("targeted", ("fear",))
    assert named(tray.menu.mode_menu, "Targeted").isChecked()
    named(tray.menu.mode_menu, "Hide").trigger()
    assert tray.settings.targets == ()
    checked = [action.text() for action in tray.menu.mode_menu.actions() if action.isChecked()]
    assert checked == ["&Hide"]
    assert not any(action.isChecked() for action in tray.menu.target_menu.actions())


def test_the_toggle_asks_and_goes_back_when_the_answer_is_no(tray: Tray) -> None:
    tray.menu.toggle.trigger()
    assert tray.answers.asked == [TURN_OFF]
    assert tray.settings.on
    assert tray.menu.toggle.isChecked()
    tray.answers.yes = True
    tray.menu.toggle.trigger()
    assert not tray.settings.on
    assert not tray.window.switch.isChecked()


def test_cameras_are_listed_when_the_submenu_opens(tray: Tray) -> None:
    tray.cameras.append(Camera("/dev/video2", "Other"))
    tray.menu.camera_menu.aboutToShow.emit()
    assert named(tray.menu.camera_menu, "HD Webcam").isChecked()
    named(tray.menu.camera_menu, "Other").trigger()
    assert tray.settings.source == "/dev/video2"
    tray.cameras.clear()
    tray.menu.camera_menu.aboutToShow.emit()
    assert named(tray.menu.camera_menu, "No camera was found")


def test_what_is_refused_is_shown_and_the_control_goes_back(tray: Tray) -> None:
    tray.window.show()
    tray.app.actions.set_chain_length(0)
    assert "cannot be used" in tray.window._notice.text()
    assert tray.window._notice.isVisible()
    assert tray.window.controls.chain.slider.value() == 10
    tray.app.actions.set_chain_length(5)
    assert not tray.window._notice.isVisible()


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_Return])
def test_protection_is_toggled_by_the_keyboard(tray: Tray, key: Qt.Key) -> None:
    tray.answers.yes = True
    tray.window.show()
    QTest.keyClick(tray.window.switch, key)
    assert not tray.settings.on
    QTest.keyClick(tray.window.switch, key)
    assert tray.settings.on


def test_the_shortcut_toggles_protection(application: Any, tray: Tray) -> None:
    tray.window.show()
    tray.window.activateWindow()
    application.processEvents()
    QTest.keyClick(tray.window, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    assert tray.answers.asked == [TURN_OFF]


@pytest.mark.parametrize(
    ("key", "answer"), [(Qt.Key.Key_Return, False), (Qt.Key.Key_Escape, False), ("yes", True)]
)
def test_the_question_on_the_screen_takes_no_for_an_answer(
    application: Any, key: Any, answer: bool
) -> None:
    def press() -> None:
        box = application.activeModalWidget()
        if key == "yes":
            next(b for b in box.buttons() if b.text() == TURN_OFF.yes).click()
        else:
            QTest.keyClick(box, key)

    QTimer.singleShot(200, press)
    assert MessageBoxes().ask(TURN_OFF) is answer


def focusable(tray: Tray) -> list[Any]:
    tray.window.show()
    return [
        widget
        for widget in tray.window.findChildren(QtWidgets.QWidget)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisibleTo(tray.window)
    ]


def test_every_control_has_a_name_for_screen_readers(tray: Tray) -> None:
    names = [widget.accessibleName() for widget in focusable(tray)]
    assert all(names)
    assert len(set(names)) == len(names)
    assert len(names) > 15


def test_the_tab_key_goes_from_top_to_bottom(tray: Tray) -> None:
    controls, seen = focusable(tray), [tray.window.switch]
    while (after := seen[-1].nextInFocusChain()) is not seen[0]:
        seen.append(after)
    order = [widget.accessibleName() for widget in seen if widget in controls]
    wanted = ["Protection", "Preview", "Camera", "Virtual camera", "Mode", "Target", "Epsilon"]
    assert order[:7] == wanted
    assert order[-2:] == ["Start at login", "Quit"]


def test_mnemonics_of_the_window_are_unique(tray: Tray) -> None:
    tray.window.show()
    labels = tray.window.findChildren(QtWidgets.QLabel)
    buttons = tray.window.findChildren(QtWidgets.QAbstractButton)
    texts = [widget.text() for widget in (*labels, *buttons)]
    keys = [text[text.index("&") + 1].lower() for text in texts if "&" in text]
    assert len(keys) == len(set(keys)) >= 10


def test_pictures_are_kept_only_while_the_window_is_seen(tray: Tray) -> None:
    assert not tray.settings.preview
    tray.app.show_window()
    assert tray.settings.preview
    tray.window.hide()
    assert not tray.settings.preview


def test_a_failed_run_is_shown_with_another_try(tray: Tray) -> None:
    tray.window.show()
    assert not tray.window.retry.isVisible()
    tray.engine._trouble = "There is no camera 0."
    tray.app.refresh()
    assert tray.window.retry.isVisible()
    assert tray.window._detail.text() == "There is no camera 0."
    assert tray.menu.retry.isVisible()


def test_start_at_login(tray: Tray, tmp_path: Path) -> None:
    tray.menu.login.trigger()
    assert (tmp_path / "camfilter.desktop").exists()
    assert tray.window.login.isChecked()
    tray.window.login.click()
    assert not (tmp_path / "camfilter.desktop").exists()
    assert not tray.menu.login.isChecked()


def test_without_a_tray_the_window_opens_after_some_seconds(tray: Tray) -> None:
    start_s = tray.app._looked_s = 1000.0
    tray.app.refresh(start_s + 1)
    tray.app.refresh(start_s + 5)
    assert not tray.window.isVisible()
    tray.app.refresh(start_s + 8)
    assert tray.window.isVisible()
    tray.window.hide()
    tray.app.refresh(start_s + 30)
    assert not tray.window.isVisible()


def test_closing_the_window_without_a_tray_quits_after_asking(tray: Tray) -> None:
    tray.window.show()
    tray.window.close()
    assert tray.answers.asked == [LEAVE_WITHOUT_TRAY]
    assert tray.window.isVisible()
    assert not tray.left
    tray.answers.yes = True
    tray.window.close()
    assert tray.left == 1


def test_closing_the_window_with_a_tray_hides_it(tray: Tray) -> None:
    tray.host.there = True
    tray.app.refresh(2000.0)
    tray.window.show()
    assert tray.app.presence.there
    tray.window.close()
    assert not tray.window.isVisible()
    assert not tray.left
    assert not tray.answers.asked


def test_the_icon_comes_late_goes_and_comes_back(tray: Tray) -> None:
    tray.app.refresh(3000.0)
    assert not tray.app.presence.there
    for now_s, there in ((3002.0, True), (3004.0, False), (3006.0, True)):
        tray.host.there = there
        tray.app.refresh(now_s)
        assert tray.app.presence.there is there


def test_a_stop_from_elsewhere_ends_the_program(tray: Tray) -> None:
    tray.engine._ended = True
    tray.app.refresh()
    assert tray.left == 1


def test_the_divider_is_dragged_and_moved_by_keys(application: Any) -> None:
    pane = PreviewPane()
    pane.resize(400, 300)
    pane.show_pair(Preview(noise(400, 300, 1), noise(400, 300, 2)))
    where = QPointF(100, 150)
    button, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    pane.mousePressEvent(
        QMouseEvent(QEvent.Type.MouseButtonPress, where, where, button, button, none)
    )
    assert pane.divider == pytest.approx(0.25)
    QTest.keyClick(pane, Qt.Key.Key_Right)
    assert pane.divider == pytest.approx(0.27)
    QTest.keyClick(pane, Qt.Key.Key_End)
    assert pane.divider == 1.0


def test_left_of_the_divider_is_before_and_right_of_it_after(application: Any) -> None:
    pane = PreviewPane()
    pane.resize(400, 300)
    black, white = np.zeros((300, 400, 3), np.uint8), np.full((300, 400, 3), 255, np.uint8)
    pane.show_pair(Preview(black, white))
    image = pane.grab().toImage()
    assert image.pixelColor(QPoint(100, 250)).lightness() == 0
    assert image.pixelColor(QPoint(300, 250)).lightness() == 255
    pane.magnify(True)
    pane.show_pair(Preview(black, black + np.uint8(2)))
    assert pane.grab().toImage().pixelColor(QPoint(100, 250)).lightness() == 168
    pane.show_pair(None)
    assert not pane.grab().isNull()


def test_calls_into_qt_keep_the_references_to_none(application: Any) -> None:
    """PySide6 6.12.0 dropped one with each call on Python 3.11, and the process died in minutes."""
    label = QtWidgets.QLabel()
    before = sys.getrefcount(None)
    for _ in range(1000):
        label.setText("")
    assert sys.getrefcount(None) > before - 500
