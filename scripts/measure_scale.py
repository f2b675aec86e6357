"""How the cost of a batch grows with frames, with faces and with workers.

Each point is a recording of the bench's scene, protected by one worker in this process; its
computing time is divided by frames and by faces. A straight line through the points tells what
is left for each recording (loading) and what each frame costs.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import av
import numpy as np
import typer
from av.video.frame import VideoFrame

from camfilter.batch.tasks import Task
from camfilter.batch.work import Worker
from camfilter.bench.scene import Scene
from camfilter.errors import NothingProtected
from camfilter.frames import Size
from camfilter.settings import Chaining, ChainSettings
from camfilter.surrogate.provider import Provider

LENGTHS = (60, 120, 240, 480)
FACES = (1, 2, 4)


def record(path: Path, scene: Scene, frames: int) -> None:
    """Write a scene as a video."""
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        video.width, video.height = scene.size.width, scene.size.height
        video.pix_fmt = "yuv420p"
        for index in range(frames):
            file.mux(video.encode(VideoFrame.from_ndarray(scene.bgr(index), format="bgr24")))
        file.mux(video.encode(None))


def cost(worker: Worker, folder: Path, scene: Scene, frames: int) -> dict[str, Any]:
    """Protect one recording; its frames, faces and computing time.

    Raises:
        NothingProtected: it failed.
    """
    source = folder / f"{scene.faces}-{frames}.mp4"
    record(source, scene, frames)
    outcome = worker.protect(Task(source, folder / "out", Path(source.name)))
    if outcome.error:
        raise NothingProtected(outcome.error)
    return {
        "frames": frames,
        "faces": scene.faces,
        "found": round(outcome.figures["faces"] / frames, 2),
        "cpu_s": outcome.figures["cpu_seconds"],
        "cpu_ms_per_frame": round(1e3 * outcome.figures["cpu_seconds"] / frames, 2),
    }


def line(rows: list[dict[str, Any]], along: str) -> dict[str, float]:
    """The straight line through points: what is fixed, what each one adds, and how well it fits."""
    x = np.array([row[along] for row in rows], float)
    y = np.array([row["cpu_s"] for row in rows], float)
    slope, fixed = np.polyfit(x, y, 1)
    left = float(((y - fixed - slope * x) ** 2).sum() / max(((y - y.mean()) ** 2).sum(), 1e-12))
    return {
        "fixed_s": round(float(fixed), 3),
        "per_one_ms": round(1e3 * float(slope), 2),
        "r_squared": round(1 - left, 4),
    }


def main(
    width: Annotated[int, typer.Option(min=320)] = 640,
    height: Annotated[int, typer.Option(min=240)] = 360,
    chaining: Annotated[Chaining, typer.Option(help="How the chain is spent.")] = (
        Chaining.PER_FRAME
    ),
    chain_length: Annotated[int, typer.Option(min=1)] = 5,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Print the curve."""
    settings = ChainSettings(chaining=chaining, chain_length=chain_length)
    worker, size = Worker(settings, Provider.CPU), Size(width, height)
    by_frames, by_faces = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cost(worker, folder, Scene(size, 1), 15)  # so that loading does not count
        for frames in LENGTHS:
            by_frames.append(cost(worker, folder, Scene(size, 1), frames))
            typer.echo(json.dumps(by_frames[-1]))
        for faces in FACES:
            by_faces.append(cost(worker, folder, Scene(size, faces), LENGTHS[1]))
            typer.echo(json.dumps(by_faces[-1]))
    worker.close()
    figures = {
        "size": str(size),
        "by_frames": by_frames,
        "frames_line": line(by_frames, "frames"),
        "by_faces": by_faces,
        "faces_line": line(by_faces, "found"),
    }
    typer.echo(f"a frame more: {figures['frames_line']}")
    typer.echo(f"a face more, over {LENGTHS[1]} frames: {figures['faces_line']}")
    if file is not None:
        file.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
