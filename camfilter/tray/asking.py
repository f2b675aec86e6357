"""Questions on the screen."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QPushButton, QWidget

from camfilter.tray.question import Question

__all__ = ["MessageBoxes"]


class MessageBoxes:
    """Asks in a modal box; the safe answer has the focus, and closing the box gives it."""

    def __init__(self) -> None:
        self.parent: QWidget | None = None

    def ask(self, question: Question) -> bool:
        """True only when the person says yes."""
        parent = self.parent if self.parent is not None and self.parent.isVisible() else None
        box = QMessageBox(parent)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setWindowTitle("camfilter")
        box.setText(f"<b>{question.title}</b>")
        box.setInformativeText(question.text)
        box.setWindowFlag(Qt.WindowType.WindowStaysOnTopHint)
        yes = QPushButton(question.yes)
        no = QPushButton(question.no)
        for button in (yes, no):
            button.setAccessibleName(button.text().replace("&", ""))
        box.addButton(yes, QMessageBox.ButtonRole.YesRole)
        box.addButton(no, QMessageBox.ButtonRole.NoRole)
        box.setDefaultButton(no)
        box.setEscapeButton(no)
        no.setFocus()
        box.exec()
        return box.clickedButton() is yes
