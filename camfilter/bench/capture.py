"""What it takes to make a picture of what a webcam sends, by pixel format."""

from __future__ import annotations

from typing import Any, Final

import cv2

from camfilter.bench.race import race
from camfilter.bench.scene import Scene

__all__ = ["formats"]

_QUALITY: Final = 90
"""Of the JPEG; webcams send about as many bytes."""


def formats(scene: Scene, rounds: int) -> list[dict[str, Any]]:
    """Time how OpenCV makes BGR of one frame in each format that camfilter asks a camera for.

    Args:
        scene: its first frame is sent.
        rounds: how many rounds count; the formats take turns.

    Returns:
        One row for each format: format, size, kilobytes, ms and p99_ms.
    """
    plain = scene.yuyv(0)
    jpeg = cv2.imencode(".jpg", scene.bgr(0), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    laps = race(
        {
            "YUYV": lambda: cv2.cvtColor(plain, cv2.COLOR_YUV2BGR_YUYV),
            "MJPG": lambda: cv2.imdecode(jpeg, cv2.IMREAD_COLOR),
        },
        rounds,
    )
    kilobytes = {"YUYV": plain.nbytes / 1e3, "MJPG": jpeg.nbytes / 1e3}
    return [
        {
            "format": name,
            "size": str(scene.size),
            "kilobytes": round(kilobytes[name]),
            "ms": round(each.p50_ms, 3),
            "p99_ms": round(each.p99_ms, 3),
        }
        for name, each in laps.items()
    ]
