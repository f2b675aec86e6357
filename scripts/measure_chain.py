"""Time of the chain for a frame: one face, 720p, one CPU thread."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from camfilter.assembly import build_chain, open_surrogate
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.settings import ChainSettings
from camfilter.sources import open_source
from camfilter.surrogate.provider import Provider


def main(
    frames: Annotated[int, typer.Option(min=60)] = 300,
    stages_per_frame: Annotated[int | None, typer.Option(min=1)] = None,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Run the chain over time on a still face; its first frames are measured apart."""
    with open_source("demo") as source:
        raw = source.read()
    assert raw is not None
    finder = MediaPipeFaces(stills=True)
    face = finder.find(raw.pixels)[0]
    finder.close()
    given = {} if stages_per_frame is None else {"stages_per_frame": stages_per_frame}
    settings = ChainSettings.of(given)
    chain = build_chain(settings, open_surrogate(provider=Provider.CPU), stills=False)
    times_ms = []
    for _ in range(frames):
        start_s = time.perf_counter()
        chain.perturb_faces(raw.pixels, [face])
        times_ms.append(1e3 * (time.perf_counter() - start_s))
    settled = np.array(times_ms[30:])
    figures = {
        "stages_per_frame": settings.stages_per_frame,
        "first_ms": times_ms[0],
        "mean_ms": settled.mean(),
        "p50_ms": np.percentile(settled, 50),
        "p95_ms": np.percentile(settled, 95),
        "least_ms": settled.min(),
    }
    figures = {name: round(float(value), 2) for name, value in figures.items()}
    Console().print(figures, highlight=False)
    if file is not None:
        file.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
