"""Ask another program something, and never wait for it longer than agreed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["NOT_FOUND", "TIMED_OUT", "Answer", "run_command"]

NOT_FOUND: Final = 127
TIMED_OUT: Final = 124


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said.

    Attributes:
        status: its exit status; 127 when it is not installed, 124 when it took too long.
        output: its standard output.
        complaint: its error stream.
    """

    status: int
    output: str = ""
    complaint: str = ""

    @property
    def worked(self) -> bool:
        """True when it ended with status 0."""
        return self.status == 0


def run_command(words: Sequence[str], time_out_s: float) -> Answer:
    """Run a program with nothing to read, and take what it says.

    When time is up the program and all that it started are killed. Never raises
    for what the program does.

    Args:
        words: the program and its arguments.
        time_out_s: longest time in seconds.
    """
    try:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError:
        return Answer(NOT_FOUND)
    try:
        output, complaint = process.communicate(timeout=time_out_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        return Answer(TIMED_OUT)
    return Answer(process.returncode, output, complaint)


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=1.0)
