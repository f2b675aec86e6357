"""Small recordings for the tests of batches."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from camfilter.frames import Size
from camfilter.sources.demo import DemoSource, portrait_path

SIZE = Size(320, 240)
SOUND_HZ = 44_100


def record(path: Path, frames: int, *, sound: bool = False, sound_codec: str = "aac") -> Path:
    """The demo as a video, with or without a tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = SIZE.width, SIZE.height, "yuv420p"
        audio = file.add_stream(sound_codec, rate=SOUND_HZ) if sound else None
        with DemoSource(SIZE, 30, frames) as demo:
            for raw in iter(demo.read, None):
                file.mux(video.encode(VideoFrame.from_ndarray(raw.pixels, format="bgr24")))
        file.mux(video.encode(None))
        if audio is not None:
            time = np.arange(SOUND_HZ * frames // 30)
            tone = (0.2 * np.sin(0.05 * time)).astype(np.float32)[None]
            for start in range(0, tone.shape[1] - 1024, 1024):
                part = np.ascontiguousarray(tone[:, start : start + 1024])
                frame = AudioFrame.from_ndarray(part, format="fltp", layout="mono")
                frame.rate, frame.pts = SOUND_HZ, start
                file.mux(audio.encode(frame))
            file.mux(audio.encode(None))
    return path


def portrait(path: Path) -> Path:
    """The demo's portrait as a picture file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.imread(str(portrait_path())))
    return path


def frame_count(path: Path) -> int:
    """Frames of a video, counted by decoding it."""
    with av.open(str(path)) as file:
        return sum(1 for _ in file.decode(video=0))
