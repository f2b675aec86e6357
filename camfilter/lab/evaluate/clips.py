"""The clip of each subject, the same for the same seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice

import numpy as np

from camfilter.faces.base import Face, FaceFinder
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from camfilter.lab.evaluate.motion import MOTIONS, moving_clip
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.subjects import Subject, read_still
from camfilter.lab.evaluate.turning import relief_of
from camfilter.sources.base import frames_of
from camfilter.sources.video import VideoSource

__all__ = ["Clip", "make_clip", "seed_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """What the webcam sees.

    Attributes:
        frames: (height, width, 3) uint8, BGR; none where the still shows no face.
        rate_hz: frames a second.
    """

    frames: list[Pixels]
    rate_hz: float


def seed_of(seed: int, *names: str) -> list[int]:
    """A seed that depends on nothing but the seed of the run and some names."""
    digest = hashlib.sha256("\n".join(names).encode()).digest()
    return [seed, *np.frombuffer(digest[:16], np.uint32).tolist()]


def make_clip(subject: Subject, options: EvaluateOptions, finder: FaceFinder | None = None) -> Clip:
    """The clip of a subject: its video, or one made from its picture.

    Args:
        subject: whom it shows.
        options: length, size and seed.
        finder: of faces in stills; None opens one for this clip alone.

    Raises:
        SourceError: the picture or video cannot be read.
    """
    if subject.is_video:
        with VideoSource(subject.path) as source:
            rate_hz = source.info.rate_hz
            count = max(1, round(options.seconds * rate_hz))
            return Clip([raw.pixels for raw in islice(frames_of(source), count)], rate_hz)
    still = read_still(subject)
    face = _largest_face(still, finder)
    if face is None:
        return Clip([], options.rate_hz)
    times_s = np.arange(options.frame_count) / options.rate_hz
    random = np.random.default_rng(seed_of(options.seed, "clip", subject.name))
    motion = MOTIONS[options.motion]
    relief = relief_of(still) if motion.turns else None
    frames = moving_clip(still, face.box, options.size, times_s, random, motion, relief)
    return Clip(frames, options.rate_hz)


def _largest_face(still: Pixels, finder: FaceFinder | None) -> Face | None:
    own = finder or MediaPipeFaces(stills=True)
    try:
        faces = own.find(still)
    finally:
        if finder is None:
            own.close()
    return faces[0] if faces else None
