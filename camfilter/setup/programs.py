"""Which programs this machine has, and how camfilter itself is started."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

from camfilter.doctor.system import System

__all__ = ["elevation", "found", "own_program"]

_USUAL: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")


def found(name: str, system: System) -> bool:
    """True when a program is installed."""
    folders = [folder for folder in system.env.get("PATH", "").split(":") if folder]
    return any(system.path(f"{folder}/{name}").is_file() for folder in (*folders, *_USUAL))


def elevation(system: System) -> tuple[str, ...]:
    """What to put before a command that needs root; nothing for root."""
    if system.user.number == 0:
        return ()
    if not found("sudo", system) and found("pkexec", system):
        return ("pkexec",)
    return ("sudo",)


def own_program() -> tuple[str, ...]:
    """How to start this very camfilter, with absolute paths."""
    beside = Path(sys.executable).parent / "camfilter"
    if beside.is_file():
        return (str(beside),)
    on_path = shutil.which("camfilter")
    return (on_path,) if on_path else (sys.executable, "-m", "camfilter")
