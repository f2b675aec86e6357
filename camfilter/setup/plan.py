"""All steps of setup, and all steps that take it back."""

from __future__ import annotations

from camfilter.doctor.packages import bringing
from camfilter.doctor.system import System
from camfilter.setup.desktop import Login, desktop_steps, login_undo, user_files
from camfilter.setup.driver import driver_files, driver_steps
from camfilter.setup.files import taken_back
from camfilter.setup.steps import Note, RemoveFile, Step

__all__ = ["plan_setup", "plan_undo"]


def plan_setup(system: System, program: tuple[str, ...], login: Login) -> tuple[Step, ...]:
    """What is left to do; changes nothing.

    Args:
        system: the machine, a Linux.
        program: how camfilter is started, for menu and login.
        login: whether and how it starts at login.
    """
    return (
        *driver_steps(system),
        *_as_root(system),
        *_without_tray(system),
        *desktop_steps(system, program, login),
    )


def plan_undo(system: System, program: tuple[str, ...]) -> tuple[Step, ...]:
    """What takes back the files that setup wrote; files without its marker are not in it."""
    steps: list[Step] = []
    for file in reversed(user_files(system, program)):
        removals = list(taken_back(file))
        if removals and file.path.suffix == ".service":
            steps.append(login_undo())
        steps += removals
    driver = [step for file in reversed(driver_files(system)) for step in taken_back(file)]
    steps += driver
    if driver and system.path("/sys/module/v4l2loopback").is_dir():
        steps.append(
            Note(
                "The driver stays loaded until the next start, and stays installed. "
                "To unload it now: sudo modprobe -r v4l2loopback"
            )
        )
    return tuple(steps) if any(isinstance(step, RemoveFile) for step in steps) else ()


def _without_tray(system: System) -> tuple[Step, ...]:
    if bringing("PySide6", system):
        return ()
    return (
        Note(
            "The menu entry opens the tray, which needs PySide6: "
            "python -m pip install PySide6-Essentials"
        ),
    )


def _as_root(system: System) -> tuple[Step, ...]:
    if system.user.number != 0 or "SUDO_USER" not in system.env:
        return ()
    return (
        Note(
            "This runs as root, so menu entry and start at login would be root's: "
            "run camfilter setup as yourself; it calls sudo where it must."
        ),
    )
