"""Drives `camfilter tray` as a person does, and proves each effect by the frames it wrote."""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.e2e.tray.desktop import Desktop, Place, can_be_notified, end, missing_tools, wait_for
from tests.e2e.tray.written import CARD, Written

SKIPPED = 77
DEMO = ("--source", "demo", "--size", "640x480")
FIRST_LEVELS, DRAGGED_LEVELS, PRESET_LEVELS = 6, 12, 2


class Tally:
    """Counts what passed and what failed."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def check(self, name: str, seen: object, more: object = "") -> None:
        good = bool(seen)
        self.passed += good
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {name}{'' if good else f'  ({more!r})'}", flush=True)


class Session:
    """One run of the tray on the screen."""

    def __init__(self, desktop: Desktop, program: list[str], *options: str) -> None:
        self.desktop = desktop
        self.process = desktop.start(*program, *options)

    def state(self, wanted: str, timeout_s: float = 40.0) -> bool:
        return wait_for(lambda: self.desktop.state() == wanted, timeout_s)

    def menu(self) -> Place | None:
        """Open the icon's menu."""
        before = {place.window for place in self.desktop.windows()}
        icon = self.desktop.icon()
        if icon is None:
            return None
        self.desktop.click(icon.centre, button=3)
        return wait_for(lambda: self.newest(before), 5)

    def newest(self, before: set[int]) -> Place | None:
        new = [place for place in self.desktop.windows() if place.window not in before]
        return max(new, key=lambda place: place.width * place.height, default=None)

    def after(self, act: Callable[[], None]) -> Place | None:
        """The window that comes up after something was done."""
        before = {place.window for place in self.desktop.windows()}
        act()
        return wait_for(lambda: self.newest(before), 5)

    def quit_by_menu(self) -> int | None:
        self.menu()
        self.desktop.keys("q")
        return self.ended()

    def ended(self) -> int | None:
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            return None


def in_the_tray(desktop: Desktop, program: list[str], out: Path, tally: Tally) -> None:
    """Everything by the icon and its menu, into a lossless video."""
    video = out / "sink.mkv"
    desktop.start_tray()
    session = Session(desktop, program, *DEMO, "--chain-length", "5", "--sink", str(video))
    tally.check("the icon appears in the tray and says protected", session.state("protected"))
    desktop.keep("1-icon")
    time.sleep(2)

    menu = session.menu()
    tally.check("a right click opens the menu", menu)
    box = session.after(lambda: desktop.keys("p"))
    tally.check("turning off asks first", box)
    if box:
        desktop.keep("3-question", box, margin=12)
    desktop.keys("Return")
    tally.check("the default answer keeps protection", session.state("protected", 5))

    session.menu()
    desktop.keys("p", "alt+t")
    tally.check("the icon says off", session.state("off"))
    desktop.keep("4-off")
    time.sleep(2)
    session.menu()
    desktop.keys("p")
    tally.check("protection comes back without a question", session.state("protected"))
    time.sleep(2)

    menu = session.menu()
    slider = session.after(lambda: desktop.keys("e"))
    tally.check("the menu has a slider", slider)
    icon = desktop.icon()
    if slider and menu and icon:
        desktop.drag(_handle(slider, FIRST_LEVELS), _handle(slider, DRAGGED_LEVELS))
        desktop.keep("2-menu", slider, menu, icon, margin=6)
    desktop.keys("Escape", "Escape")
    session.state("protected")
    time.sleep(3)
    session.menu()
    desktop.keys("e", str(PRESET_LEVELS))
    session.state("protected")
    time.sleep(3)

    desktop.end_tray()
    tally.check("the icon goes with the tray", wait_for(lambda: desktop.icon() is None))
    desktop.start_tray()
    tally.check("the icon comes back with the tray", session.state("protected"))
    desktop.keep("5-tray-restarted")

    icon = desktop.icon()
    if icon:
        desktop.click(icon.centre)
    tally.check("a click opens the window", wait_for(desktop.window))
    desktop.keys("alt+F4")
    hidden = wait_for(lambda: desktop.window() is None)
    tally.check("closing the window hides it", hidden and session.process.poll() is None)
    tally.check("quit in the menu ends it", session.quit_by_menu() == 0)
    desktop.end_tray()

    written = Written(video)
    phases = written.phases()
    levels = [level for level, _ in phases]
    video.unlink()
    wanted = [FIRST_LEVELS, 0, FIRST_LEVELS, DRAGGED_LEVELS, PRESET_LEVELS]
    tally.check("the frames show each change, in order", _in_order(wanted, levels), phases)
    tally.check("no raw frame but between off and on", _raw_once(written.levels), phases)


def without_a_tray(desktop: Desktop, program: list[str], tally: Tally) -> None:
    """The window is the whole program; then a tray comes late."""
    session = Session(desktop, program, *DEMO, "--sink", "null")
    window = wait_for(desktop.window, 40)
    tally.check("without a tray the window opens", window)
    time.sleep(8)
    if window := desktop.window():
        desktop.keep("6-window", window)
    desktop.keys("alt+d")
    time.sleep(1.5)
    if window := desktop.window():
        desktop.keep("7-difference", window)
    desktop.keys("alt+d")
    box = session.after(lambda: desktop.keys("alt+F4"))
    tally.check("closing the window asks first", box)
    desktop.keys("Return")
    time.sleep(1)
    stayed = desktop.window() is not None and session.process.poll() is None
    tally.check("the default answer stays", stayed)
    desktop.start_tray()
    tally.check("a tray that comes late gets the icon", wait_for(desktop.icon))
    desktop.end_tray()
    wait_for(lambda: desktop.icon() is None)
    time.sleep(1.5)
    desktop.keys("alt+q")
    tally.check("the key for quit ends it", session.ended() == 0)


