"""`camfilter ctl`: switch, set and watch a camfilter that runs."""

from __future__ import annotations

import json as json_text
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from camfilter.app.client import ControlClient
from camfilter.app.instance import only_running
from camfilter.app.settings import from_words
from camfilter.app.transport import this_transport
from camfilter.errors import SettingError

__all__ = ["ctl"]

ctl = typer.Typer(
    help="Switch, set and watch a camfilter that runs. Exit status 2 where none runs.",
    no_args_is_help=True,
)

Json = Annotated[bool, typer.Option("--json", help="As JSON, one object a line.")]


@ctl.callback()
def _options(
    context: typer.Context,
    sink: Annotated[
        str | None,
        typer.Option(help="Which camfilter, by its sink, where several run.", show_default=False),
    ] = None,
) -> None:
    context.obj = sink


@ctl.command()
def on(context: typer.Context) -> None:
    """Turn protection on."""
    _switch(context, "on")


@ctl.command()
def off(context: typer.Context) -> None:
    """Turn protection off: the raw picture is shown."""
    _switch(context, "off")


@ctl.command()
def toggle(context: typer.Context) -> None:
    """Turn protection on or off; the thing to bind to a key."""
    _switch(context, "toggle")


@ctl.command()
def status(context: typer.Context, json: Json = False) -> None:
    """Say what is going on."""
    with _client(context) as client:
        _print(client.ask("status")["status"], as_json=json)


@ctl.command("set")
def set_(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY VALUE...", help="As on the command line: epsilon 4/255 chain-length 5."
        ),
    ],
) -> None:
    """Change settings from the next frame on."""
    if len(words) % 2:
        raise SettingError(f"{words[-1]} has no value.", "Write camfilter ctl set KEY VALUE.")
    values = from_words(dict(zip(words[::2], words[1::2], strict=True)))
    with _client(context) as client:
        answer = client.ask("set", values=values)
    typer.echo("  ".join(f"{name} = {answer['settings'][name]}" for name in values))
    if answer["warning"]:
        typer.echo(f"camfilter: {answer['warning']}", err=True)


@ctl.command()
def watch(context: typer.Context, json: Json = False) -> None:
    """Say what is going on twice a second, until Ctrl-C."""
    with _client(context) as client:
        for now in client.watch():
            _print(now, as_json=json, short=True)


@ctl.command()
def stop(context: typer.Context) -> None:
    """End it, and wait until its camera and files are closed."""
    with _client(context) as client:
        client.stop()
    typer.echo("camfilter has stopped.")


@contextmanager
def _client(context: typer.Context) -> Iterator[ControlClient]:
    transport = this_transport()
    one = only_running(transport, context.obj)
    with ControlClient(transport.connect(one.name)) as client:
        yield client


def _switch(context: typer.Context, request: str) -> None:
    with _client(context) as client:
        now_on = client.ask(request)["on"]
    typer.echo("Protection is on." if now_on else "Protection is OFF: the raw picture is shown.")


def _print(now: dict[str, Any], *, as_json: bool, short: bool = False) -> None:
    if as_json:
        typer.echo(json_text.dumps(now))
        return
    parts = list(_in_words(now))
    typer.echo("  ".join(parts) if short else "\n".join(parts))


def _in_words(now: dict[str, Any]) -> Iterator[str]:
    yield f"{now['state']}: {now['reason']}" if now["reason"] else str(now["state"])
    yield f"{now['fps']:.0f} fps, {now['latency_ms']:.1f} ms on {now['provider'] or 'nothing yet'}"
    before, after = now["before"], now["after"]
    if before and after:
        yield (
            f"{before['label']} {before['confidence']:.0%} -> "
            f"{after['label']} {after['confidence']:.0%}"
        )
        yield f"{before['entropy_bits']:.1f} -> {after['entropy_bits']:.1f} bits"
    if now["verdict"]:
        yield str(now["verdict"])
    yield f"{now['settings']['source']} -> {now['sink']}"
    for name in ("sink_fault", "config_fault"):
        if now[name]:
            yield str(now[name])
