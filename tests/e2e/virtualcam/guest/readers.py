"""Three programs that read a camera, each in its own way; each gives pictures or says why not."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
from pictures import SIZE

from camfilter.frames import Pixels


def by_opencv(device: str, count: int) -> list[Pixels]:
    camera = cv2.VideoCapture(device, cv2.CAP_V4L2)
    try:
        shots = (camera.read() for _ in range(count))
        return [picture for ok, picture in shots if ok]
    finally:
        camera.release()


def by_ffmpeg(device: str, count: int) -> list[Pixels]:
    subprocess.run(["ffmpeg", "-version"], capture_output=True, timeout=120, check=True)
    command = ["nice", "ffmpeg", "-v", "error", "-f", "v4l2", "-i", device]
    command += [
        "-frames:v",
        str(count),
        "-fps_mode",
        "passthrough",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "yuv420p",
        "-",
    ]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return _pictures(done.stdout)


def by_v4l2_ctl(device: str, count: int) -> list[Pixels]:
    file = Path("/tmp/frames.yuv")
    command = ["v4l2-ctl", "-d", device, "--stream-mmap=3", f"--stream-count={count}"]
    subprocess.run([*command, f"--stream-to={file}"], capture_output=True, timeout=120, check=True)
    return _pictures(file.read_bytes())


def first_picture(device: str, patience_s: float) -> Pixels | None:
    """The first picture of a camera that may still have to start."""
    until_s = time.monotonic() + patience_s
    while time.monotonic() < until_s:
        if pictures := by_opencv(device, 1):
            return pictures[0]
        time.sleep(0.1)
    return None


def _pictures(planar: bytes) -> list[Pixels]:
    """Pictures from planar 4:2:0, as much as there is of whole ones."""
    height, width = SIZE.height * 3 // 2, SIZE.width
    whole = len(planar) // (height * width)
    frames = np.frombuffer(planar, np.uint8, whole * height * width).reshape(-1, height, width)
    return [cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_I420).view(np.uint8) for frame in frames]
