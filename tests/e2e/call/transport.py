"""What the call itself did: codec, bitrate, order of the frames, delay."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np

from call.calls import Call

__all__ = ["order_of", "transport_figures"]


def transport_figures(call: Call, clip_frames: int) -> dict[str, Any]:
    """Figures of one call as plain values; `docs/call.md` explains each.

    Args:
        call: that was made.
        clip_frames: length of the clip, after which the camera starts it again.
    """
    near, far = call.result["near"], call.result["far"]
    out, into = _one(near, "outbound-rtp"), _one(far, "inbound-rtp")
    codecs = {entry["id"]: entry for entry in far if entry["type"] == "codec"}
    codec = codecs.get(into.get("codecId"), {})
    sizes = Counter(f"{frame.width}x{frame.height}" for frame in call.received)
    return {
        "state": call.result["state"],
        "codec": codec.get("mimeType", "").removeprefix("video/"),
        "codec_parameters": codec.get("sdpFmtpLine"),
        "encoder": out.get("encoderImplementation"),
        "decoder": into.get("decoderImplementation"),
        "kbit_s": _kbit_s(call.result["first"], into),
        "qp_mean": _ratio(out.get("qpSum"), out.get("framesEncoded")),
        "frames_encoded": out.get("framesEncoded"),
        "frames_decoded": into.get("framesDecoded"),
        "frames_received": len(call.received),
        "sizes": dict(sizes),
        "packets_lost": into.get("packetsLost"),
        "limited_s": out.get("qualityLimitationDurations"),
        "degradation": call.result["parameters"].get("degradationPreference"),
        **order_of([frame.number for frame in call.received], clip_frames),
        "delay_ms": _delay_ms(call),
    }


def order_of(numbers: list[int | None], clip_frames: int) -> dict[str, int]:
    """Whether frames came in order and with numbers that were sent.

    Args:
        numbers: read at the far end, in order of arrival; None where unreadable.
        clip_frames: the numbers sent are 0 to `clip_frames` - 1, again and again; the
            camera shows frame 0 twice when it starts the clip again.
    """
    known = [number for number in numbers if number is not None and number < clip_frames]
    steps = [(after - before) % clip_frames for before, after in pairwise(known)]
    repeats = sum(before == after > 0 for before, after in pairwise(known))
    return {
        "numbers_unreadable": len(numbers) - len(known),
        "numbers_repeated": repeats,
        "numbers_backward": sum(step > clip_frames // 2 for step in steps),
        "numbers_skipped": sum(step - 1 for step in steps if 0 < step <= clip_frames // 2),
    }


def _delay_ms(call: Call) -> dict[str, float] | None:
    """From the camera's frame in the sender's page to the decoded one in the receiver's."""
    shown: dict[int, list[float]] = {}
    for number, time_ms in call.sent:
        if number is not None:
            shown.setdefault(number, []).append(time_ms)
    delays = []
    for frame in call.received:
        times = shown.get(-1 if frame.number is None else frame.number, [])
        place = bisect_right(times, frame.time_ms)
        if place:
            delays.append(frame.time_ms - times[place - 1])
    if not delays:
        return None
    p50, p95 = np.percentile(delays, (50, 95))
    return {"frames": len(delays), "p50": round(float(p50), 1), "p95": round(float(p95), 1)}


def _kbit_s(first: list[dict[str, Any]], last: dict[str, Any]) -> float | None:
    """Video payload from the first decoded frame to the end, in kbit/s."""
    start = next((entry for entry in first if entry["type"] == "inbound-rtp"), None)
    if start is None or last["timestamp"] <= start["timestamp"]:
        return None
    bits = 8 * (last["bytesReceived"] - start["bytesReceived"])
    return round(float(bits / (last["timestamp"] - start["timestamp"])), 1)


def _ratio(total: float | None, count: int | None) -> float | None:
    return round(total / count, 1) if total is not None and count else None


def _one(entries: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next((entry for entry in entries if entry["type"] == kind), {})