def without_a_camera(desktop: Desktop, program: list[str], tally: Tally) -> None:
    """A camera that is not there."""
    desktop.start_tray()
    session = Session(desktop, program, "--source", "no-such-camera", "--sink", "null")
    tally.check("without the camera the icon says error", session.state("error"))
    icon = desktop.icon()
    if icon:
        desktop.click(icon.centre)
    window = wait_for(desktop.window)
    time.sleep(1.5)
    if window:
        desktop.keep("8-no-camera", window)
    tally.check("the window opens and the program lives", window and session.process.poll() is None)
    tally.check("it can be quit", session.quit_by_menu() == 0)
    desktop.end_tray()


def on_the_bus(desktop: Desktop, program: list[str], tally: Tally) -> None:
    """A tray as KDE and GNOME have it: over D-Bus, started late, restarted."""
    desktop.start_bus()
    session = Session(desktop, program, *DEMO, "--sink", "null")
    tally.check("with a bus and no tray the window opens", wait_for(desktop.window, 40))
    for when in ("late", "restarted"):
        host, seen = desktop.start_notifier_host()
        icon = wait_for(partial(_first_line, seen))
        tally.check(f"a D-Bus tray that is {when} gets the icon", icon)
        labels = json.loads(icon)["labels"] if icon else []
        tally.check("its menu has the presets", {"_6 levels", "_10 stages"} <= set(labels), labels)
        end(host)
        time.sleep(3)
    session.process.terminate()
    tally.check("a signal ends it without a question", session.ended() == 0)


def pictures_for_the_docs(desktop: Desktop, program: list[str], out: Path, docs: Path) -> int:
    """The menu and the window, with few colours so that the files are small."""
    desktop.start_tray()
    session = Session(desktop, program, *DEMO, "--sink", "null")
    session.state("protected")
    time.sleep(4)
    menu = session.menu()
    slider = session.after(lambda: desktop.keys("e"))
    if menu and slider:
        desktop.drag(_handle(slider, FIRST_LEVELS), _handle(slider, 8))
        time.sleep(2)
        desktop.keep("tray-menu", menu, slider, margin=6)
    desktop.keys("6")
    session.state("protected")
    if icon := desktop.icon():
        desktop.click(icon.centre)
    time.sleep(5)
    if window := wait_for(desktop.window):
        _keep_protected(session, "window", window)
    session.quit_by_menu()
    docs.mkdir(parents=True, exist_ok=True)
    for name in ("tray-menu", "window"):
        shrink = ["convert", f"{out}/{name}.png", "-strip", "-colors", "200"]
        subprocess.run([*shrink, f"png8:{docs}/{name}.png"], check=True)
    return 0


def _keep_protected(session: Session, name: str, window: Place) -> None:
    """Keep a screenshot that shows the state protected, however busy the machine is."""
    for _ in range(20):
        time.sleep(0.5)
        session.state("protected")
        session.desktop.keep(name, window)
        if session.desktop.state() == "protected":
            return


def _first_line(path: Path) -> str:
    line, end_of_line, _ = path.read_text().partition("\n")
    return line if end_of_line else ""


def _handle(slider: Place, levels: int) -> tuple[int, int]:
    """Where the slider's handle is at so many of its 16 levels."""
    left, right = slider.x + 21, slider.x + slider.width - 21
    return round(left + (right - left) * (levels - 1) / 15), slider.y + 33


def _in_order(wanted: list[int], seen: list[int]) -> bool:
    rest = iter(seen)
    return all(level in rest for level in wanted)


def _raw_once(levels: list[int]) -> bool:
    """Whether raw frames are one run, with none before or after."""
    raw = [index for index, level in enumerate(levels) if level == 0]
    return bool(raw) and all(level in (0, CARD) for level in levels[raw[0] : raw[-1] + 1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for the screenshots")
    parser.add_argument(
        "--docs", type=Path, help="only make the two pictures of docs/tray.md, into this folder"
    )
    parser.add_argument(
        "--program", help="how to start the tray", default=f"{sys.executable} -m camfilter tray"
    )
    given = parser.parse_args()
    if missing := missing_tools():
        print(f"skipped: not installed: {', '.join(missing)}")
        return SKIPPED
    out: Path = given.out or Path(tempfile.mkdtemp(prefix="camfilter-tray-"))
    out.mkdir(parents=True, exist_ok=True)
    tally, program = Tally(), shlex.split(given.program)
    if given.docs:
        with Desktop(out) as desktop:
            return pictures_for_the_docs(desktop, program, out, given.docs)
    with Desktop(out) as desktop:
        in_the_tray(desktop, program, out, tally)
    for part in (without_a_tray, without_a_camera):
        with Desktop(out) as desktop:
            part(desktop, program, tally)
    if can_be_notified():
        with Desktop(out) as desktop:
            on_the_bus(desktop, program, tally)
    else:
        print("skip the D-Bus tray: dbus-daemon, python3-dbus or python3-gi is not installed")
    print(f"screenshots: {out}")
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
