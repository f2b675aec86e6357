"""How soon a face that comes into a scene is found: asked each frame, or every third one.

A second person is put into a moving clip of a first one, far to near: cut in at once, slid in
from the side, or grown as if walking up. Counted are the frames from when the face is whole in
the picture until it is found first; 50 stands for later or never.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from camfilter.faces.base import Face
from camfilter.faces.between import BetweenFrames
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels, Size
from camfilter.lab.evaluate.motion import moving_clip
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.subjects import find_subjects, read_still

REPOSITORY = Path(__file__).parents[1]
SIZE = Size(1280, 720)
RATE_HZ = 30
FRAMES = 70
COMING_FRAMES = 25
LONGEST = 50
WIDTHS_PX = (60, 90, 140)
WAYS = ("cut", "slide", "grow")


@dataclass(frozen=True)
class Guest:
    """Who comes how; the picture is twice as wide as the face."""

    picture: Pixels
    way: str
    start: int
    left: int
    top: int
    from_left: bool

    def placed(self, index: int) -> tuple[Pixels, int]:
        """The picture in frame `index`, and its left edge."""
        coming = max(0, COMING_FRAMES - (index - self.start))
        if self.way == "slide":
            return self.picture, self.left + (-12 if self.from_left else 12) * coming
        if self.way == "grow":
            scale = min(1.0, 1 - 0.6 * coming / COMING_FRAMES)
            small = cv2.resize(
                self.picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
            ).view(np.uint8)
            return small, self.left
        return self.picture, self.left

    def put_into(self, pixels: Pixels, index: int) -> tuple[float, float, bool]:
        """Draw it; the middle of its face, and whether the face is whole in the picture."""
        picture, left = self.placed(index)
        height, width = picture.shape[:2]
        first, last = max(0, left), min(SIZE.width, left + width)
        if last - first > 4:
            part = picture[:, first - left : last - left]
            pixels[self.top : self.top + height, first:last] = part
        whole = left >= -0.2 * width and left + width <= SIZE.width + 0.2 * width
        return left + width / 2, self.top + height / 2, whole


def first_seen(clip: list[Pixels], guest: Guest, width_px: int) -> dict[str, int]:
    """Frames until each way of looking finds the guest."""
    plain, between = MediaPipeFaces(), BetweenFrames(MediaPipeFaces())
    seen: dict[str, int] = {}
    ready: int | None = None
    for index, frame in enumerate(clip):
        pixels = frame.copy()
        x = y = -1e6
        if index >= guest.start:
            x, y, whole = guest.put_into(pixels, index)
            ready = index if ready is None and whole else ready
        for name, finder in (("each", plain), ("third", between)):
            near = any(is_near(face, x, y, 0.6 * width_px) for face in finder.find(pixels))
            if near and name not in seen:
                seen[name] = index
    plain.close()
    between.close()
    start = ready if ready is not None else guest.start
    return {
        name: min(LONGEST, max(0, seen.get(name, start + LONGEST) - start))
        for name in ("each", "third")
    }


def is_near(face: Face, x: float, y: float, reach_px: float) -> bool:
    """Whether the middle of a face lies at a place."""
    box = face.box
    across, down = (box.left + box.right) / 2 - x, (box.top + box.bottom) / 2 - y
    return max(abs(across), abs(down)) < reach_px


def guests(data: Path, repeats: int) -> Iterator[tuple[list[Pixels], Guest, int]]:
    """All guests, each with the clip that it comes into."""
    options = EvaluateOptions.of({"data": data, "part": "valid", "faces": repeats + 1})
    host, *others = find_subjects(options)
    stills = MediaPipeFaces(stills=True)
    still = read_still(host)
    box = stills.find(still)[0].box
    stills.close()
    times_s = np.arange(FRAMES) / RATE_HZ
    clip = moving_clip(still, box, SIZE, times_s, np.random.default_rng(1))
    random = np.random.default_rng(5)
    for width_px in WIDTHS_PX:
        for way in WAYS:
            for other in others:
                area = (2 * width_px, 2 * width_px)
                picture = cv2.resize(read_still(other), area, interpolation=cv2.INTER_AREA)
                from_left = bool(random.integers(2))
                left = random.integers(20, 330 - width_px)
                if not from_left:
                    left = random.integers(900, 1240 - 2 * width_px)
                start, top = int(random.integers(18, 26)), int(random.integers(10, 200))
                guest = Guest(picture.view(np.uint8), way, start, int(left), top, from_left)
                yield clip, guest, width_px


def main(
    repeats: Annotated[int, typer.Option(help="People for each width and way.", min=1)] = 4,
    data: Annotated[Path, typer.Option(envvar="CAMFILTER_DATA")] = REPOSITORY.parent
    / "shared"
    / "data",
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure how soon faces that come are found."""
    rows: list[dict[str, Any]] = []
    for clip, guest, width_px in guests(data, repeats):
        rows.append({"way": guest.way, "face_px": width_px, **first_seen(clip, guest, width_px)})
    figures = {
        name: {way: float(np.mean([r[name] for r in rows if r["way"] == way])) for way in WAYS}
        | {"all": round(float(np.mean([row[name] for row in rows])), 1)}
        for name in ("each", "third")
    }
    figures["guests"] = {
        "all": len(rows),
        "found sooner": sum(row["third"] < row["each"] for row in rows),
        "found later": sum(row["third"] > row["each"] for row in rows),
    }
    typer.echo(json.dumps(figures, indent=2))
    if file is not None:
        file.write_text(json.dumps({**figures, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
