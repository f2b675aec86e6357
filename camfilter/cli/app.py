"""The commands, and what they share."""

from __future__ import annotations

from typing import Annotated

import typer

from camfilter import __version__
from camfilter.cli.batch import batch
from camfilter.cli.bench import bench
from camfilter.cli.config import config
from camfilter.cli.ctl import ctl
from camfilter.cli.demo import demo
from camfilter.cli.devices import devices
from camfilter.cli.doctor import doctor
from camfilter.cli.evaluate import evaluate
from camfilter.cli.lab import lab
from camfilter.cli.photo import photo
from camfilter.cli.run import run
from camfilter.cli.setup import setup
from camfilter.cli.tray import tray
from camfilter.cli.web import web

__all__ = ["app"]

app = typer.Typer(
    help="Keep your emotions private in video calls: you look the same to people, "
    "software that reads expressions reads another one.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.command()(run)
app.command()(demo)
app.command()(batch)
app.command()(photo)
app.command()(web)
app.command()(devices)
app.command()(doctor)
app.command()(setup)
app.command()(tray)
app.command()(evaluate)
app.command()(bench)
app.add_typer(lab, name="lab")
app.add_typer(ctl, name="ctl")
app.add_typer(config, name="config")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"camfilter {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Options that come before a command."""
