"""Follows the config file while the program runs: what is edited applies to the next frame."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from camfilter.app.config import Layers
from camfilter.app.config_file import FileSettings, parse_config, read_config
from camfilter.app.controller import Controller
from camfilter.app.settings import AppSettings
from camfilter.errors import SettingError

__all__ = ["ConfigFollower"]

_EVERY_S: Final = 1.0
_AT_START_ONLY: Final = frozenset({"sink"})


class ConfigFollower:
    """Looks at the config file again and again, in a thread of its own while in a ``with`` block.

    An edit changes the settings whose own value in the file changed, and no
    other, so that what was set while running stays until the file says
    something new about it. A file that is wrong or gone changes nothing; the
    reason stands in the status.

    Args:
        controller: whose settings follow.
        layers: what was read at the start.
        every_s: time between two looks, in seconds.
        read: reads the file; None where there is none.
    """

    def __init__(
        self,
        controller: Controller,
        layers: Layers,
        *,
        every_s: float = _EVERY_S,
        read: Callable[[Path], bytes | None] = read_config,
    ) -> None:
        self._controller = controller
        self._path = layers.path
        self._pinned = layers.pinned | _AT_START_ONLY
        self._good = layers.file
        self._every_s = every_s
        self._read = read
        self._seen: bytes | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="camfilter-config", daemon=True)

    def look(self) -> None:
        """Read the file once and apply what was edited. Never raises for what the file holds."""
        before, self._seen = self._seen, None
        try:
            content = self._read(self._path)
            if content is None:
                self._gone()
                return
            self._seen = content
            if content != before:
                self._apply(parse_config(content, self._path))
                self._controller.note_config_fault("")
        except SettingError as error:
            self._controller.note_config_fault(str(error))
        except Exception as error:  # noqa: BLE001 - said, and looked at again
            self._controller.note_config_fault(f"{self._path}: {type(error).__name__}.")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join(timeout=2.0)

    def _follow(self) -> None:
        while not self._end.wait(self._every_s):
            self.look()

    def _gone(self) -> None:
        fault = f"{self._path} is gone; what it said last still applies."
        self._controller.note_config_fault(fault if self._good.values else "")

    def _apply(self, new: FileSettings) -> None:
        old, self._good = self._good, new
        values = _edited(old, new)
        current = self._controller.settings
        for name in self._shielded(values, current):
            values.pop(name, None)
        if values:
            self._controller.change(values)

    def _shielded(self, values: dict[str, Any], current: AppSettings) -> frozenset[str]:
        """Names that the file has no say in; mode and targets only make sense together."""
        both = frozenset({"mode", "targets"})
        if not both & values.keys() or not both & self._pinned:
            return self._pinned
        if "targets" in self._pinned or values["mode"] != current.mode:
            return self._pinned | both
        return self._pinned


def _edited(old: FileSettings, new: FileSettings) -> dict[str, Any]:
    """Values that the file gives another value now, or no longer; or gives for the first time."""
    absent = object()
    names = {
        name
        for name in AppSettings.model_fields
        if old.values.get(name, absent) != new.values.get(name, absent)
        or getattr(old.settings, name) != getattr(new.settings, name)
    }
    if names & {"mode", "targets"}:
        names |= {"mode", "targets"}
    return {name: getattr(new.settings, name) for name in names}
