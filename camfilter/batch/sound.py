"""The sound of a recording, taken over as it is. What a voice tells is not hidden by it."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

__all__ = ["with_sound"]


def with_sound(video: Path, recording: Path) -> str:
    """Add the sound of a recording to its protected video, packet by packet.

    Args:
        video: protected, without sound, its first frame at 0 s; replaced when all went well.
        recording: where the sound is.

    Returns:
        "kept"; "none" where the recording has no sound; or why it could not be kept, in one line.
    """
    mixed = video.with_name(f"sound-{video.name}")
    try:
        with av.open(str(recording.absolute()), options={"protocol_whitelist": "file"}) as origin:
            if not origin.streams.audio:
                return "none"
            with av.open(str(video.absolute())) as silent, av.open(str(mixed), "w") as mix:
                _mixed(silent, origin, mix)
    except (FFmpegError, ValueError, OSError) as error:
        mixed.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error)
        return f"left out: {' '.join(str(reason).split())}"
    mixed.replace(video)
    return "kept"


def _mixed(silent: Any, origin: Any, mix: Any) -> None:
    """Write the packets of both into one file, in the order of time."""
    pictures, sound = silent.streams.video[0], origin.streams.audio[0]
    start_s = _start_s(origin)
    into = {
        pictures: mix.add_stream_from_template(pictures),
        sound: mix.add_stream_from_template(sound),
    }
    shown = ((packet, pictures, 0.0) for packet in silent.demux(pictures) if packet.size)
    heard = ((packet, sound, start_s) for packet in origin.demux(sound) if packet.size)
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


def _start_s(origin: Any) -> float:
    video = origin.streams.video[0]
    return float(video.start_time * video.time_base) if video.start_time else 0.0


def _time_s(packet: Any) -> float:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return float(stamp * packet.time_base) if stamp is not None else 0.0
