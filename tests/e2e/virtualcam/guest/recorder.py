"""Watches the virtual camera all the time: recorder.py DEVICE RAW.npz LOG.

Each frame becomes one line of JSON: when it came, what it shows, its number and
how far it is from the raw picture. Opens the device again whenever it must.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from pictures import Change, is_card, luma_of, number_of, pose_of


def main(device: str, raw: Path, log: Path) -> None:
    luma = np.load(raw)["luma"]
    with log.open("a", buffering=1) as lines:
        while True:
            camera = cv2.VideoCapture(device, cv2.CAP_V4L2)
            while camera.isOpened():
                ok, picture = camera.read()
                if not ok:
                    break
                lines.write(json.dumps({"at_s": time.monotonic(), **told(picture, luma)}) + "\n")
            camera.release()
            time.sleep(0.1)


def told(picture: np.ndarray, luma: np.ndarray) -> dict[str, object]:
    if is_card(picture):
        return {"kind": "card"}
    number = number_of(picture)
    if number is None:
        return {"kind": "other", "mean": picture.reshape(-1, 3).mean(axis=0).round().tolist()}
    change = Change.between(luma[pose_of(number)], luma_of(picture))
    return {"kind": "face", "number": number, "face": change.face, "most": change.most}


main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
