"""What the test starts and kills, and the list of what passed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camfilter.sinks.loopback import driver_version
from camfilter.sources.v4l2 import capabilities_of

WEBCAM, CAMERA = "/dev/video11", "/dev/video10"
OUT = Path("/mnt/out")
RAW, LOG = Path("/tmp/raw.npz"), Path("/tmp/frames.jsonl")
NEWER = driver_version() >= (0, 13)
"""The newer driver shows a camera to one reader at a time, and never gets stuck."""
_HERE = Path(__file__).parent


class Verdicts:
    """Says each verdict at once and counts the bad ones."""

    def __init__(self) -> None:
        self.failed = 0

    def check(self, name: str, ok: bool, figure: object = "") -> bool:
        self.failed += not ok
        say(f"{'PASS' if ok else 'FAIL'}  {name}  ({figure})")
        return ok


@dataclass
class Program:
    """A process that writes to a log among the results."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, name: str, *arguments: object) -> Program:
        log = OUT / f"{name}.log"
        command = [sys.executable, *map(str, arguments)]
        with log.open("wb") as file:
            return cls(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT), log)

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def end(self, how: signal.Signals, patience_s: float = 30) -> int:
        """Send a signal and wait; the exit status."""
        self.process.send_signal(how)
        return self.process.wait(patience_s)

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return " / ".join(line.strip() for line in lines[-3:])


def feed(first: int) -> Program:
    return Program.start("webcam", _HERE / "feed.py", WEBCAM, first)


def other_writer() -> Program:
    return Program.start("other", _HERE / "feed.py", CAMERA, 0, "untidy")


def record() -> Program:
    LOG.touch()
    return Program.start("recorder", _HERE / "recorder.py", CAMERA, RAW, LOG)


def camfilter(name: str) -> Program:
    return Program.start(
        name, "-m", "camfilter", "run", "--source", WEBCAM, "--sink", f"virtual:{CAMERA}",
        "--chain-length", 1, "--provider", "cpu", "--json", f"/tmp/{name}.json",
    )  # fmt: skip


def frames(since_s: float = 0.0) -> list[dict[str, Any]]:
    """What the recorder has seen since then."""
    lines = LOG.read_text().splitlines()
    told = [json.loads(line) for line in lines if line.endswith("}")]
    return [frame for frame in told if frame["at_s"] >= since_s]


def first(kind: str, since_s: float, count: int) -> dict[str, Any] | None:
    """The first frame of a kind that the recorder saw since then, once it saw `count`."""
    found = [frame for frame in frames(since_s) if frame["kind"] == kind]
    return found[0] if len(found) >= count else None


def wait_for(kind: str, since_s: float, patience_s: float, count: int = 1) -> dict[str, Any] | None:
    """The same, once there is one or patience ends."""
    return wait(lambda: first(kind, since_s, count), patience_s)


def wait(happened: Callable[[], Any], patience_s: float) -> Any:
    until_s = time.monotonic() + patience_s
    while time.monotonic() < until_s:
        if found := happened():
            return found
        time.sleep(0.2)
    return None


def offers(device: str) -> str:
    said = capabilities_of(device)
    if said is None:
        return "nothing"
    return "+".join(
        word for word, on in (("capture", said.captures), ("output", said.outputs)) if on
    ) or "neither"  # fmt: skip


def timeout_ms(device: str) -> int:
    done = subprocess.run(
        ["v4l2-ctl", "-d", device, "-C", "timeout"], capture_output=True, check=True
    )
    return int(done.stdout.split(b":")[1])


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
