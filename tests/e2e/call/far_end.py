"""The far end: its own detector finds the faces, its own crop is read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from call.calls import Call, Received
from call.clips import Clips
from call.colour import luma_of, to_bgr
from call.readers import Readers, Sight, nearest
from call.tally import Tally
from camfilter.faces.mediapipe import MediaPipeFaces

__all__ = ["FarEnd", "look_at"]


@dataclass(slots=True)
class FarEnd:
    """What the far end made of one call.

    Attributes:
        expected: frames in which a face was sent.
        found: those of them in which the far end found it.
        tallies: by recogniser, readings against those of the unfiltered frame before the call.
        squared_error: of the luma, against the frame that was sent, in levels squared.
        samples: pixels that this sum has.
    """

    expected: int = 0
    found: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    squared_error: float = 0.0
    samples: int = 0

    @property
    def psnr_codec_db(self) -> float | None:
        """Peak signal to noise ratio of the luma, received against sent."""
        return psnr_db(self.squared_error, self.samples)

    def as_json(self) -> dict[str, Any]:
        """The figures as plain values."""
        return {
            "faces_sent": self.expected,
            "faces_found": self.found,
            "faces_found_share": round(self.found / self.expected, 4) if self.expected else None,
            "psnr_codec_db": self.psnr_codec_db,
            "readings": {name: tally.as_json() for name, tally in self.tallies.items()},
        }


def look_at(call: Call, clips: Clips, clip: str, readers: Readers) -> FarEnd:
    """Find and read the faces of all frames that came through."""
    seen = FarEnd(tallies={name: Tally() for name in readers.names})
    finder = MediaPipeFaces(stills=False)
    try:
        for frame, picture in call.pictures():
            pixels = to_bgr(picture)
            faces = finder.find(pixels)
            if frame.number is None or frame.number >= len(clips.frames):
                continue
            _compare(seen, frame, luma_of(picture), clips, clip)
            truth = clips.frames[frame.number].sights.get("unfiltered")
            if truth is None:
                continue
            seen.expected += 1
            face = nearest(faces, pixels, truth.box)
            if face is not None:
                seen.found += 1
                _count(seen.tallies, truth, readers.look(pixels, face))
    finally:
        finder.close()
    return seen


def psnr_db(squared_error: float, samples: int) -> float | None:
    """Peak signal to noise ratio in dB; None without a change."""
    if not squared_error:
        return None
    return round(10 * math.log10(255**2 * samples / squared_error), 2)


def _count(tallies: dict[str, Tally], truth: Sight, sight: Sight) -> None:
    for name, tally in tallies.items():
        tally.add(truth.readings[name], sight.readings[name])


def _compare(seen: FarEnd, frame: Received, luma: Any, clips: Clips, clip: str) -> None:
    """Add the error of a frame, where the codec kept its size."""
    sent = luma_of(clips.files[clip].frames[frame.number])
    if sent.shape == luma.shape:
        error = luma.astype(np.int32) - sent
        seen.squared_error += float((error * error).sum())
        seen.samples += error.size
