"""`camfilter setup`: get the virtual camera ready, step by step."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from camfilter.doctor.system import System
from camfilter.setup.desktop import Login
from camfilter.setup.elsewhere import instructions
from camfilter.setup.plan import plan_setup, plan_undo
from camfilter.setup.programs import own_program
from camfilter.setup.running import TerminalHands, carry_out
from camfilter.setup.script import as_script
from camfilter.setup.steps import Note, Step

__all__ = ["setup"]


def setup(
    print_only: Annotated[
        bool, typer.Option("--print-only", help="Print it as a script and change nothing.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take back the files that setup wrote.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Agree to every step, the installation of packages excepted."),
    ] = False,
    at_login: Annotated[
        Login, typer.Option(help="Start camfilter at login: no, systemd or autostart.")
    ] = Login.NO,
) -> None:
    """Get the virtual camera ready: driver, menu entry, start at login. Shows and asks first."""
    system = System()
    if system.platform != "linux":
        for number, line in enumerate(instructions(system.platform), start=1):
            typer.echo(f"{number}. {line}")
        return
    program = own_program()
    steps = plan_undo(system, program) if undo else plan_setup(system, program, at_login)
    if print_only:
        typer.echo(as_script(steps), nl=False)
        return
    if not steps:
        typer.echo("Nothing of camfilter setup is here." if undo else "All is set up already.")
        return
    _announce(steps)
    done = carry_out(steps, TerminalHands(), _asker(yes), typer.echo)
    if not undo:
        typer.echo("Now look whether all is well: camfilter doctor")
    if not done:
        raise typer.Exit(1)


def _announce(steps: tuple[Step, ...]) -> None:
    tasks = [step for step in steps if not isinstance(step, Note)]
    typer.echo(f"{len(tasks)} step{'' if len(tasks) == 1 else 's'}:" if tasks else "No step left.")
    for step in tasks:
        typer.echo(f"  - {step.description}")


def _asker(yes: bool) -> Callable[[Step], bool]:
    """Shows a step and asks for it, where there is somebody to ask."""

    def ask(step: Step) -> bool:
        if isinstance(step, Note):
            return True
        typer.echo(f"\n{step.description}:\n{step.shell}")
        if yes and not step.always_ask:
            return True
        if sys.stdin is None or (yes and not sys.stdin.isatty()):
            typer.echo("Not done: nobody is here to agree. Run it yourself, then setup again.")
            return False
        return typer.confirm("Do it?", default=False)

    return ask
