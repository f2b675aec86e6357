"""One line on the terminal that says what is going on, while somebody looks."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from camfilter.app.status import Status

__all__ = ["LiveLine", "in_one_line"]

_EVERY_S: Final = 0.25
_STYLES: Final = {
    "protected": "bold green",
    "holding": "bold yellow",
    "placeholder": "bold yellow",
    "off": "bold red",
}


class LiveLine:
    """Shows the status on the error stream; silent where that is no terminal.

    Args:
        status: asks for it.
        clock: reads a monotonic time in seconds.
        console: where to; None takes the error stream.
    """

    def __init__(
        self,
        status: Callable[[], Status],
        clock: Callable[[], float] = time.monotonic,
        console: Console | None = None,
    ) -> None:
        self._status = status
        self._clock = clock
        self._console = console or Console(stderr=True)
        self._live: Live | None = None
        self._next_s = clock()

    def update(self) -> None:
        """Show the newest status, four times a second at most."""
        if self._live is not None and self._clock() >= self._next_s:
            self._next_s = self._clock() + _EVERY_S
            self._live.update(in_one_line(self._status()), refresh=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()


def in_one_line(status: Status) -> Text:
    """State, figures and readings, cut off where the terminal ends."""
    parts = [f"{status.fps:.0f} fps"]
    if status.provider:
        parts.append(f"{status.latency_ms:.1f} ms on {status.provider}")
    if status.before and status.after:
        before, after = status.before, status.after
        parts.append(f"{before} -> {after}")
        parts.append(f"{before.entropy_bits:.1f} -> {after.entropy_bits:.1f} bits")
    if status.verdict:
        parts.append(status.verdict)
    parts += [
        text
        for text in (status.reason, status.eased, status.sink_fault, status.config_fault)
        if text
    ]
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(status.state, style=_STYLES.get(status.state, ""))
    line.append(f"  {'  '.join(parts)}")
    return line
