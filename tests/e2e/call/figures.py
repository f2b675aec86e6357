"""All figures of a run, as the JSON file has them."""

from __future__ import annotations

from typing import Any

from call.calls import Calls
from call.clips import CLIPS, Clips
from call.far_end import look_at, psnr_db
from call.readers import Readers
from call.tally import Tally
from call.transport import transport_figures

__all__ = ["before_the_call", "figures_of_calls", "silence_of"]


def before_the_call(clips: Clips, readers: Readers) -> dict[str, Any]:
    """What is read in the clips as they are sent, against the unfiltered one."""
    figures = {}
    for clip in CLIPS[1:]:
        tallies = {name: Tally() for name in readers.names}
        for frame in clips.frames:
            if frame.sights:
                before, after = frame.sights["unfiltered"], frame.sights[clip]
                for name, tally in tallies.items():
                    tally.add(before.readings[name], after.readings[name])
        error = sum(frame.squared_error.get(clip, 0.0) for frame in clips.frames)
        samples = sum(frame.samples for frame in clips.frames)
        figures[clip] = {
            "frames": len(clips.frames),
            "psnr_face_db": psnr_db(error, samples),
            "readings": {name: tally.as_json() for name, tally in tallies.items()},
        }
    return figures


def figures_of_calls(
    calls: dict[str, Calls], clips: Clips, codecs: tuple[str, ...], readers: Readers
) -> dict[str, Any]:
    """By codec and clip; None for a codec that is not built in."""
    figures: dict[str, Any] = {}
    for codec in codecs:
        if any(codec not in of_clip.made for of_clip in calls.values()):
            figures[codec] = None
            continue
        figures[codec] = {
            clip: {
                **transport_figures(of_clip.made[codec], len(clips.frames)),
                **look_at(of_clip.made[codec], clips, clip, readers).as_json(),
            }
            for clip, of_clip in calls.items()
        }
    return figures


def silence_of(calls: dict[str, Calls], no_way_out: bool) -> dict[str, Any]:
    """What was seen of the browser's sockets and processes."""
    return {
        "no_way_out": no_way_out,
        "looks": sum(of_clip.looks for of_clip in calls.values()),
        "strangers": sorted(set().union(*(of_clip.strangers for of_clip in calls.values()))),
        "processes_left": sum(of_clip.left_over for of_clip in calls.values()),
    }
