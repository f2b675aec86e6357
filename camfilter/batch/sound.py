"""The sound of a recording, taken over as it is. What a voice tells is not hidden by it."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from camfilter.atomic import one_line

__all__ = ["with_sound"]


def with_sound(video: Path, recording: Path, *, cut: bool = False) -> str:
    """Add the sound of a recording to its protected video, packet by packet. Never raises.

    Args:
        video: protected, without sound, its first frame at 0 s; replaced when all went well.
        recording: where the sound is.
        cut: whether the recording goes on after the video; then its sound ends with the pictures.

    Returns:
        "kept"; "none" where the recording has no sound; or why it could not be kept, in one line.
    """
    mixed = video.with_name(f"sound-{video.name}")
    try:
        with av.open(str(recording.absolute()), options={"protocol_whitelist": "file"}) as origin:
            if not origin.streams.audio:
                return "none"
            with av.open(str(video.absolute())) as silent, av.open(str(mixed), "w") as mix:
                _mixed(silent, origin, mix, cut)
        mixed.replace(video)
    except Exception as error:  # noqa: BLE001 - whatever it is, the pictures are worth more
        mixed.unlink(missing_ok=True)
        return f"left out: {one_line(error)}"
    return "kept"


def _mixed(silent: Any, origin: Any, mix: Any, cut: bool) -> None:
    """Write the packets of both into one file, in the order of time."""
    pictures, sound = silent.streams.video[0], origin.streams.audio[0]
    start_s = _start_s(origin)
    end_s = start_s + silent.duration / av.time_base if cut else math.inf
    into = {
        pictures: mix.add_stream_from_template(pictures),
        sound: mix.add_stream_from_template(sound),
    }
    shown = ((packet, pictures, 0.0) for packet in silent.demux(pictures) if packet.size)
    heard = ((packet, sound, start_s) for packet in _until(end_s, origin.demux(sound)))
    for packet, stream, earlier_s in heapq.merge(
        shown, heard, key=lambda entry: _time_s(entry[0]) - entry[2]
    ):
        shift = round(earlier_s / packet.time_base)
        if packet.pts is not None:
            packet.pts -= shift
        if packet.dts is not None:
            packet.dts -= shift
        if packet.pts is not None and packet.pts < 0 and stream is sound:
            continue  # said before the first picture
        packet.stream = into[stream]
        mix.mux(packet)


def _until(end_s: float, packets: Any) -> Iterator[Any]:
    """The packets that end in time; the file is not read any further."""
    for packet in packets:
        length_s = float((packet.duration or 0) * (packet.time_base or 0))
        if packet.size and _time_s(packet) + length_s > end_s:
            return
        if packet.size:
            yield packet


def _start_s(origin: Any) -> float:
    video = origin.streams.video[0]
    return float(video.start_time * video.time_base) if video.start_time else 0.0


def _time_s(packet: Any) -> float:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return float(stamp * packet.time_base) if stamp is not None else 0.0
