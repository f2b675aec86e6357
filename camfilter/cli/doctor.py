"""`camfilter doctor`: what is right and wrong with this machine's set-up, and what to do."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterable
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from camfilter.doctor.checks import BUDGET_S, checks_for
from camfilter.doctor.finding import CheckResult, Status
from camfilter.doctor.running import run_checks
from camfilter.doctor.system import System

__all__ = ["doctor"]

_STYLES: Final = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}
_NAME_WIDTH: Final = 14


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
    offline_run_s: Annotated[
        float,
        typer.Option(
            "--offline-run-s",
            help="Seconds to run the real filter on the demo; 0 leaves it out.",
            min=0,
            max=60,
        ),
    ] = 2.0,
) -> None:
    """Say what is right and what is wrong with this machine's set-up. Changes nothing."""
    system = System()
    checks = checks_for(system.platform, offline_run_s)
    results = run_checks(checks, system, BUDGET_S + offline_run_s)
    seen = _as_json(results) if json else _as_lines(results)
    if Status.FAIL in seen:
        raise typer.Exit(1)


def _as_json(results: Iterable[CheckResult]) -> list[Status]:
    done = list(results)
    report = {"checks": [result.as_json() for result in done]}
    sys.stdout.write(json_format.dumps(report, indent=2) + "\n")
    return [result.finding.status for result in done]


def _as_lines(results: Iterable[CheckResult]) -> list[Status]:
    console = Console()
    seen = []
    for result in results:
        finding = result.finding
        line = Text(f"{finding.status:<4}", style=_STYLES[finding.status])
        line.append(f"  {result.name:<{_NAME_WIDTH}}  {finding.detail}", style="default")
        console.print(line, soft_wrap=True)
        if finding.hint and finding.status is not Status.OK:
            console.print(Text(f"      {'':<{_NAME_WIDTH}}  -> {finding.hint}"), soft_wrap=True)
        seen.append(finding.status)
    return seen
