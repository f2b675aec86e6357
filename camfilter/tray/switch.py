"""An on-off switch: a check box that is drawn as one."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QCheckBox

__all__ = ["Switch"]

_TRACK: Final = QSize(50, 26)
_GAP_PX: Final = 10
_ON: Final = QColor("#00865f")
_OFF: Final = QColor("#d1480a")


class Switch(QCheckBox):
    """A check box drawn as a switch: knob right and a tick for on, knob left and a ring for off."""

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Track and text."""
        text = self.fontMetrics().size(Qt.TextFlag.TextShowMnemonic, self.text())
        height = max(_TRACK.height(), text.height()) + 6
        return QSize(_TRACK.width() + _GAP_PX + text.width() + 8, height)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """The same."""
        return self.sizeHint()

    def hitButton(self, point: object) -> bool:  # noqa: N802, ARG002 - Qt's name
        """All of it can be clicked."""
        return True

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Return works as the space bar does."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
            return
        super().keyPressEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw it."""
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._draw(painter)

    def _draw(self, painter: QPainter) -> None:
        top = (self.height() - _TRACK.height()) / 2
        track = QRectF(3, top, _TRACK.width(), _TRACK.height())
        radius = track.height() / 2
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_ON if self.isChecked() else _OFF)
        painter.drawRoundedRect(track, radius, radius)
        centre = track.center()
        centre.setX(track.right() - radius if self.isChecked() else track.left() + radius)
        painter.setBrush(Qt.GlobalColor.white)
        painter.drawEllipse(centre, radius - 3, radius - 3)
        self._draw_mark(painter, track, radius)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2))
            painter.drawRoundedRect(track.adjusted(-2, -2, 2, 2), radius + 2, radius + 2)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        room = QRectF(self.rect()).adjusted(_TRACK.width() + _GAP_PX, 0, 0, 0)
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextShowMnemonic
        painter.drawText(room, int(flags), self.text())

    def _draw_mark(self, painter: QPainter, track: QRectF, radius: float) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(
            QPen(Qt.GlobalColor.white, 2.4, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
        )
        if self.isChecked():
            middle = QPointF(track.left() + radius, track.center().y())
            painter.drawPolyline(
                [middle + QPointF(-4, 0), middle + QPointF(-1, 4), middle + QPointF(5, -4)]
            )
        else:
            painter.drawEllipse(QPointF(track.right() - radius, track.center().y()), 4, 4)
