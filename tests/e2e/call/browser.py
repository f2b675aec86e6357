"""Chromium without a window, with a file for a camera, and gone without a trace afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

__all__ = ["Browser", "find_chromium", "version_of"]

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_SILENT: Final = (
    "--disable-background-networking",
    "--disable-client-side-phishing-detection",
    "--disable-component-extensions-with-background-pages",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-features=DialMediaRouteProvider,MediaRouter,OptimizationHints,Translate",
    "--disable-quic",
    "--disable-sync",
    "--dns-prefetch-disable",
    "--metrics-recording-only",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_STEADY: Final = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--password-store=basic",
)
_CALL: Final = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
)


def find_chromium() -> str | None:
    """The browser's program: CAMFILTER_CHROMIUM, or the first one installed; else None."""
    named = os.environ.get("CAMFILTER_CHROMIUM")
    return next(filter(None, map(shutil.which, [named] if named else _NAMES)), None)


def version_of(program: str) -> str:
    """What the browser says about itself."""
    said = subprocess.run(
        [program, "--version"], check=False, capture_output=True, text=True, timeout=60
    )
    return (said.stdout.strip() or "unknown").partition(" built on")[0]


class Browser:
    """A browser with a profile of its own. Leave the ``with`` block to end all its processes.

    Args:
        program: Chromium.
        address: page to open.
        camera: .y4m file that it takes for its camera.
        folder: an empty folder; everything that the browser writes goes there.

    Attributes:
        session: id of the session that all its processes belong to.
    """

    def __init__(self, program: str, address: str, camera: Path, folder: Path) -> None:
        self._profile = folder / "profile"
        self._log = folder / "log"
        folder.mkdir()
        # Its sandbox refuses to run as root.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        keep = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    *_STEADY,
                    *_SILENT,
                    *_CALL,
                    *sandbox,
                    f"--use-file-for-fake-video-capture={camera}",
                    f"--user-data-dir={self._profile}",
                    address,
                ],
                env={**keep, "HOME": str(folder), "TMPDIR": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.session = self._process.pid

    @property
    def running(self) -> bool:
        """Whether its first process lives."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """The end of what it wrote to its error stream, in one line."""
        lines = self._log.read_text(errors="replace").splitlines()
        return " / ".join(lines[-3:])

    def processes(self) -> list[int]:
        """All processes of its session or its profile that live."""
        return [pid for pid in _all_processes() if self._owns(pid)]

    def close(self) -> None:
        """End all its processes: asked first, forced after three seconds."""
        for which, patience_s in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0)):
            deadline_s = time.monotonic() + patience_s
            for pid in self.processes():
                _send(pid, which)
            while time.monotonic() < deadline_s:
                self._process.poll()
                if not self.processes():
                    return
                time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        before = {sign: signal.signal(sign, signal.SIG_IGN) for sign in _INTERRUPTS}
        try:
            self.close()
        finally:
            for sign, handler in before.items():
                signal.signal(sign, handler)

    def _owns(self, pid: int) -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            mine = os.getsid(pid) == self.session or os.fsencode(self._profile) in command
        except OSError:
            return False
        return mine and state != "Z"


_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)


def _all_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _send(pid: int, which: signal.Signals) -> None:
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        return
