"""Look at native code from a process of its own, so that its crash or hang stays there."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from camfilter.doctor.commands import TIMED_OUT
from camfilter.doctor.system import System

__all__ = ["ChildFailed", "ask_child"]


class ChildFailed(RuntimeError):
    """The other process crashed, hung or could not do what it was asked."""


def ask_child(system: System, words: Sequence[str], time_out_s: float) -> dict[str, Any]:
    """Run one of `camfilter.doctor.probe`'s looks in another Python.

    Args:
        system: the machine.
        words: name of the look, then its arguments.
        time_out_s: longest time in seconds.

    Raises:
        ChildFailed: with the reason in one line.
    """
    # The child looks for packages in the very folders of this process.
    program = (
        f"import sys; sys.path[:] = {list(sys.path)!r}; "
        "from camfilter.doctor.probe import main; sys.exit(main(sys.argv[1:]))"
    )
    answer = system.run((sys.executable, "-c", program, *words), time_out_s)
    if answer.status == TIMED_OUT:
        raise ChildFailed(f"no answer within {time_out_s:.0f} s")
    try:
        said = json.loads(answer.output.splitlines()[-1])
    except (IndexError, ValueError):
        said = None
    if not isinstance(said, dict):
        raise ChildFailed(_last_words(answer.status, answer.complaint))
    if "error" in said:
        raise ChildFailed(str(said["error"]))
    return said


def _last_words(status: int, complaint: str) -> str:
    if status < 0:
        return f"crashed with signal {-status}"
    lines = complaint.strip().splitlines()
    return lines[-1] if lines else f"ended with status {status} and said nothing"
