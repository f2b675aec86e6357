"""The picture before and after, with a divider to drag, or their difference."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from camfilter.app.controller import Preview
from camfilter.frames import Pixels
from camfilter.tray.pictures import MAGNIFIED, magnified_difference

__all__ = ["PreviewPane"]

_INK: Final = QColor(255, 255, 255)
_SHADE: Final = QColor(20, 22, 26, 190)
_STEP: Final = 0.02
_HANDLE_PX: Final = 15.0
_RADIUS_PX: Final = 8.0


class PreviewPane(QWidget):
    """Shows a pair of pictures: left of the divider before, right of it after."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._before: QImage | None = None
        self._after: QImage | None = None
        self._difference: QImage | None = None
        self._share = 0.5
        self._magnify = False
        self._message = "No picture yet"
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Preview")
        self.setAccessibleDescription(
            "Before on the left, after on the right. Left and Right move the divider."
        )

    @property
    def divider(self) -> float:
        """Where the divider is, as a share of the picture's width."""
        return self._share

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for a 4:3 picture."""
        return QSize(600, 450)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Small enough for a laptop."""
        return QSize(280, 210)

    def show_pair(self, pair: Preview | None, message: str = "No picture yet") -> None:
        """Show another pair; None shows the message instead."""
        self._message = message
        self._before = self._after = self._difference = None
        if pair is not None:
            self._before, self._after = _image(pair.before), _image(pair.after)
            if self._magnify and pair.before.shape == pair.after.shape:
                self._difference = _image(magnified_difference(pair.before, pair.after))
        self.update()

    def magnify(self, wanted: bool) -> None:
        """Show the magnified difference from the next pair on, or the pictures again."""
        self._magnify = wanted

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw it."""
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            if self._before is None or self._after is None:
                self._draw_message(painter)
            else:
                self._draw(painter, self._before, self._after)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Bring the divider to the pointer."""
        self._move_to(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Drag the divider."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._move_to(event.position().x())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Move the divider by the arrow keys, Home and End."""
        moves = {
            Qt.Key.Key_Left: self._share - _STEP,
            Qt.Key.Key_Right: self._share + _STEP,
            Qt.Key.Key_Home: 0.0,
            Qt.Key.Key_End: 1.0,
        }
        share = moves.get(Qt.Key(event.key()))
        if share is None:
            super().keyPressEvent(event)
            return
        self._set_share(share)

    def _move_to(self, x: float) -> None:
        if self._after is not None:
            area = self._area(self._after)
            self._set_share((x - area.left()) / max(1.0, area.width()))

    def _set_share(self, share: float) -> None:
        self._share = min(max(share, 0.0), 1.0)
        self.update()

    def _area(self, image: QImage) -> QRectF:
        """The part of the widget that the picture fills."""
        size = image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        left, top = (self.width() - size.width()) / 2, (self.height() - size.height()) / 2
        return QRectF(left, top, size.width(), size.height())

    def _draw(self, painter: QPainter, before: QImage, after: QImage) -> None:
        area = self._area(after)
        outline = QPainterPath()
        outline.addRoundedRect(area, _RADIUS_PX, _RADIUS_PX)
        painter.setClipPath(outline)
        if self._difference is not None:
            painter.drawImage(area, self._difference)
            _draw_caption(painter, area, f"Difference, {MAGNIFIED} times", left=True)
        else:
            self._draw_split(painter, area, before, after)
        painter.setClipping(False)
        if self.hasFocus():
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), _RADIUS_PX, _RADIUS_PX)

    def _draw_split(self, painter: QPainter, area: QRectF, before: QImage, after: QImage) -> None:
        painter.drawImage(area, after)
        x = area.left() + self._share * area.width()
        painter.save()
        painter.setClipRect(
            QRectF(area.left(), area.top(), x - area.left(), area.height()),
            Qt.ClipOperation.IntersectClip,
        )
        painter.drawImage(area, before)
        painter.restore()
        _draw_caption(painter, area, "Before", left=True)
        _draw_caption(painter, area, "After", left=False)
        painter.setPen(QPen(_INK, 2))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        middle = QPointF(x, area.center().y())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_INK)
        painter.drawEllipse(middle, _HANDLE_PX, _HANDLE_PX)
        pen = QPen(QColor(40, 44, 52), 2.2)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        for side in (-1, 1):
            tip = middle + QPointF(side * 8.5, 0)
            painter.drawPolyline(
                [tip + QPointF(-side * 4, -4.5), tip, tip + QPointF(-side * 4, 4.5)]
            )

    def _draw_message(self, painter: QPainter) -> None:
        area = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 1))
        painter.setBrush(self.palette().color(QPalette.ColorRole.Base))
        painter.drawRoundedRect(area, _RADIUS_PX, _RADIUS_PX)
        painter.setPen(self.palette().color(QPalette.ColorRole.Text))
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(area.adjusted(24, 24, -24, -24), int(flags), self._message)


def _draw_caption(painter: QPainter, area: QRectF, text: str, *, left: bool) -> None:
    font = QFont(painter.font())
    font.setBold(True)
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    width, height = metrics.horizontalAdvance(text) + 20, metrics.height() + 8
    x = area.left() + 12 if left else area.right() - 12 - width
    pill = QRectF(x, area.top() + 12, width, height)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_SHADE)
    painter.drawRoundedRect(pill, height / 2, height / 2)
    painter.setPen(_INK)
    painter.drawText(pill, int(Qt.AlignmentFlag.AlignCenter), text)


def _image(pixels: Pixels) -> QImage:
    """A picture of Qt's own, so that it outlives the frame."""
    height, width = pixels.shape[:2]
    whole = pixels if pixels.flags.c_contiguous else pixels.copy()
    return QImage(whole.data, width, height, 3 * width, QImage.Format.Format_BGR888).copy()
