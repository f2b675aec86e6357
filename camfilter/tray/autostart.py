"""Start at login: one small file, or one registry value.

Tried on Linux only; the Windows and macOS parts follow their makers' documents
and were never run.
"""

from __future__ import annotations

import os
import plistlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from camfilter.errors import SettingError

__all__ = ["Autostart", "DesktopFile", "LaunchAgent", "RunKey", "autostart_here"]

_NAME: Final = "camfilter"
_AGENT: Final = "camfilter.tray"
_RUN_KEY: Final = r"Software\Microsoft\Windows\CurrentVersion\Run"


class Autostart(Protocol):
    """Remembers whether camfilter starts at login."""

    def enabled(self) -> bool:
        """True when it starts at login."""

    def switch(self, on: bool) -> None:
        """Remember it.

        Raises:
            SettingError: it cannot be remembered.
        """


class DesktopFile:
    """Linux: a file in the autostart folder of the XDG base directories.

    Args:
        command: program and arguments.
        folder: the autostart folder.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = command
        self._path = folder / f"{_NAME}.desktop"

    def enabled(self) -> bool:
        """True when the file is there and not switched off by the desktop."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return not {"Hidden=true", "X-GNOME-Autostart-enabled=false"} & set(lines)

    def switch(self, on: bool) -> None:
        """Write the file, or remove it."""
        if on:
            _write(self._path, self._text().encode())
        else:
            _remove(self._path)

    def _text(self) -> str:
        return (
            "[Desktop Entry]\nType=Application\nName=camfilter\n"
            "Comment=Keeps your emotions private in video calls\n"
            f"Exec={' '.join(_quoted(word) for word in self._command)}\n"
            "Terminal=false\nX-GNOME-Autostart-enabled=true\n"
        )


class LaunchAgent:
    """macOS: a launch agent of this user. Untested.

    Args:
        command: program and arguments.
        folder: the user's folder of launch agents.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = command
        self._path = folder / f"{_AGENT}.plist"

    def enabled(self) -> bool:
        """True when the file is there."""
        return self._path.is_file()

    def switch(self, on: bool) -> None:
        """Write the file, or remove it."""
        if not on:
            _remove(self._path)
            return
        agent = {"Label": _AGENT, "ProgramArguments": list(self._command), "RunAtLoad": True}
        _write(self._path, plistlib.dumps(agent))


class RunKey:
    """Windows: a value of this user's Run key. Untested.

    Args:
        command: program and arguments.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._registry: Any = __import__("winreg")

    def enabled(self) -> bool:
        """True when the value is there."""
        registry = self._registry
        try:
            with registry.OpenKey(registry.HKEY_CURRENT_USER, _RUN_KEY) as key:
                registry.QueryValueEx(key, _NAME)
        except OSError:
            return False
        return True

    def switch(self, on: bool) -> None:
        """Set the value, or delete it."""
        registry = self._registry
        try:
            with registry.CreateKey(registry.HKEY_CURRENT_USER, _RUN_KEY) as key:
                if on:
                    line = subprocess.list2cmdline(self._command)
                    registry.SetValueEx(key, _NAME, 0, registry.REG_SZ, line)
                else:
                    registry.DeleteValue(key, _NAME)
        except FileNotFoundError:
            return
        except OSError as error:
            raise SettingError(f"Start at login cannot be set: {error.strerror}.") from error


def autostart_here(
    arguments: Sequence[str],
    *,
    platform: str = sys.platform,
    environment: Mapping[str, str] = os.environ,
) -> Autostart:
    """The one of this system.

    Args:
        arguments: words after the program's name ("tray", "--source", ...).
        platform: as `sys.platform`.
        environment: variables of the process.
    """
    command = [sys.executable, "-m", "camfilter", *arguments]
    if platform == "win32":
        return RunKey(command)
    if platform == "darwin":
        return LaunchAgent(command, Path.home() / "Library" / "LaunchAgents")
    config = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return DesktopFile(command, Path(config) / "autostart")


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise SettingError(
            f"Start at login cannot be set: {error.strerror}.", f"Is {path.parent} yours to write?"
        ) from error


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SettingError(f"Start at login cannot be unset: {error.strerror}.") from error


def _quoted(word: str) -> str:
    """A word for the Exec line of a desktop file."""
    if word and not set(word) & set(" \t\n\"'\\><~|&;$*?#()`%"):
        return word
    for special in ("\\", '"', "`", "$"):
        word = word.replace(special, f"\\{special}")
    word = word.replace("\\", "\\\\").replace("%", "%%")
    return f'"{word}"'
