"""A slider with its name, its value in words, and buttons for usual values."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSlider, QToolButton, QWidget

__all__ = ["LevelSlider"]


class _MenuSlider(QSlider):
    """A slider that leaves Up and Down to the menu around it."""

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Left, Right, Home, End and the page keys move it."""
        if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            event.ignore()
            return
        super().keyPressEvent(event)


class LevelSlider(QWidget):
    """A whole number to slide.

    Args:
        name: its name; & marks the key that leads to it.
        places: the values.
        presets: values with a button of their own; may be empty.
        unit: what the values count, for screen readers ("levels").
        parent: the widget around it.
    """

    chosen = Signal(int)

    def __init__(
        self,
        name: str,
        places: range,
        presets: Sequence[int] = (),
        unit: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        plain = name.replace("&", "")
        self.slider = _MenuSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(places[0], places[-1])
        self.slider.setPageStep(max(1, len(places) // 8))
        self.slider.setMinimumWidth(140)
        self.slider.setAccessibleName(plain)
        self.slider.valueChanged.connect(self.chosen)
        self._value = QLabel()
        self._value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        label = QLabel(name)
        label.setBuddy(self.slider)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(4)
        layout.addWidget(label, 0, 0)
        layout.addWidget(self._value, 0, 1)
        layout.addWidget(self.slider, 1, 0, 1, 2)
        self._buttons = {value: self._preset(plain, value, unit) for value in presets}
        if presets:
            row = QHBoxLayout()
            row.setSpacing(6)
            for button in self._buttons.values():
                row.addWidget(button)
            row.addStretch()
            layout.addLayout(row, 2, 0, 1, 2)
        self.setFocusProxy(self.slider)

    def show_value(self, place: int, text: str, *, exact: bool) -> None:
        """Show what is set, without choosing it.

        Args:
            place: the nearest place on the slider.
            text: the value in words.
            exact: the place is the value.
        """
        with QSignalBlocker(self.slider):
            self.slider.setValue(place)
        self._value.setText(text)
        self.slider.setAccessibleDescription(text)
        for value, button in self._buttons.items():
            chosen = exact and value == place
            button.setChecked(chosen)
            font = button.font()
            font.setBold(chosen)
            button.setFont(font)

    def _preset(self, name: str, value: int, unit: str) -> QToolButton:
        button = QToolButton()
        button.setText(str(value))
        button.setCheckable(True)
        button.setMinimumWidth(38)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setAccessibleName(f"{name} {value} {unit}".strip())
        button.setToolTip(f"{value} {unit}".strip())
        button.clicked.connect(lambda: self.chosen.emit(value))
        return button
