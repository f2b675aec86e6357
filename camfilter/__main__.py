"""Start of the program: every error is one line, never a traceback."""

from __future__ import annotations

import os
import sys

import cv2
import typer

from camfilter.atomic import one_line
from camfilter.cli.app import app
from camfilter.dumps import leave_no_dump
from camfilter.errors import CamfilterError
from camfilter.thread_limits import keep_to_one_thread

__all__ = ["main"]

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_INTERNAL = 70
TRACEBACK_VARIABLE = "CAMFILTER_TRACEBACK"

_SILENT = 0

# Typer carries its own copy of click and exports only this leaf of its usage errors.
_UsageError = typer.BadParameter.__bases__[0]


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words after the program's name; None takes those of the process.

    Returns:
        Exit status: 0 done, 2 something the person must change, 70 a defect of camfilter,
        130 interrupted.
    """
    leave_no_dump()
    cv2.setLogLevel(_SILENT)  # a damaged picture is told in our own line
    keep_to_one_thread()
    try:
        status = app(args=arguments, prog_name="camfilter", standalone_mode=False)
    except CamfilterError as error:
        return _complain(str(error))
    except (typer.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_BAD_INPUT
    except OSError as error:  # a full disk under standard output, for one
        return _complain(f"{one_line(error)}.")
    except Exception as error:  # noqa: BLE001 - a defect is told in one line, too
        return _unexpected(error)
    return int(status or 0)


def _unexpected(error: Exception) -> int:
    if isinstance(error, _UsageError):
        return _misused(error.format_message().rstrip("."))  # type: ignore[attr-defined]
    if os.environ.get(TRACEBACK_VARIABLE):
        raise error
    _complain(
        f"Internal error, {type(error).__name__}: {one_line(error)}. "
        f"Please report it; {TRACEBACK_VARIABLE}=1 shows where it happened."
    )
    return EXIT_INTERNAL


def _misused(what: str) -> int:
    """Complain about the words of the command; without any, their help was printed already."""
    return _complain(f"{what}. See camfilter --help.") if what else EXIT_BAD_INPUT


def _complain(line: str) -> int:
    print(f"camfilter: {' '.join(line.split())}", file=sys.stderr)  # noqa: T201
    return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
