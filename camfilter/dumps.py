"""A program that crashes leaves no picture behind."""

from __future__ import annotations

from contextlib import suppress

__all__ = ["leave_no_dump"]


def leave_no_dump() -> None:
    """Ask the system to write no core file: it would hold the raw picture.

    Linux and macOS only. A service that collects crashes reads this wish, too
    (systemd-coredump does); Windows keeps dumps only where a person asked for them.
    """
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
