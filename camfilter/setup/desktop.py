"""Steps at user level: desktop entry, icon, and start at login. Nothing here needs root."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Final

from camfilter.doctor.system import System
from camfilter.setup.files import kept_or_written
from camfilter.setup.steps import Command, Step, WriteFile

__all__ = ["Login", "desktop_steps", "login_undo", "packaging_folder", "user_files"]

_UNIT: Final = "camfilter.service"


class Login(StrEnum):
    """How camfilter starts at login.

    NO: it does not. SYSTEMD: as a user unit. AUTOSTART: as an XDG autostart entry.
    """

    NO = "no"
    SYSTEMD = "systemd"
    AUTOSTART = "autostart"


def packaging_folder() -> Path:
    """Where the templates are: inside an installed wheel, or beside a source checkout."""
    package = Path(str(files("camfilter")))
    installed = package / "packaging"
    return installed if installed.is_dir() else package.parent / "packaging"


def desktop_steps(system: System, program: tuple[str, ...], login: Login) -> Iterator[Step]:
    """What is left to do for this user."""
    icon, entry, autostart, unit = user_files(system, program)
    yield from kept_or_written(icon)
    yield from kept_or_written(entry)
    if login is Login.AUTOSTART:
        yield from kept_or_written(autostart)
    if login is Login.SYSTEMD:
        yield from kept_or_written(unit)
        if not (unit.path.parent / "graphical-session.target.wants" / _UNIT).is_symlink():
            yield _enable()


def user_files(system: System, program: tuple[str, ...]) -> tuple[WriteFile, ...]:
    """Every file that setup may write for a user: icon, desktop entry, autostart entry, unit."""
    data = _folder(system, "XDG_DATA_HOME", ".local/share")
    config = _folder(system, "XDG_CONFIG_HOME", ".config")
    return (
        _file(
            "The icon",
            data / "icons/hicolor/scalable/apps/camfilter.svg",
            "camfilter.svg",
            "icon",
            program,
        ),
        _file(
            "An entry in the desktop's menu",
            data / "applications/camfilter.desktop",
            "camfilter.desktop",
            "menu",
            program,
        ),
        _file(
            "Start at login",
            config / "autostart/camfilter.desktop",
            "camfilter-autostart.desktop",
            "login",
            program,
        ),
        _file("Start at login", config / "systemd/user" / _UNIT, _UNIT, "login", program),
    )


def login_undo() -> Command:
    """Stops the user unit and starts it no more at login."""
    enable = _enable()
    return Command("Stop it, and start it at login no more", enable.undo, "login off")


def _enable() -> Command:
    return Command(
        "Start it at every login",
        ("systemctl", "--user", "enable", _UNIT),
        "login",
        undo=("systemctl", "--user", "disable", "--now", _UNIT),
    )


def _folder(system: System, variable: str, usual: str) -> Path:
    named = system.env.get(variable, "")
    if named.startswith("/"):
        return Path(named)
    return Path(system.env.get("HOME") or Path.home()) / usual


def _file(
    description: str, path: Path, template: str, group: str, program: tuple[str, ...]
) -> WriteFile:
    text = (packaging_folder() / template).read_text("utf-8")
    quote = _for_systemd if path.suffix == ".service" else _for_desktop
    start = " ".join(quote(word) for word in program)
    for key in ("Exec", "ExecStart"):
        text = text.replace(f"\n{key}=camfilter ", f"\n{key}={start} ")
    return WriteFile.marked(description, path, text, group)


def _for_desktop(word: str) -> str:
    """A word of Exec in a desktop entry."""
    word = word.replace("%", "%%")
    if not any(letter in word for letter in " \t\"'\\><~|&;$*?#()`"):
        return word
    for letter in '\\"`$':
        word = word.replace(letter, f"\\{letter}")
    return '"' + word.replace("\\", "\\\\") + '"'


def _for_systemd(word: str) -> str:
    """A word of ExecStart in a unit."""
    word = word.replace("%", "%%").replace("$", "$$")
    if not any(letter in word for letter in " \t\"'\\;"):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
