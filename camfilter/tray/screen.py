"""Whether a window can be opened here, found out without risking this process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

from camfilter.errors import CamfilterError

__all__ = ["NoScreen", "require_screen"]

_PROBE: Final = "from PySide6.QtWidgets import QApplication; QApplication([])"
_PROBE_S: Final = 30.0


class NoScreen(CamfilterError, RuntimeError):
    """No window can be opened here."""


def require_screen(environment: Mapping[str, str] = os.environ) -> None:
    """Make sure that Qt can open a window; it ends the process where it cannot.

    Raises:
        NoScreen: no display, or libraries that Qt needs are missing.
    """
    clean = {
        name: value
        for name, value in environment.items()
        if not (name.startswith("QT_QPA_") and f"{os.sep}cv2{os.sep}" in value)
    }
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _PROBE],
            env=clean,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoScreen(f"No window can be opened: {type(error).__name__}.") from error
    if tried.returncode:
        raise NoScreen(
            f"No window can be opened here: {_reason(tried.stderr)}", _hint(tried.stderr)
        )


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for line in lines:
        if "could not connect to display" in line:
            return "no display can be reached."
        if "cannot open shared object" in line:
            return f"{line.rsplit(': ', 1)[0].removeprefix('ImportError: ')}."
    return f"{lines[-1]}" if lines else "Qt ended without a word."


def _hint(said: str) -> str:
    unreachable = "could not connect to display" in said
    if "cannot open shared object" in said or ("xcb-cursor" in said and not unreachable):
        return "Install Qt's libraries (Debian: libegl1 libxkbcommon-x11-0 libxcb-cursor0)."
    return "Start it on a desktop; camfilter run needs none."
