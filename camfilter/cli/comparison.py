"""A picture that shows a face before and after, with what the surrogate reads in each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from camfilter.atomic import AtomicFile
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from camfilter.geometry import cut_crop
from camfilter.surrogate.base import Surrogate
from camfilter.surrogate.reading import Reading

__all__ = ["Pair", "draw_comparison", "write_picture"]

_MAGNIFIED: Final = 20
_CAPTION_PX: Final = 64
_INK: Final = (240, 238, 236)
_PAPER: Final = (46, 38, 34)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The same frame before and after, (height, width, 3) uint8, BGR."""

    before: Pixels
    after: Pixels


def draw_comparison(pair: Pair, surrogate: Surrogate) -> Pixels:
    """Before, after, and their difference 20 times magnified, side by side with captions.

    The readings are taken anew from the two 8-bit pictures.
    """
    finder = MediaPipeFaces(stills=True)
    faces = finder.find(pair.before)
    finder.close()
    captions = ["Before: no face", "After: no face"]
    if faces:
        crops = [
            cut_crop(picture, faces[0], surrogate.size_px) for picture in (pair.before, pair.after)
        ]
        before, after = (Reading.of(logits) for logits in surrogate.read(np.stack(crops)))
        captions = [f"Before: read as {before}", f"After: read as {after}"]
    difference = pair.after.astype(np.int16) - pair.before
    magnified = np.clip(128 + _MAGNIFIED * difference, 0, 255).astype(np.uint8)
    panels = zip(
        (pair.before, pair.after, magnified),
        (*captions, f"Difference, {_MAGNIFIED} times"),
        strict=True,
    )
    return np.hstack([_captioned(picture, caption) for picture, caption in panels])


def write_picture(path: Path, pixels: Pixels) -> None:
    """Write a picture, whole or not at all.

    Raises:
        SinkError: the file cannot be written.
    """
    _, content = cv2.imencode(path.suffix, pixels)
    AtomicFile(path).write(content.tobytes())


def _captioned(picture: Pixels, caption: str) -> Pixels:
    strip = np.full((_CAPTION_PX, picture.shape[1], 3), _PAPER, np.uint8)
    scale = min(1.0, picture.shape[1] / 640)
    cv2.putText(strip, caption, (16, 42), cv2.FONT_HERSHEY_DUPLEX, scale, _INK, 1, cv2.LINE_AA)
    return np.vstack([strip, picture])
