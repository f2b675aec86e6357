"""Webcam, camfilter, virtual camera and who watches: all that must hold between them."""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pyvirtualcam
import readers
import stage
from measure import EPSILON_LEVELS, ROUNDING_LEVELS, Eye
from pictures import POSES, RATE_HZ, SIZE
from stage import CAMERA, NEWER, WEBCAM, Program, Verdicts

from camfilter.errors import SinkError
from camfilter.frames import Pixels, Size
from camfilter.guard import Guard
from camfilter.sinks import VirtualCameraSink
from camfilter.sinks.watchers import OpenFileWatchers, watchers_of

START_S = 90.0
WATCH = f"import cv2, time; c = cv2.VideoCapture({CAMERA!r}, 200); c.read(); time.sleep(99)"


class Test:
    """The phases, in order; each leaves the cameras as the next one needs them."""

    def __init__(self) -> None:
        self.verdicts = Verdicts()
        self.check = self.verdicts.check
        self.webcam = stage.feed(0)
        self.eye = self.open_the_eye()

    def run(self) -> int:
        self.who_watches_and_what_is_raw()
        recorder = stage.record()
        filtering = self.start("first start, after that program", "run1")
        self.first_frames()
        if NEWER:  # one reader at a time
            recorder.end(signal.SIGKILL)
        self.three_readers()
        if not NEWER:
            recorder.end(signal.SIGKILL)
        recorder = self.nobody_watches_for_a_while()
        self.webcam_goes_and_comes_back()
        self.stop(filtering)
        self.kill(self.start("second start, while somebody watches", "run2"))
        self.another_size()
        filtering = self.start("start after kill -9, while somebody watches", "run3")
        filtering.end(signal.SIGTERM)
        recorder.end(signal.SIGKILL)
        self.another_writer()
        self.a_device_that_vanishes()
        self.webcam.end(signal.SIGKILL)
        self.nothing_ever_leaked()
        shutil.copy(stage.LOG, stage.OUT)
        return int(self.verdicts.failed > 0)

    def open_the_eye(self) -> Eye:
        first = readers.first_picture(WEBCAM, START_S)
        pictures = readers.by_opencv(WEBCAM, 2 * POSES) if first is not None else []
        eye = Eye(pictures) if pictures else None
        poses = eye.poses if eye else 0
        if not self.check("the webcam shows numbered faces", poses == POSES, f"{poses} poses"):
            raise SystemExit(1)
        assert eye is not None
        np.savez(stage.RAW, luma=eye.luma)
        return eye

    def who_watches_and_what_is_raw(self) -> None:
        """A program that copies without protecting; its pictures must be called raw."""
        webcam = cv2.VideoCapture(WEBCAM, cv2.CAP_V4L2)
        shown: list[Pixels] = []
        with pyvirtualcam.Camera(
            SIZE.width, SIZE.height, RATE_HZ, fmt=pyvirtualcam.PixelFormat.BGR, device=CAMERA
        ) as copy:
            copy.send(webcam.read()[1])
            watchers = watchers_of(CAMERA)
            counts = [watchers.count()]
            watcher = Program.start("watcher", "-c", WATCH)
            stage.wait(lambda: watchers.count() == 1, START_S)
            counts.append(watchers.count())
            watcher.end(signal.SIGKILL)
            counts.append(watchers.count())
            reader = cv2.VideoCapture(CAMERA, cv2.CAP_V4L2)
            for _ in range(8):
                copy.send(webcam.read()[1])
                shown.append(reader.read()[1])
            reader.release()
        webcam.release()
        self.eye.learn_bare(shown)
        bare = self.eye.bare_levels
        self.check(
            "who watches is counted: nobody, one, nobody", counts == [0, 1, 0],
            f"{counts} by {type(watchers).__name__}",
        )  # fmt: skip
        self.check("raw faces are recognised", bare <= 1, f"they differ by {bare:.1f} levels")
        left = stage.offers(CAMERA)
        name = "that program leaves the device free" if NEWER else "that program leaves it stuck"
        self.check(name, left == ("output" if NEWER else "neither"), f"it offers {left}")

    def start(self, name: str, log: str) -> Program:
        since_s = time.monotonic()
        filtering = stage.camfilter(log)
        stage.wait(lambda: not filtering.running or stage.first("face", since_s, 3), START_S)
        face = stage.first("face", since_s, 3) if filtering.running else None
        after = f"protected after {face['at_s'] - since_s:.1f} s" if face else ""
        if not self.check(name, face is not None, after or filtering.last_words()):
            raise SystemExit(1)  # nothing that follows would say anything
        return filtering

    def first_frames(self) -> None:
        kinds = [frame["kind"] for frame in stage.frames()]
        cards = kinds.index("face") if "face" in kinds else len(kinds)
        ok = cards > 0 and set(kinds[:cards]) == {"card"}
        self.check("the first frames are the card", ok, f"{cards} cards, then the first face")

    def three_readers(self) -> None:
        for name, read, count in (
            ("OpenCV", readers.by_opencv, 10),
            ("ffmpeg", readers.by_ffmpeg, 10),
            ("v4l2-ctl", readers.by_v4l2_ctl, 6),
        ):
            try:
                sight = self.eye.look(read(CAMERA, count))
            except (subprocess.SubprocessError, OSError) as error:
                said = (getattr(error, "stderr", b"") or b"").decode(errors="replace")[-200:]
                self.check(f"{name} reads protected faces", False, f"{error} {said}")
                continue
            ok = sight.frames == count and sight.protected(self.eye.least_levels)
            self.check(f"{name} reads protected faces of {SIZE}", ok, sight)
            self.check(f"{name} gets them in order", sight.in_order, sight.numbers)

    def nobody_watches_for_a_while(self) -> Program:
        holders, left_s = OpenFileWatchers(WEBCAM), time.monotonic()
        before = holders.count()
        stage.wait(lambda: holders.count() == 1, 20)  # its own program
        ok, after_s = (before, holders.count()) == (2, 1), time.monotonic() - left_s
        self.check("nobody watches: the webcam is closed", ok, f"{after_s:.1f} s later")
        recorder, since_s = stage.record(), time.monotonic()
        face = stage.wait_for("face", since_s, 40, 3)
        first = [frame["kind"] for frame in stage.frames(since_s)][:1]
        after = f"{face['at_s'] - since_s:.1f} s after a program started" if face else "never"
        ok = face is not None and first == ["card"]
        self.check("somebody watches: first the card, then faces", ok, after)
        return recorder

    def webcam_goes_and_comes_back(self) -> None:
        stage.wait_for("face", time.monotonic(), 20, 2)
        self.webcam.end(signal.SIGKILL)
        gone_s = time.monotonic()
        card = stage.wait_for("card", gone_s, 10)
        delay_s = card["at_s"] - gone_s if card else 99.0
        self.check("webcam unplugged: the card within a second", delay_s <= 1, f"{delay_s:.2f} s")
        time.sleep(3)
        others = [frame for frame in stage.frames(gone_s + 1) if frame["kind"] != "card"]
        self.check("and the card stays", not others, f"{len(others)} other frames in 3 s")
        number = 1 + max(frame["number"] for frame in stage.frames() if frame["kind"] == "face")
        self.webcam, back_s = stage.feed(number), time.monotonic()
        face = stage.wait_for("face", back_s, 40, 3)
        after = f"{face['at_s'] - back_s:.1f} s after its program started" if face else "never"
        self.check("webcam plugged in again: faces come by themselves", face is not None, after)

    def stop(self, filtering: Program) -> None:
        stage.wait_for("face", time.monotonic(), 20, 2)
        since_s = time.monotonic()
        status = filtering.end(signal.SIGTERM)
        time.sleep(2.5)
        last = stage.frames(since_s)[-1:]
        ok = status == 0 and [frame["kind"] for frame in last] == ["card"]
        self.check("a stop leaves the card", ok, f"exit status {status}, last {last}")
        left, timeout_ms = stage.offers(CAMERA), stage.timeout_ms(CAMERA)
        self.check(
            "and a free device with its own timeout", "output" in left and timeout_ms == 0,
            f"it offers {left}, {timeout_ms} ms",
        )  # fmt: skip

    def kill(self, filtering: Program) -> None:
        stage.wait_for("face", time.monotonic(), 20, 2)
        filtering.end(signal.SIGKILL)
        killed_s = time.monotonic()
        card = stage.wait_for("card", killed_s, 10)
        delay_s = card["at_s"] - killed_s if card else 99.0
        self.check("kill -9: the driver's card within 1.5 s", delay_s <= 1.5, f"{delay_s:.2f} s")
        time.sleep(3)
        kinds = [frame["kind"] for frame in stage.frames(killed_s + 0.4)]
        ok = len(kinds) >= 3 and set(kinds) == {"card"}
        self.check("and nothing but the card", ok, f"{len(kinds)} frames: {set(kinds)}")

    def another_size(self) -> None:
        said = "nothing"
        try:
            VirtualCameraSink(Size(160, 120), RATE_HZ, CAMERA).close()
        except SinkError as error:
            said = error.what
        self.check("a size other than the watcher's is refused", "held at" in said, said)

    def another_writer(self) -> None:
        other = stage.other_writer()
        stage.wait(lambda: stage.offers(CAMERA) == "capture", START_S)
        watcher = Program.start("watcher", "-c", WATCH)
        watchers = watchers_of(CAMERA)
        stage.wait(lambda: watchers.count() == (1 if NEWER else 2), START_S)
        said = self.try_to_open()
        self.check("a device that another program feeds is left alone", "close that" in said, said)
        other.end(signal.SIGKILL)
        left, said = stage.offers(CAMERA), self.try_to_open()
        self.check(
            "and taken once that one is dead", said == "opened", f"it offered {left}: {said}"
        )
        watcher.end(signal.SIGKILL)

    def try_to_open(self) -> str:
        try:
            VirtualCameraSink(SIZE, RATE_HZ, CAMERA).close()
        except SinkError as error:
            return str(error)
        return "opened"

    def a_device_that_vanishes(self) -> None:
        node, aside = Path(CAMERA), Path("/dev/aside")
        said = "nothing"
        with VirtualCameraSink(SIZE, RATE_HZ, CAMERA) as sink:
            card = Guard().frame(0.0, 0, SIZE)
            sink.write(card)
            node.rename(aside)
            try:
                sink.write(card)
            except SinkError as error:
                said = error.what
            finally:
                aside.rename(node)
        self.check("a device that vanishes is noticed", "is gone" in said, said)

    def nothing_ever_leaked(self) -> None:
        frames = stage.frames()
        faces = [frame for frame in frames if frame["kind"] == "face"]
        others = [frame for frame in frames if frame["kind"] == "other"]
        bare = [frame for frame in faces if frame["face"] < self.eye.least_levels]
        least = min((frame["face"] for frame in faces), default=0.0)
        most = max((frame["most"] for frame in faces), default=0)
        cards = len(frames) - len(faces) - len(others)
        self.check(
            "of all frames not one was raw", bool(faces) and not bare,
            f"{len(frames)} frames: {cards} cards, {len(faces)} faces that differ by at least "
            f"{least:.1f} levels, {len(bare)} raw",
        )  # fmt: skip
        self.check("nor green, torn or empty", not others, others[:3] or "none")
        ok = most <= EPSILON_LEVELS + ROUNDING_LEVELS
        self.check("nor changed by more than epsilon", ok, f"{most} levels at most")
        numbers = [frame["number"] for frame in faces]
        ok = all(later >= earlier for earlier, later in itertools.pairwise(numbers))
        self.check("all in order", ok, f"{len(set(numbers))} numbers up to {max(numbers)}")


if __name__ == "__main__":
    sys.exit(Test().run())
