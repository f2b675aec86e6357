"""Time from starting the program to the first protected frame, live, with the demo as camera.

A fresh process each time, as a person starts it: interpreter, imports, graphs proved and
loaded, face models, first frame filtered and proved. The process says when it had its imports
and when the first protected frame was written; both clocks are the system's monotonic one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

PROGRAM = """
import json, time
from camfilter.app.controller import Controller
from camfilter.app.settings import AppSettings
from camfilter.guard import GuardState
imported_s = time.monotonic()
controller = Controller(AppSettings(source="demo", sink="null"))
shown_s = []
def written(frame):
    if not shown_s:
        shown_s.append(time.monotonic())
    if frame.state is GuardState.PROTECTED:
        told = {"imported": imported_s, "shown": shown_s[0], "protected": time.monotonic()}
        print(json.dumps(told), flush=True)
        controller.stop()
controller.run(written)
"""


def main(
    runs: Annotated[int, typer.Option(help="Fresh starts.", min=1)] = 5,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure the start; seconds since the process was started, median and slowest."""
    rows = []
    for _ in range(runs):
        start_s = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=300
        )
        told = json.loads(done.stdout.splitlines()[-1])
        rows.append({name: at_s - start_s for name, at_s in told.items()})
    figures = {
        name: {
            "median_s": round(float(np.median([row[name] for row in rows])), 2),
            "slowest_s": round(max(row[name] for row in rows), 2),
        }
        for name in rows[0]
    }
    typer.echo(json.dumps(figures, indent=2))
    if file is not None:
        file.write_text(json.dumps({"runs": runs, **figures}, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
