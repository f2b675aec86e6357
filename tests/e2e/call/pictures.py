"""A picture of the far end: the three calls side by side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from call.calls import Call, Calls
from call.colour import I420, to_bgr

__all__ = ["write_pictures"]


def write_pictures(calls: dict[str, Calls], codecs: tuple[str, ...], folder: Path) -> list[Path]:
    """Write CODEC.png, the same frame of each call from left to right; where all three have one."""
    written = []
    for codec in codecs:
        made = [of_clip.made[codec] for of_clip in calls.values() if codec in of_clip.made]
        common = set.intersection(*(_numbers(call) for call in made)) if made else set()
        if not common:
            continue
        number = sorted(common)[len(common) // 2]
        path = folder / f"{codec.lower()}.png"
        shown = [to_bgr(_picture(call, number)) for call in made]
        height = min(picture.shape[0] for picture in shown)
        cv2.imwrite(str(path), np.hstack([picture[:height] for picture in shown]))
        written.append(path)
    return written


def _numbers(call: Call) -> set[int]:
    return {frame.number for frame in call.received if frame.number is not None}


def _picture(call: Call, number: int) -> I420:
    return next(picture for frame, picture in call.pictures() if frame.number == number)
