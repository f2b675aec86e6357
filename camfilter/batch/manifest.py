"""What is done already: one line for each finished file, so that a batch can go on later."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from camfilter import __version__
from camfilter.atomic import one_line
from camfilter.batch.tasks import Task
from camfilter.errors import SinkError

__all__ = ["FILE_NAME", "Done", "DoneWork", "fingerprint"]

FILE_NAME: Final = "camfilter-batch.jsonl"


def fingerprint(settings: Mapping[str, Any], graphs: Sequence[str]) -> str:
    """A short text that changes when the results would.

    Args:
        settings: plain values of everything that was set.
        graphs: SHA-256 of each graph that may be used.
    """
    told = json.dumps([__version__, settings, sorted(graphs)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Done:
    """A finished file, as it stands in the list.

    Attributes:
        target: relative to the output folder.
        source: what it was made of.
        source_size: its bytes.
        source_changed_ns: when it was last changed.
        output_size: bytes of the result.
        settings: fingerprint of the settings.
        figures: what the run said.
    """

    target: str
    source: str
    source_size: int
    source_changed_ns: int
    output_size: int
    settings: str
    figures: dict[str, Any]


class DoneWork:
    """The list of finished files in an output folder.

    A line is on the disk before a file counts as done. Half a line, from a
    machine that lost its power, counts as none.

    Args:
        out: the output folder; made if it is missing.
        settings: fingerprint of the settings of this batch.

    Raises:
        SinkError: the folder cannot be made or written to.
    """

    def __init__(self, out: Path, settings: str) -> None:
        self._path = out / FILE_NAME
        self._settings = settings
        try:
            out.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab"):
                pass
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise SinkError(
                f"Folder {out} cannot be written: {one_line(error)}.",
                "Choose a folder that you may write to.",
            ) from error
        self._done: dict[str, Done] = {}
        for line in lines:
            done = _read(line)
            if done is not None:
                self._done[done.target] = done

    def of(self, task: Task) -> Done | None:
        """The finished work for a task; None where anything about it has changed since."""
        done = self._done.get(task.target.as_posix())
        if done is None or done.settings != self._settings or done.source != str(task.source):
            return None
        try:
            source, output = task.source.stat(), task.output.stat()
        except OSError:
            return None
        same = (done.source_size, done.source_changed_ns) == (source.st_size, source.st_mtime_ns)
        return done if same and output.st_size == done.output_size else None

    def add(self, task: Task, figures: dict[str, Any]) -> None:
        """Note that a task is done.

        Raises:
            SinkError: it cannot be written, or the result is not there.
        """
        try:
            source, output = task.source.stat(), task.output.stat()
            done = Done(
                task.target.as_posix(),
                str(task.source),
                source.st_size,
                source.st_mtime_ns,
                output.st_size,
                self._settings,
                figures,
            )
            fields = {name: getattr(done, name) for name in Done.__slots__}
            with self._path.open("ab") as file:
                file.write(b"\n" * self._torn() + json.dumps(fields).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SinkError(f"{self._path} cannot be written: {one_line(error)}.") from error
        self._done[done.target] = done

    def _torn(self) -> bool:
        """Whether the last line was cut off."""
        content = self._path.read_bytes()
        return bool(content) and not content.endswith(b"\n")


def _read(line: str) -> Done | None:
    try:
        return Done(**json.loads(line))
    except (ValueError, TypeError):
        return None
