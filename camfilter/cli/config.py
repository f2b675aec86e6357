"""`camfilter config`: where the config file is, whether it is right, and what applies."""

from __future__ import annotations

import json
from typing import Any

import typer

from camfilter.app.config import config_path, load_layers

__all__ = ["config"]

config = typer.Typer(help="Look after the config file: path, check, show.", no_args_is_help=True)


@config.command()
def path() -> None:
    """Print where the config file is, or would be."""
    typer.echo(str(config_path()))


@config.command()
def check() -> None:
    """Check the config file and the environment; exit status 2 where something is wrong."""
    layers = load_layers({})
    if not layers.path.exists():
        typer.echo(f"There is no {layers.path}; the defaults apply.")
        return
    typer.echo(f"{layers.path} is right.")


@config.command()
def show() -> None:
    """Print what would apply, as a config file, and where each value comes from."""
    layers = load_layers({})
    for name, value in layers.settings.model_dump(mode="json", exclude={"on"}).items():
        line = f"# {name} is left open" if value is None else f"{name} = {_toml(value)}"
        typer.echo(f"{line}  # {layers.origin(name)}")


def _toml(value: Any) -> str:
    """A value in TOML, which writes text, numbers, truth and lists as JSON does."""
    return json.dumps(value, ensure_ascii=False)
