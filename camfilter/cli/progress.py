"""A progress bar on the terminal's error stream, so that standard output stays clean."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["FrameProgress"]


class FrameProgress:
    """Counts frames where somebody looks; silent where the error stream is no terminal.

    Args:
        name: what is being worked on.
        total: number of frames to come; None where nobody knows.
    """

    def __init__(self, name: str, total: int | None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=sys.stderr is None or not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task(name, total=total)

    def advance(self) -> None:
        """One more frame is done."""
        self._progress.advance(self._task)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
