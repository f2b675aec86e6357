"""Start of the program: every error is one line, never a traceback."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from camfilter.ending import Ended, ended_by_signals

__all__ = ["main"]

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_INTERNAL = 70
TRACEBACK_VARIABLE = "CAMFILTER_TRACEBACK"

_SILENT = 0


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words after the program's name; None takes those of the process.

    Returns:
        Exit status: 0 done, 2 something the person must change, 70 a defect of camfilter,
        130 interrupted, 128 and the number of a signal that ended it.
    """
    try:
        with ended_by_signals():
            return _run(arguments)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Ended as ended:
        return ended.status


def _run(arguments: list[str] | None) -> int:
    # Here, since they take a second, and who interrupts it shall see no traceback either.
    from camfilter.dumps import leave_no_dump  # noqa: PLC0415
    from camfilter.errors import CamfilterError  # noqa: PLC0415

    leave_no_dump()
    try:
        return _command(arguments)
    except CamfilterError as error:
        return _complain(str(error))
    except BrokenPipeError:
        if sys.stderr is not None:
            sys.stderr.close()
        return EXIT_BAD_INPUT
    except OSError as error:  # a full disk under standard output, for one
        return _complain(_told(error))
    except Exception as error:  # noqa: BLE001 - a defect is told in one line, too
        return _unexpected(error)


def _command(arguments: list[str] | None) -> int:
    import cv2  # noqa: PLC0415
    import typer  # noqa: PLC0415

    from camfilter.cli.app import app  # noqa: PLC0415
    from camfilter.thread_limits import keep_to_one_thread  # noqa: PLC0415

    cv2.setLogLevel(_SILENT)  # a damaged picture is told in our own line
    keep_to_one_thread()
    # Typer carries its own copy of click and exports only this leaf of its usage errors.
    usage_error: Any = typer.BadParameter.__bases__[0]
    try:
        return int(app(args=arguments, prog_name="camfilter", standalone_mode=False) or 0)
    except typer.Abort:
        return EXIT_INTERRUPTED
    except usage_error as error:
        return _misused(error.format_message())


def _told(error: OSError) -> str:
    """What the system says, of which file, and what to do where that is known."""
    where = f"{error.filename}: " if isinstance(error.filename, str | os.PathLike) else ""
    hint = " Choose a shorter name." if error.errno == errno.ENAMETOOLONG else ""
    return f"{where}{_one_line(error)}.{hint}"


def _one_line(error: Exception) -> str:
    from camfilter.atomic import one_line  # noqa: PLC0415

    return one_line(error)


def _unexpected(error: Exception) -> int:
    cause: BaseException | None = error
    while cause is not None:  # who cleans up after a signal may stumble over half of something
        if isinstance(cause, KeyboardInterrupt | Ended):
            raise cause
        cause = cause.__context__
    if os.environ.get(TRACEBACK_VARIABLE):
        raise error
    _complain(
        f"Internal error, {type(error).__name__}: {_one_line(error)}. "
        f"Please report it; {TRACEBACK_VARIABLE}=1 shows where it happened."
    )
    return EXIT_INTERNAL


def _misused(what: str) -> int:
    """Complain about the words of the command; without any, their help was printed already."""
    if not what:
        return EXIT_BAD_INPUT
    end = "" if what.endswith("?") else "."
    return _complain(f"{what.rstrip('.')}{end} See camfilter --help.")


def _complain(line: str) -> int:
    if sys.stderr is not None:  # print would take standard output instead
        print(f"camfilter: {' '.join(line.split())}", file=sys.stderr)  # noqa: T201
    return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
