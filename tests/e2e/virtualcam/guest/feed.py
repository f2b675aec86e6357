"""The test's webcam: feed.py DEVICE FIRST_NUMBER shows numbered pictures until it is killed.

With a third word it leaves a driver up to 0.12 stuck, as programs do.
"""

from __future__ import annotations

import itertools
import sys
import time

import pyvirtualcam
from pictures import RATE_HZ, SIZE, numbered, pose_of, poses

from camfilter.sinks.v4l2 import claim, descriptor_of


def main(device: str, first: int, *, tidy: bool) -> None:
    faces = poses()
    with pyvirtualcam.Camera(
        SIZE.width, SIZE.height, RATE_HZ, fmt=pyvirtualcam.PixelFormat.BGR, device=device
    ) as camera:
        descriptor = descriptor_of(device)
        if tidy and descriptor is not None:
            claim(descriptor)
        next_s = time.monotonic()
        for number in itertools.count(first):
            camera.send(numbered(faces[pose_of(number)], number))
            next_s += 1 / RATE_HZ
            time.sleep(max(0.0, next_s - time.monotonic()))


main(sys.argv[1], int(sys.argv[2]), tidy=len(sys.argv) == 3)
