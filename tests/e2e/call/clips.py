"""The three clips that are sent: unfiltered, protected, and with a random change."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from call.control import RandomControl
from call.frame_code import MOST_FRAMES, Corner, free_corner, stamp
from call.readers import Readers, Sight
from call.y4m import Y4mFile, Y4mWriter
from camfilter.assembly import build_filter
from camfilter.errors import SettingError
from camfilter.faces.base import Box
from camfilter.filter import FrameFilter
from camfilter.filtered import Filtered
from camfilter.frames import RawFrame, Size
from camfilter.guard import Guard, GuardState, ProtectedFrame
from camfilter.meter import FaceMeasure
from camfilter.pipeline import run_every_frame
from camfilter.protector import Protector
from camfilter.report import RunReport
from camfilter.settings import ChainSettings
from camfilter.sinks.null import NullSink
from camfilter.sources import Source
from camfilter.surrogate.base import Surrogate

__all__ = ["CLIPS", "Clips", "Sent", "make_clips"]

CLIPS: Final = ("unfiltered", "protected", "random")


@dataclass(frozen=True, slots=True)
class Sent:
    """One frame before the call.

    Attributes:
        protected: whether the guard let it out as protected.
        sights: what is read in its largest face, by clip; empty when no face was seen.
        squared_error: of the face's box in levels squared, by clip, against the unfiltered one.
        samples: how many pixels times channels that is.
    """

    protected: bool
    sights: dict[str, Sight]
    squared_error: dict[str, float]
    samples: int


@dataclass(frozen=True, slots=True, eq=False)
class Clips:
    """What goes into the calls.

    Attributes:
        files: by clip, each frame with its number in a corner.
        frames: what is known about each frame, in order.
        rate_hz: frames a second.
        corner: where the number stands.
        filter_report: the figures of the filter's own run.
    """

    files: dict[str, Y4mFile]
    frames: list[Sent]
    rate_hz: float
    corner: Corner
    filter_report: dict[str, Any]


def make_clips(
    source: Source,
    settings: ChainSettings,
    surrogate: Surrogate,
    readers: Readers,
    folder: Path,
    length_s: float,
) -> Clips:
    """Protect a source and write the clips.

    Args:
        source: a moving scene of even size.
        settings: of the filter.
        surrogate: the recogniser that the filter attacks.
        readers: who reads the faces.
        folder: where the files go.
        length_s: how much of the source is taken, in seconds.

    Raises:
        SettingError: unrelated pictures, or a clip without a corner that is free of faces.
    """
    info = source.info
    if info.stills:
        raise SettingError(f"{info.name} is no moving scene.", "Give a video.")
    guard, report = Guard(), RunReport()
    witness = _Witness(build_filter(settings, surrogate, stills=False))
    protector = Protector(lambda: witness, guard, report, measure_every=0)
    control = RandomControl(surrogate.size_px)
    frames: list[Sent] = []
    boxes: list[Box] = []
    with ExitStack() as stack:
        writers = {
            clip: stack.enter_context(Y4mWriter(folder / f"{clip}.y4m", info.size, info.rate_hz))
            for clip in CLIPS
        }

        def take(raw: RawFrame, frame: ProtectedFrame) -> None:
            filtered = witness.latest
            pictures = {"unfiltered": raw.pixels, "protected": frame.pixels}
            pictures["random"] = control.apply(raw.pixels, filtered) if filtered else raw.pixels
            for clip, pixels in pictures.items():
                writers[clip].write(pixels)
            protected = frame.state is GuardState.PROTECTED
            if filtered:
                boxes.extend(face.box for face in filtered.faces)
            frames.append(_sent(protected, pictures, filtered, readers))

        most = min(MOST_FRAMES, math.ceil(length_s * info.rate_hz))
        run_every_frame(
            source, protector, guard, NullSink(), report, on_frame=take, max_frames=most
        )
        protector.close()
        files = {clip: writer.finished() for clip, writer in writers.items()}
    corner = free_corner(info.size, boxes)
    if corner is None:
        raise SettingError(
            f"Faces come into every corner of {info.name}.", "The frame numbers need one."
        )
    for file in files.values():
        for number, picture in enumerate(file.frames):
            stamp(picture, corner, number)
    elapsed_s = len(frames) / info.rate_hz
    return Clips(files, frames, info.rate_hz, corner, report.as_json(elapsed_s))


class _Witness:
    """The filter, and what it did last."""

    def __init__(self, inner: FrameFilter) -> None:
        self._inner = inner
        self.latest: Filtered | None = None

    def apply(self, raw: RawFrame) -> Filtered:
        self.latest = None
        self.latest = self._inner.apply(raw)
        return self.latest

    def measure(self, raw: RawFrame, filtered: Filtered) -> list[FaceMeasure]:
        return self._inner.measure(raw, filtered)

    def catch_up(self) -> None:
        self._inner.catch_up()

    def close(self) -> None:
        self._inner.close()


def _sent(
    protected: bool, pictures: dict[str, Any], filtered: Filtered | None, readers: Readers
) -> Sent:
    seen = [face for face in filtered.faces if face.missed_frames == 0] if filtered else []
    if not seen:
        return Sent(protected, {}, {}, 0)
    face = seen[0]
    part = face.box.within(Size.of(pictures["unfiltered"])).slices()
    before = pictures["unfiltered"][part].astype(int)
    errors = {
        clip: float(((pixels[part] - before) ** 2).sum()) for clip, pixels in pictures.items()
    }
    sights = {clip: readers.look(pixels, face) for clip, pixels in pictures.items()}
    return Sent(protected, sights, errors, before.size)
