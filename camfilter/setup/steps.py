"""What setup does, as values: shown, asked for, carried out or printed as a script."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias

from camfilter.setup.marker import marked

__all__ = ["Command", "Note", "RemoveFile", "Step", "WriteFile"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the person should know or do; setup does nothing.

    Attributes:
        text: one or more plain sentences.
    """

    text: str

    @property
    def shell(self) -> str:
        """The same in a script: a comment."""
        return f"# {self.text}"


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run.

    Attributes:
        description: what for, in a few words.
        words: the program and its arguments, `sudo` included.
        group: when a step of a group does not happen, the rest of the group is left out.
        always_ask: ask even when the person said yes to everything.
        undo: what takes it back; empty when nothing does.
    """

    description: str
    words: tuple[str, ...]
    group: str
    always_ask: bool = False
    undo: tuple[str, ...] = ()

    @property
    def shell(self) -> str:
        """The same in a script."""
        return shlex.join(self.words)


@dataclass(frozen=True, slots=True)
class WriteFile:
    """A file to write, its marker included.

    Attributes:
        description: what for, in a few words.
        path: where.
        content: all of it.
        group: when a step of a group does not happen, the rest of the group is left out.
        elevate: program that gets root's rights ("sudo"); empty writes as this user.
        always_ask: ask even when the person said yes to everything.
    """

    description: str
    path: Path
    content: str
    group: str
    elevate: tuple[str, ...] = ()
    always_ask: bool = False

    @classmethod
    def marked(
        cls,
        description: str,
        path: Path,
        content: str,
        group: str,
        elevate: tuple[str, ...] = (),
    ) -> Self:
        """The same with our marker as the file's first line."""
        return cls(description, path, marked(path, content), group, elevate)

    @property
    def words(self) -> tuple[str, ...]:
        """The command that writes its standard input, for a file of root's."""
        return (*self.elevate, "tee", str(self.path))

    @property
    def shell(self) -> str:
        """The same in a script."""
        text = f"<<'CAMFILTER'\n{self.content.rstrip()}\nCAMFILTER"
        if self.elevate:
            return f"{shlex.join(self.words)} >/dev/null {text}"
        folder, path = shlex.quote(str(self.path.parent)), shlex.quote(str(self.path))
        return f"mkdir -p {folder}\ncat >{path} {text}"

    @property
    def undo(self) -> RemoveFile:
        """What takes it back."""
        return RemoveFile(f"Take back: {self.description}", self.path, self.group, self.elevate)


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """A file of ours to remove.

    Attributes:
        description: what for, in a few words.
        path: which.
        group: when a step of a group does not happen, the rest of the group is left out.
        elevate: program that gets root's rights; empty removes as this user.
        always_ask: ask even when the person said yes to everything.
    """

    description: str
    path: Path
    group: str
    elevate: tuple[str, ...] = ()
    always_ask: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The command that removes it."""
        return (*self.elevate, "rm", str(self.path))

    @property
    def shell(self) -> str:
        """The same in a script."""
        return shlex.join(self.words)


Step: TypeAlias = Note | Command | WriteFile | RemoveFile
