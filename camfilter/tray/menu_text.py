"""Lines of a menu that are read and not chosen."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMenu, QWidgetAction

from camfilter.tray.model import Figure

__all__ = ["MenuText"]

_LINE_PX = 290


class MenuText(QWidgetAction):
    """Text in a menu, in full contrast; a desktop that draws the menu shows it as one line.

    Args:
        menu: where it is added.
        bold: draw it bold.
    """

    def __init__(self, menu: QMenu, *, bold: bool = False) -> None:
        super().__init__(menu)
        self._label = QLabel()
        self._label.setContentsMargins(12, 5, 12, 5)
        self._label.setMinimumWidth(_LINE_PX)
        self._label.setMaximumWidth(_LINE_PX + 60)
        self._label.setWordWrap(True)
        font = self._label.font()
        font.setBold(bold)
        self._label.setFont(font)
        self.setDefaultWidget(self._label)
        self.setEnabled(True)
        menu.addAction(self)

    def say(self, text: str) -> None:
        """Show a line or two."""
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._show(text, text.replace("\n", ". "))

    def tell(self, figures: Sequence[Figure]) -> None:
        """Show figures, names left and values right."""
        rows = "".join(
            f"<tr><td>{escape(figure.name)}</td><td align='right'>{escape(figure.value)}</td></tr>"
            for figure in figures
        )
        self._label.setTextFormat(Qt.TextFormat.RichText)
        table = f"<table width='100%' cellspacing='2'>{rows}</table>"
        self._show(table, ", ".join(f"{figure.name}: {figure.value}" for figure in figures[:5]))

    def _show(self, text: str, one_line: str) -> None:
        if self._label.text() != text:
            self._label.setText(text)
            self.setText(one_line)
