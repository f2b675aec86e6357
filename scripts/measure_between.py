"""How far a face that is carried between two looks of the finder lies from where it is.

Moving clips of LFW's validation identities, calm to fast and turning, go through the finder
frame by frame and through `BetweenFrames`, both behind `HeldFaces` as in a live run. Distances
are shares of the face's width, against the finder that sees each frame.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from camfilter.faces.base import Box, Face, FaceFinder
from camfilter.faces.between import BetweenFrames
from camfilter.faces.hold import HeldFaces
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels, Size
from camfilter.lab.evaluate.motion import MOTIONS, moving_clip
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.subjects import find_subjects, read_still
from camfilter.lab.evaluate.turning import relief_of
from camfilter.sources.base import frames_of
from camfilter.sources.video import VideoSource

REPOSITORY = Path(__file__).parents[1]
RATE_HZ = 30
WARM_UP = 12
SAME_FACE = 0.3


def main(
    clips: Annotated[int, typer.Option(help="Clips for each kind of motion.", min=1)] = 12,
    frames: Annotated[int, typer.Option(help="Frames of a clip.", min=20)] = 90,
    height: Annotated[int, typer.Option(help="Of the clips, 16 to 9.")] = 720,
    find_every: Annotated[int, typer.Option(min=1)] = 3,
    data: Annotated[Path, typer.Option(envvar="CAMFILTER_DATA")] = REPOSITORY.parent
    / "shared"
    / "data",
    video: Annotated[
        list[Path] | None, typer.Option(help="Measure on these videos instead.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure carried faces against faces found."""
    size = Size(height * 16 // 9, height)
    figures: dict[str, Any] = {"size": str(size), "find_every": find_every}
    sets = (
        {path.name: iter([read_video(path)]) for path in video}
        if video
        else {name: made(data, size, clips, frames, name) for name in MOTIONS}
    )
    for name, pictures in sets.items():
        figures[name] = summary([compared(clip, find_every) for clip in pictures])
        typer.echo(f"{name}: {json.dumps(figures[name])}")
    if file is not None:
        file.write_text(json.dumps(figures, indent=2) + "\n")


def made(data: Path, size: Size, clips: int, frames: int, motion: str) -> Iterator[list[Pixels]]:
    """Clips of different people, the same for the same numbers."""
    options = EvaluateOptions.of({"data": data, "part": "valid", "faces": clips})
    stills = MediaPipeFaces(stills=True)
    times_s = np.arange(frames) / RATE_HZ
    for index, subject in enumerate(find_subjects(options)):
        still = read_still(subject)
        faces = stills.find(still)
        if faces:
            random = np.random.default_rng([index, len(motion)])
            way = MOTIONS[motion]
            relief = relief_of(still) if way.turns else None
            yield moving_clip(still, faces[0].box, size, times_s, random, way, relief)
    stills.close()


def read_video(path: Path) -> list[Pixels]:
    """All frames of a video."""
    with VideoSource(path) as source:
        return [raw.pixels for raw in frames_of(source)]


class Timed:
    """A finder that counts how often it was asked.

    Args:
        inner: the finder.
    """

    def __init__(self, inner: MediaPipeFaces) -> None:
        self._inner = inner
        self.found = 0

    def find(self, pixels: Pixels) -> list[Face]:
        """Its answer, counted."""
        self.found += 1
        return self._inner.find(pixels)

    def look(self, pixels: Pixels, known: Sequence[Face], *, part: Box | None = None) -> list[Face]:
        """Its answer."""
        return self._inner.look(pixels, known, part=part)

    def close(self) -> None:
        """Release its models."""
        self._inner.close()


def compared(pictures: list[Pixels], find_every: int) -> dict[str, Any]:
    """Both ways through one clip."""
    plain, asked = MediaPipeFaces(), Timed(MediaPipeFaces())
    ways: dict[str, FaceFinder] = {
        "found": HeldFaces(plain),
        "carried": HeldFaces(BetweenFrames(asked, find_every=lambda: find_every)),
    }
    faces: dict[str, list[list[Face]]] = {name: [] for name in ways}
    cpu_ms: dict[str, list[float]] = {name: [] for name in ways}
    for pixels in pictures:
        for name, finder in ways.items():
            start_s = time.process_time()
            faces[name].append(finder.find(pixels))
            cpu_ms[name].append(1e3 * (time.process_time() - start_s))
    for finder in ways.values():
        finder.close()
    shifts, bare, missed = [], [], []
    for wanted, got in zip(faces["found"], faces["carried"], strict=True):
        seen = [face for face in wanted if face.missed_frames == 0]
        pairs = [(face, nearest(face, got)) for face in seen]
        missed.append(sum(other is None for _, other in pairs))
        shifts += [shift(face, other) for face, other in pairs if other is not None]
        bare += [uncovered(face, other) for face, other in pairs if other is not None]
    return {
        "shifts": shifts,
        "uncovered": bare,
        "missed": missed,
        "longest_bare": {name: longest_without(each) for name, each in faces.items()},
        "held": {name: held(each) for name, each in faces.items()},
        "frames": len(pictures),
        "asked": asked.found,
        "cpu_ms": {name: each[WARM_UP:] for name, each in cpu_ms.items()},
    }


def nearest(face: Face, others: list[Face]) -> Face | None:
    """The face at the same place, if there is one."""
    best = max(others, key=lambda other: other.box.overlap(face.box), default=None)
    return best if best is not None and best.box.overlap(face.box) > SAME_FACE else None


def shift(face: Face, other: Face) -> float:
    """Greatest distance between the corners of two crops, as a share of the face's width."""
    square = np.array([[0.15, 0.15], [0.85, 0.15], [0.85, 0.85], [0.15, 0.85]])
    corners = []
    for each in (face, other):
        inverse = cv2.invertAffineTransform(each.to_unit)
        corners.append(square @ inverse[:, :2].T + inverse[:, 2])
    return float(np.linalg.norm(corners[0] - corners[1], axis=1).max()) / width(face)


def width(face: Face) -> float:
    """Of the outline's box, in pixels."""
    return float(face.box.right - face.box.left)


def uncovered(face: Face, other: Face) -> float:
    """Share of a face's outline that another outline leaves out."""
    shared, _ = cv2.intersectConvexConvex(face.outline, other.outline)
    return max(0.0, 1 - shared / float(cv2.contourArea(face.outline)))


def longest_without(faces: list[list[Face]]) -> int:
    """Frames in a row without any face."""
    longest = run = 0
    for found in faces:
        run = 0 if found else run + 1
        longest = max(longest, run)
    return longest


def held(faces: list[list[Face]]) -> int:
    """Frames whose largest face was carried on unseen."""
    return sum(bool(found) and found[0].missed_frames > 0 for found in faces)


def summary(clips: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of many clips."""

    def joined(name: str) -> Any:
        return np.concatenate([clip[name] for clip in clips])

    def spread(values: Any) -> dict[str, float]:
        told = {"p50": np.percentile(values, 50), "p99": np.percentile(values, 99)}
        return {name: round(float(each), 4) for name, each in {**told, "max": max(values)}.items()}

    frames = sum(clip["frames"] for clip in clips)
    return {
        "clips": len(clips),
        "frames": frames,
        "finder_asked_share": round(sum(clip["asked"] for clip in clips) / frames, 3),
        "shift_of_width": spread(joined("shifts")),
        "uncovered_share": spread(joined("uncovered")),
        "faces_missed": int(joined("missed").sum()),
        "longest_bare_frames": {
            way: max(clip["longest_bare"][way] for clip in clips) for way in ("found", "carried")
        },
        "held_frames": {
            way: sum(clip["held"][way] for clip in clips) for way in ("found", "carried")
        },
        "cpu_ms": {
            way: {
                **spread(np.concatenate([clip["cpu_ms"][way] for clip in clips])),
                "mean": round(float(np.mean(np.concatenate([c["cpu_ms"][way] for c in clips]))), 3),
            }
            for way in ("found", "carried")
        },
    }


if __name__ == "__main__":
    typer.run(main)
