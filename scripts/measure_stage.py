"""Time of one stage of the chain (forward pass, gradient and step), and of one reading alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Annotated

import numpy as np
import typer

from camfilter.surrogate.base import Stage
from camfilter.surrogate.manifest import Manifest, graphs_folder
from camfilter.surrogate.onnx import OnnxSurrogate
from camfilter.surrogate.provider import Provider


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Median time of a call, after some that do not count, in ms."""
    for _ in range(repeats // 10 + 1):
        call()
    times_s = []
    for _ in range(repeats):
        start_s = time.perf_counter()
        call()
        times_s.append(time.perf_counter() - start_s)
    return 1e3 * float(np.median(times_s))


def main(
    provider: Annotated[Provider, typer.Option(help="Hardware to run on.")] = Provider.CPU,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    repeats: Annotated[int, typer.Option(min=10)] = 300,
) -> None:
    """Measure every shipped surrogate, one face at a time."""
    for name in Manifest.load(graphs_folder()).attackable:
        surrogate = OnnxSurrogate(name, provider, threads)
        size = surrogate.size_px
        picture = np.random.default_rng(0).random((1, size, size), np.float32)
        ones, zeros = np.ones_like(picture), np.zeros_like(picture)
        stage = Stage(
            picture=picture,
            label=np.eye(8, dtype=np.float32)[:1],
            step=np.array([0.01], np.float32),
            mask=ones,
            lower=zeros,
            upper=ones,
            momentum=zeros,
            decay=1.0,
        )
        stage_ms = median_ms(partial(surrogate.take, stage), repeats)
        reading_ms = median_ms(partial(surrogate.read, picture), repeats)
        typer.echo(
            f"{name} on {surrogate.provider}, {threads} thread(s): "
            f"{stage_ms:.2f} ms a stage, {reading_ms:.2f} ms a reading"
        )


if __name__ == "__main__":
    typer.run(main)
