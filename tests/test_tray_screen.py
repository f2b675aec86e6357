from __future__ import annotations

import os

import pytest

from camfilter.tray.screen import NoScreen, require_screen

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)


def without_display() -> dict[str, str]:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return {name: value for name, value in os.environ.items() if name not in hidden}


@pytest.mark.skipif(os.name != "posix", reason="X11 only")
def test_no_display_is_one_line_and_no_crash() -> None:
    with pytest.raises(NoScreen) as raised:
        require_screen({**without_display(), "QT_QPA_PLATFORM": "xcb"})
    assert str(raised.value).startswith("No window can be opened here: ")
    assert "\n" not in str(raised.value)


def test_a_screen_is_found() -> None:
    require_screen({**without_display(), "QT_QPA_PLATFORM": "offscreen"})
