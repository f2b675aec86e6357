"""A virtual screen with a window manager and a tray, and a hand on its mouse and keys."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Seen = TypeVar("Seen")

SYSTEM_PYTHON = "/usr/bin/python3"
TOOLS = ("Xvfb", "openbox", "trayer", "xdotool", "import", "xwininfo")
_TRAYER = (
    *("trayer", "--edge", "top", "--align", "right", "--widthtype", "request"),
    *("--heighttype", "pixel", "--height", "32"),
    *("--transparent", "true", "--alpha", "0", "--tint", "0x2b3038"),
)
_COLOURS_BGR = {
    "protected": (0x5F, 0x86, 0x00),
    "holding": (0x00, 0x77, 0xC7),
    "placeholder": (0xC4, 0x6F, 0x1F),
    "off": (0x0A, 0x48, 0xD1),
    "error": (0x4B, 0x16, 0xB3),
}


def missing_tools() -> list[str]:
    """Programs that are needed and not installed."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def can_be_notified() -> bool:
    """Whether a session bus and a host on it can be started."""
    if shutil.which("dbus-daemon") is None or not Path(SYSTEM_PYTHON).exists():
        return False
    tried = [SYSTEM_PYTHON, "-c", "import dbus, gi"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def wait_for(seen: Callable[[], Seen], timeout_s: float = 20.0) -> Seen:
    """Ask until the answer is true or the time is over; the last answer."""
    until_s = time.monotonic() + timeout_s
    while not (answer := seen()) and time.monotonic() < until_s:
        time.sleep(0.15)
    return answer


@dataclass(frozen=True)
class Place:
    """A window on the screen: its number, its left top corner and its size."""

    window: int
    x: int
    y: int
    width: int
    height: int

    @property
    def centre(self) -> tuple[int, int]:
        return self.x + self.width // 2, self.y + self.height // 2


class Desktop:
    """One virtual screen. Ends only what it started."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._started: list[subprocess.Popen[bytes]] = []
        self._tray: subprocess.Popen[bytes] | None = None
        number = next(n for n in range(90, 140) if not Path(f"/tmp/.X11-unix/X{n}").exists())
        kept = {name: value for name, value in os.environ.items() if "WAYLAND" not in name}
        # Without a session bus the tray is X11's own, as on a plain window manager.
        self.environment = {
            **kept,
            "DISPLAY": f":{number}",
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
            "QT_QPA_PLATFORM": "xcb",
            "XDG_CONFIG_HOME": str(out / "config"),
        }
        self.start("Xvfb", f":{number}", "-screen", "0", "1280x800x24", "-nolisten", "tcp")
        if not wait_for(lambda: Path(f"/tmp/.X11-unix/X{number}").exists()):
            raise OSError("Xvfb did not start.")
        self.start("openbox")
        time.sleep(0.5)
        if shutil.which("display"):
            self._do("display", "-window", "root", "-size", "1280x800", "gradient:#56708f-#31435c")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_tray()
        for process in reversed(self._started):
            end(process)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a program on the screen; what it says goes to a file."""
        log = (self._out / f"{Path(command[0]).name}.log").open("ab")
        process = subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        log.close()
        self._started.append(process)
        return process

    def start_bus(self) -> None:
        """Start a session bus, as KDE and GNOME have one; their trays live on it."""
        socket = self._out / "bus"
        address = f"unix:path={socket}"
        self.start("dbus-daemon", "--session", "--nofork", f"--address={address}")
        if not wait_for(socket.exists):
            raise OSError("dbus-daemon did not start.")
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = address

    def start_notifier_host(self) -> tuple[subprocess.Popen[bytes], Path]:
        """Start a host on the session bus; what it saw goes to a file, line by line."""
        script = Path(__file__).with_name("notifier_host.py")
        seen = self._out / "notifier_host.json"
        with seen.open("wb") as file:
            process = subprocess.Popen(
                [SYSTEM_PYTHON, str(script)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.DEVNULL,
            )
        self._started.append(process)
        return process, seen

    def start_tray(self) -> None:
        self._tray = self.start(*_TRAYER)

    def end_tray(self) -> None:
        if self._tray is not None:
            end(self._tray)
            self._tray = None

    def windows(self) -> list[Place]:
        """Visible windows of camfilter, the icon and menus included."""
        found = self._do("xdotool", "search", "--onlyvisible", "--class", "camfilter")
        return [place for window in found.split() if (place := self._place(int(window)))]

    def window(self) -> Place | None:
        """The window with the preview."""
        return next((place for place in self.windows() if place.width >= 800), None)

    def icon(self) -> Place | None:
        """The icon, embedded in the tray."""
        tree = self._do("xwininfo", "-root", "-tree")
        inside = '"trayer")' in tree
        for line in tree.splitlines():
            found = re.search(
                r'(0x\w+) "camfilter": \(.*\)\s+(\d+)x(\d+)\+\S+\s+\+(\d+)\+(\d+)', line
            )
            if found and inside:
                window, *numbers = found.groups()
                width, height, x, y = (int(number) for number in numbers)
                if 8 <= width <= 64 and 8 <= height <= 64:
                    return Place(int(window, 16), x, y, width, height)
        return None

    def state(self) -> str:
        """The state that the icon's colour tells; empty when there is none."""
        place = self.icon()
        if place is None:
            return ""
        picture = self.picture()[
            place.y : place.y + place.height, place.x : place.x + place.width
        ].astype(np.int16)
        counts = {
            state: int((np.abs(picture - colour).max(axis=2) < 24).sum())
            for state, colour in _COLOURS_BGR.items()
        }
        best = max(counts, key=lambda state: counts[state])
        return best if counts[best] > 20 else ""

    def picture(self) -> NDArray[np.uint8]:
        """The whole screen, (height, width, 3) uint8, BGR."""
        data = subprocess.run(
            ["import", "-window", "root", "png:-"],
            env=self.environment,
            capture_output=True,
            check=True,
        ).stdout
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        return picture.astype(np.uint8)

    def keep(self, name: str, *around: Place, margin: int = 0) -> Path:
        """Keep a screenshot, of the whole screen or of what lies around some windows."""
        picture = self.picture()
        if around:
            left = max(0, min(place.x for place in around) - margin)
            top = max(0, min(place.y for place in around) - margin)
            right = max(place.x + place.width for place in around) + margin
            bottom = max(place.y + place.height for place in around) + margin
            picture = picture[top:bottom, left:right]
        path = self._out / f"{name}.png"
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        return path

    def click(self, place: tuple[int, int], button: int = 1) -> None:
        self._do("xdotool", "mousemove", str(place[0]), str(place[1]), "click", str(button))
        time.sleep(0.3)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Drag with the left button, in small steps as a hand does."""
        self._do("xdotool", "mousemove", str(start[0]), str(start[1]), "mousedown", "1")
        for step in range(1, 11):
            x = start[0] + (end[0] - start[0]) * step // 10
            y = start[1] + (end[1] - start[1]) * step // 10
            self._do("xdotool", "mousemove", str(x), str(y))
            time.sleep(0.05)
        self._do("xdotool", "mouseup", "1")
        time.sleep(0.3)

    def keys(self, *names: str) -> None:
        for name in names:
            self._do("xdotool", "key", name)
            time.sleep(0.35)

    def _place(self, window: int) -> Place | None:
        said = self._do("xwininfo", "-id", str(window))
        names = ("Absolute upper-left X", "Absolute upper-left Y", "Width", "Height")
        found = [re.search(rf"{name}:\s+(-?\d+)", said) for name in names]
        numbers = [int(match.group(1)) for match in found if match]
        return Place(window, *numbers) if len(numbers) == len(names) else None

    def _do(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=30
        )
        return done.stdout


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program that was started here."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
