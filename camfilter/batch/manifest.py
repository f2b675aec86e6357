"""What is done already: lines about each file, so that a batch can go on later."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class _Begun:
    """A file that a batch began: whoever finds it there later knows what it was made of.

    Attributes:
        target: relative to the output folder.
        begun: its recording; empty takes back what was said before, as there is no result.
    """

    target: str
    begun: str


class DoneWork:
    """The list of finished files in an output folder.

    A line is on the disk before a file counts as done. Half a line, from a
    machine that lost its power, counts as none. Another line was there before the
    result itself: a batch may end between a result and its line.

    Args:
        out: the output folder; it need not be there.
        settings: fingerprint of the settings of this batch.

    Attributes:
        path: of the list.

    Raises:
        SinkError: the list cannot be read.
    """

    def __init__(self, out: Path, settings: str) -> None:
        self.path = out / FILE_NAME
        self._settings = settings
        self._done: dict[str, Done] = {}
        self._made_of: dict[str, str] = {}
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unwritable(out, error) from error
        for line in lines:
            self._take(_read(line))

    @property
    def results(self) -> frozenset[Path]:
        """Where all results are that the list names."""
        return frozenset(self.path.parent / target for target in self._made_of)

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

    def begin(self, tasks: Sequence[Task]) -> None:
        """Take the names of results for their recordings; the folder is made if it is missing.

        Raises:
            SinkError: a result would replace a file that was not made of the same recording,
                or the folder cannot be made or written to.
        """
        for task in tasks:
            self._refuse_foreign(task)
        out = self.path.parent
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._write(
                _Begun(task.target.as_posix(), str(task.source))
                for task in tasks
                if self._made_of.get(task.target.as_posix()) != str(task.source)
            )
        except OSError as error:
            raise _unwritable(out, error) from error

    def end(self, tasks: Iterable[Task]) -> None:
        """Give back the names of results that did not come.

        Raises:
            SinkError: it cannot be written.
        """
        try:
            self._write(
                _Begun(task.target.as_posix(), "") for task in tasks if not task.output.exists()
            )
        except OSError as error:
            raise SinkError(f"{self.path} cannot be written: {one_line(error)}.") from error

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
            self._write([done])
        except OSError as error:
            raise SinkError(f"{self.path} cannot be written: {one_line(error)}.") from error

    def _refuse_foreign(self, task: Task) -> None:
        if not task.output.exists() and not task.output.is_symlink():
            return
        made_of = self._made_of.get(task.target.as_posix())
        if made_of != str(task.source):
            origin = f"made of {made_of}" if made_of else "and no batch made it"
            raise SinkError(f"{task.output} is there already, {origin}.", "Choose another folder.")

    def _write(self, entries: Iterable[Done | _Begun]) -> None:
        """Put lines on the disk, then know them."""
        written = list(entries)
        lines = [json.dumps({n: getattr(one, n) for n in one.__slots__}) for one in written]
        with self.path.open("ab") as file:
            if lines:
                whole = "\n" * self._torn() + "\n".join(lines) + "\n"
                file.write(whole.encode())
                file.flush()
                os.fsync(file.fileno())
        for entry in written:
            self._take(entry)

    def _take(self, entry: Done | _Begun | None) -> None:
        if isinstance(entry, Done):
            self._done[entry.target] = entry
            self._made_of[entry.target] = entry.source
        elif entry is not None:
            self._done.pop(entry.target, None)
            self._made_of.pop(entry.target, None)
            if entry.begun:
                self._made_of[entry.target] = entry.begun

    def _torn(self) -> bool:
        """Whether the last line was cut off."""
        content = self.path.read_bytes()
        return bool(content) and not content.endswith(b"\n")


def _read(line: str) -> Done | _Begun | None:
    try:
        fields = json.loads(line)
        return _Begun(**fields) if "begun" in fields else Done(**fields)
    except (ValueError, TypeError):
        return None


def _unwritable(out: Path, error: OSError) -> SinkError:
    return SinkError(
        f"Folder {out} cannot be written: {one_line(error)}.",
        "Choose a folder that you may write to.",
    )
