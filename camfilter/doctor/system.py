"""The machine, as the checks see it: everything they touch comes in here."""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import platformdirs

from camfilter.doctor.commands import Answer, run_command

if TYPE_CHECKING:
    from camfilter.sources.v4l2 import Capabilities, Mode

__all__ = ["KernelNodes", "System", "User", "VideoNodes"]


class VideoNodes(Protocol):
    """What can be asked of a video node, given its path."""

    def capabilities(self, path: str) -> Capabilities | None:
        """Who drives it; None where it cannot be opened."""

    def modes(self, path: str) -> tuple[Mode, ...]:
        """What it offers; empty where it cannot be asked."""

    def usable(self, path: str) -> bool:
        """True when this user may read and write it."""


class KernelNodes:
    """Asks the kernel."""

    def capabilities(self, path: str) -> Capabilities | None:
        """Who drives it; None where it cannot be opened."""
        from camfilter.sources.v4l2 import capabilities_of  # noqa: PLC0415 - its package needs cv2

        return capabilities_of(path)

    def modes(self, path: str) -> tuple[Mode, ...]:
        """What it offers; empty where it cannot be asked."""
        from camfilter.sources.v4l2 import modes_of  # noqa: PLC0415 - its package needs cv2

        return modes_of(path)

    def usable(self, path: str) -> bool:
        """True when this user may read and write it."""
        return os.access(path, os.R_OK | os.W_OK)


@dataclass(frozen=True, slots=True)
class User:
    """Who runs camfilter.

    Attributes:
        name: login name.
        number: user number, 0 for root; -1 where there are none.
        groups: numbers of the groups that this process has.
    """

    name: str
    number: int
    groups: frozenset[int]

    @classmethod
    def current(cls) -> Self:
        """Whoever runs this process."""
        if sys.platform == "win32":
            return cls(_login_name(), -1, frozenset())
        return cls(_login_name(), os.getuid(), frozenset((*os.getgroups(), os.getgid())))


@dataclass(frozen=True, slots=True)
class System:
    """Files, commands, environment and clock of a machine; tests hand in made-up ones.

    Attributes:
        root: folder that stands for "/".
        env: environment variables.
        platform: as `sys.platform`.
        python_version: of the interpreter.
        python_folders: where packages are looked for, as `sys.path`.
        config_folder: where the config file lies.
        user: who runs camfilter.
        nodes: asks video nodes.
        run: runs a command for at most so many seconds.
        clock: reads a monotonic time in seconds.
    """

    root: Path = Path("/")
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    platform: str = sys.platform
    python_version: tuple[int, int, int] = sys.version_info[:3]
    python_folders: tuple[str, ...] = field(default_factory=lambda: tuple(sys.path))
    config_folder: Path = field(
        default_factory=lambda: Path(platformdirs.user_config_dir("camfilter"))
    )
    user: User = field(default_factory=User.current)
    nodes: VideoNodes = field(default_factory=KernelNodes)
    run: Callable[[Sequence[str], float], Answer] = run_command
    clock: Callable[[], float] = time.monotonic

    def path(self, absolute: str) -> Path:
        """Where a file of the machine is: "/proc/modules" under `root`."""
        return self.root / absolute.lstrip("/")

    def read(self, absolute: str) -> str | None:
        """Text of a small file without the space around it; None where it cannot be read."""
        try:
            return self.path(absolute).read_text("utf-8", "replace").strip()
        except OSError:
            return None

    def entries(self, absolute: str) -> tuple[Path, ...]:
        """What is in a folder, sorted; empty where it cannot be read."""
        try:
            return tuple(sorted(self.path(absolute).iterdir()))
        except OSError:
            return ()


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "$USER"
