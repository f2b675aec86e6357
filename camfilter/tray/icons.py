"""The five icons: each state has a colour and a shape of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from camfilter.tray.model import STATES

__all__ = ["Icons"]

_FOLDER: Final = Path(__file__).parent / "icons"
_SIZES_PX: Final = (16, 22, 24, 32, 44, 48, 64, 96, 128)


class Icons:
    """All icons, drawn once at the sizes that trays ask for."""

    def __init__(self) -> None:
        self._icons = {state: _drawn(_FOLDER / f"{state}.svg") for state in STATES}

    def of(self, state: str) -> QIcon:
        """The icon of a state."""
        return self._icons[state]


def _drawn(path: Path) -> QIcon:
    renderer, icon = QSvgRenderer(str(path)), QIcon()
    for size_px in _SIZES_PX:
        pixmap = QPixmap(size_px, size_px)
        pixmap.fill(Qt.GlobalColor.transparent)
        with QPainter(pixmap) as painter:
            renderer.render(painter)
        icon.addPixmap(pixmap)
    return icon
