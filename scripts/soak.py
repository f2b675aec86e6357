"""Two hours of stream time as fast as the machine can: does memory grow, or threads, or delay?

Runs in turn of two sizes; five times in each the camera is lost, comes back in another size,
the inference session dies, the sink fails, protection goes off and on, the config file is
edited, and clients come to the control socket, while 0 to 8 faces come and go. Every frame
that reaches the sink is looked at. What is real in it and what is not stands in
tests/reliability/soak.py. Delay is processor time from reading to writing, as other programs
on the machine do not change it.
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]

from reliability.soak import Soak  # noqa: E402

MOST_STRAY = 0.05
MOST_SLOWER = 1.10


def main(
    minutes: Annotated[float, typer.Option(min=1, help="Stream time.")] = 120,
    rate_hz: Annotated[float, typer.Option("--rate", min=2, help="Frames a second.")] = 10,
    parts: Annotated[int, typer.Option(min=4, help="Runs one after another.")] = 8,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Soak, and print the figures; exit status 1 when something grew or leaked."""
    start_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = Soak(Path(folder), minutes, rate_hz, parts, typer.echo).run()
    first, last = found.p99(found.cpu_ms)
    first_wall, last_wall = found.p99(found.wall_ms)
    figures = {
        "system": f"{platform.system()} {platform.machine()}",
        "stream_minutes": minutes,
        "rate_hz": rate_hz,
        "runs": parts,
        "seconds": round(time.monotonic() - start_s),
        "frames": len(found.cpu_ms),
        "shown": dict(found.states),
        "happened": dict(found.happened),
        "leaks": found.leaks[:20],
        "memory_mb": [round(min(found.memory_mb), 1), round(max(found.memory_mb), 1)],
        "memory_greatest_stray": round(found.stray(), 4),
        "threads_more": found.growth(found.threads),
        "files_more": found.growth(found.files),
        "cpu_p99_ms": [round(first, 2), round(last, 2)],
        "wall_p99_ms": [round(first_wall, 2), round(last_wall, 2)],
        "readings_mb": [round(reading, 1) for reading in found.memory_mb],
    }
    kept = {
        "nothing leaked": not found.leaks,
        "memory flat within 5 %": found.stray() <= MOST_STRAY,
        "no thread more": figures["threads_more"] == 0,
        "no file more": figures["files_more"] == 0,
        "p99 within 10 %": last <= MOST_SLOWER * first,
    }
    figures["kept"] = kept
    text = json.dumps(figures, indent=2)
    typer.echo(text)
    if file is not None:
        file.write_text(text + "\n")
    if not all(kept.values()):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
