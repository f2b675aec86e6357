"""Carry steps out, one by one, each shown and asked for first."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from camfilter.atomic import one_line
from camfilter.setup.errors import SetupError
from camfilter.setup.steps import Command, Note, RemoveFile, Step, WriteFile

__all__ = ["Hands", "TerminalHands", "carry_out"]


class Hands(Protocol):
    """What changes the machine."""

    def run(self, words: Sequence[str], text: str | None) -> int:
        """Run a program with `text` as its input (None: the terminal's); its exit status."""

    def write(self, path: Path, content: str) -> None:
        """Write a file of this user's."""

    def remove(self, path: Path) -> None:
        """Remove a file of this user's."""


class TerminalHands:
    """Runs programs on this terminal, where sudo can ask for a password."""

    def run(self, words: Sequence[str], text: str | None) -> int:
        """Run a program with `text` as its input (None: the terminal's); its exit status."""
        shown = None if text is None else subprocess.DEVNULL
        try:
            return subprocess.run(
                list(words), input=text, stdout=shown, text=True, check=False
            ).returncode
        except OSError:
            return 127

    def write(self, path: Path, content: str) -> None:
        """Write a file whole or not at all.

        Raises:
            SetupError: it cannot be written.
        """
        beside = path.parent / f".camfilter-{secrets.token_hex(6)}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                beside.write_text(content, "utf-8")
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
        except OSError as error:
            raise SetupError(f"{path} cannot be written: {one_line(error)}.") from error

    def remove(self, path: Path) -> None:
        """Remove a file; it may be gone already.

        Raises:
            SetupError: it cannot be removed.
        """
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise SetupError(f"{path} cannot be removed: {one_line(error)}.") from error


def carry_out(
    steps: Sequence[Step],
    hands: Hands,
    ask: Callable[[Step], bool],
    tell: Callable[[str], None],
) -> bool:
    """Do what the person agrees to.

    A step that is declined or fails takes the rest of its group with it: no
    module is loaded that was not installed.

    Args:
        steps: in this order.
        hands: changes the machine.
        ask: shows a step and says whether it may be done.
        tell: says one line.

    Returns:
        True when nothing that was tried has failed.
    """
    stopped: set[str] = set()
    all_well = True
    for step in steps:
        if isinstance(step, Note):
            tell(f"Note: {step.text}")
        elif step.group in stopped:
            tell(f"Left out: {step.description}, as the step before it did not happen.")
        elif not ask(step):
            stopped.add(step.group)
        elif complaint := _do(step, hands):
            all_well = False
            stopped.add(step.group)
            tell(f"Failed: {complaint}")
    return all_well


def _do(step: Command | WriteFile | RemoveFile, hands: Hands) -> str:
    """Do one step; empty when it worked, else what is wrong."""
    try:
        if isinstance(step, Command):
            return _complaint(step, hands.run(step.words, None))
        if isinstance(step, WriteFile):
            if step.elevate:
                return _complaint(step, hands.run(step.words, step.content))
            hands.write(step.path, step.content)
        elif step.elevate:
            return _complaint(step, hands.run(step.words, None))
        else:
            hands.remove(step.path)
    except SetupError as error:
        return str(error)
    return ""


def _complaint(step: Command | WriteFile | RemoveFile, status: int) -> str:
    if status == 0:
        return ""
    if status == 127:
        return f"{step.words[0]} or what it should run is not installed."
    hint = " camfilter doctor says more about the driver." if "modprobe" in step.words else ""
    return f"{' '.join(step.words)} ended with status {status}.{hint}"
