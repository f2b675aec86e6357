from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from camfilter.__main__ import main

LIVE = """
import os

from camfilter.assembly import open_surrogate
from camfilter.bench.lane import Lane, filter_of
from camfilter.bench.scene import Scene
from camfilter.frames import Size
from camfilter.settings import ChainSettings
from camfilter.thread_limits import keep_to_one_thread

keep_to_one_thread()
surrogate = open_surrogate()
lane = Lane(Scene(Size(1280, 720), 1), lambda: filter_of(ChainSettings(), surrogate))


def ticks():
    found = dict.fromkeys(("own", "mediapipe", "other"), 0)
    for thread in os.listdir("/proc/self/task"):
        name, _, rest = open(f"/proc/self/task/{thread}/stat").read().rpartition(")")
        of_mediapipe = name.partition("(")[2].startswith("mediapipe")
        kind = "own" if int(thread) == os.getpid() else "mediapipe" if of_mediapipe else "other"
        found[kind] += sum(int(part) for part in rest.split()[11:13])
    return found


for _ in range(20):
    lane.step()
before = ticks()
for _ in range(240):
    lane.step()
after = ticks()
print(after["own"] - before["own"], after["other"] - before["other"])
"""


@pytest.mark.skipif(
    not Path("/proc/self/task").is_dir() or len(os.sched_getaffinity(0)) < 2,
    reason="threads are told apart on Linux, and need a second core to keep busy",
)
def test_no_library_keeps_a_core_busy_beside_the_thread_that_filters() -> None:
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in limits}
    done = subprocess.run(
        [sys.executable, "-c", LIVE], env=environment, capture_output=True, text=True, check=True
    )
    own, other = (int(ticks) for ticks in done.stdout.split())
    assert own > 50
    assert other < 0.05 * own  # it was two thirds, and two of OpenCV's a tenth


def test_the_program_keeps_opencv_in_the_thread_that_calls_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        assert main(["--version"]) == 0
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)
    assert "camfilter" in capsys.readouterr().out
