"""The config file: TOML whose keys are the settings, read and checked with the line at fault."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from camfilter.app.settings import AppSettings, checked
from camfilter.atomic import one_line
from camfilter.errors import SettingError

__all__ = ["FileSettings", "parse_config", "read_config"]

_LARGEST_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What a config file says.

    Attributes:
        values: as they are written, by name of the setting.
        settings: what they mean on their own, the rest being the defaults.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    settings: AppSettings = field(default_factory=AppSettings)


def read_config(path: Path) -> bytes | None:
    """The bytes of the config file; None where there is none.

    Raises:
        SettingError: it is a folder or too large, or it may not be read.
    """
    try:
        kind = path.stat()
        if not stat.S_ISREG(kind.st_mode):  # opening a pipe would wait for its writer
            raise SettingError(f"{path} is not a file.", "Put the settings into a file there.")
        if kind.st_size > _LARGEST_BYTES:
            raise SettingError(f"{path} is larger than any list of settings.")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        if isinstance(error, SettingError):
            raise
        raise SettingError(f"{path} cannot be read: {one_line(error)}.") from error


def parse_config(content: bytes, path: Path) -> FileSettings:
    """Check the content of a config file.

    Args:
        content: its bytes.
        path: its name, for errors.

    Raises:
        SettingError: the first thing that is wrong, with its line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingError(f"{path}, line {line}: this is not UTF-8.", "Save it again.") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"{path}, {_toml_fault(str(error), text)}.") from error
    except ValueError as error:  # a number of more digits than Python reads
        raise SettingError(f"{path} holds a number that is too long.", "Shorten it.") from error
    except RecursionError as error:
        raise SettingError(f"{path} is nested too deep.", "Settings are plain lines.") from error

    def place(name: str) -> str:
        line = _line_of(name, text)
        return f"{path}, line {line}" if line else str(path)

    return FileSettings(values, checked(values, place))


def _toml_fault(said: str, text: str) -> str:
    """Turn "Invalid value (at line 3, column 7)" around, so that the line comes first."""
    found = re.fullmatch(r"(.*) \(at (.*)\)", said, re.DOTALL)
    fault, where = found.groups() if found else (said, "")
    if not where.startswith("line"):
        where = f"line {max(1, len(text.splitlines()))}"
    return f"{where}: {one_line(ValueError(fault))}"


def _line_of(name: str, text: str) -> int:
    """Number of the line where a key stands; 0 when it cannot be found."""
    key = re.compile(rf"""\s*\[*\s*["']?{re.escape(name)}["']?\s*[=.\]]""")
    for number, line in enumerate(text.splitlines(), 1):
        if key.match(line):
            return number
    return 0
