"""Start of the end-to-end page: exit status 0 passed, 77 skipped, else failed."""
# ruff: noqa: T201 - its report is what it prints

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import cv2
import numpy as np
from call.browser import find_chromium, version_of
from call.loopback import bring_up
from call.silence import SocketWatch, only_loopback_here

from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Size
from camfilter.sources.demo import portrait_path
from camfilter.sources.pictures import read_picture
from web.chromium import Chromium, DriveError
from web.pictures import telling_jpeg, two_people, without_faces

EXIT_FAILED: Final = 1
EXIT_SKIPPED: Final = 77
EXIT_INTERRUPTED: Final = 130

_READY: Final = "document.getElementById('download').href"
_SAID: Final = "document.getElementById('status').textContent"
_LONGER: Final = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


class _Checks:
    """What was asked, and what came."""

    def __init__(self) -> None:
        self.failed = 0
        self.passed = 0

    def __call__(self, what: str, held: object, seen: object = "") -> None:
        word = "PASSED" if held else "FAILED"
        print(f"{word}  {what}{f' ({seen})' if seen != '' and not held else ''}", flush=True)
        self.passed += bool(held)
        self.failed += not held


def main() -> int:
    """Drive the page and judge what comes of it."""
    signal.signal(signal.SIGTERM, _stop)
    parser = argparse.ArgumentParser(prog="e2e_web", description="The page in a real browser.")
    parser.add_argument("--out", type=Path, help="folder for screenshots and the masked picture")
    out = parser.parse_args().out
    program = find_chromium()
    if not sys.platform.startswith("linux"):
        return _skip("the browser is watched through Linux' /proc")
    if program is None:
        return _skip("no chromium: install your system's package of that name")
    no_way_out = only_loopback_here()
    checks = _Checks()
    try:
        if no_way_out:
            bring_up()
        with tempfile.TemporaryDirectory(prefix="camfilter-web-") as folder:
            shots = out or Path(folder) / "out"
            shots.mkdir(parents=True, exist_ok=True)
            print(f"{version_of(program)}; {'no' if no_way_out else 'a'} way out of this machine.")
            _drive(program, Path(folder), shots, checks)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except DriveError as error:
        checks(str(error), held=False)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return EXIT_FAILED if checks.failed else 0


def _drive(program: str, folder: Path, shots: Path, checks: _Checks) -> None:
    picture = folder / "my holiday.jpg"
    raw = read_picture(portrait_path())
    picture.write_bytes(telling_jpeg(raw))
    work = folder / "work"
    work.mkdir()
    with _server(work) as address, Chromium(program, folder / "browser") as browser:
        with SocketWatch(browser.processes) as watch:
            browser.look_like(1200, 900, "light")
            browser.ask("Page.navigate", url=address)
            browser.wait("The page", "document.readyState == 'complete' && !!document.body")
            browser.screenshot(shots / "1-empty.png")
            _mask(browser, picture, shots, checks)
            _download(browser, raw, shots, checks)
            _by_keyboard(browser, checks)
            _hide_both(browser, shots, checks)
            _narrow(browser, shots, checks)
            _dropped(browser, folder, shots, checks)
            _faceless(browser, folder, shots, checks)
        seen = {f"{urlsplit(each).scheme}://{urlsplit(each).netloc}" for each in browser.addresses}
        own = {address.rstrip("/"), "blob://"}
        checks("Every request goes to the page's own address.", seen <= own, sorted(seen - own))
        checks("No socket of the browser leads off this machine.", not watch.strangers,
               sorted(watch.strangers))  # fmt: skip
        checks("The sockets were looked at.", watch.looks > 0)
        noise = [each for each in browser.complaints if "422" not in each]
        checks("The page has no error, and nothing broke its policy.", not noise, noise)
        left = [each.name for each in work.iterdir()]
        checks("The server wrote no file.", not left, left)


def _mask(browser: Chromium, picture: Path, shots: Path, checks: _Checks) -> None:
    browser.give_file("#file", picture)
    browser.wait("A masked picture", _READY)
    checks("A chosen picture comes back masked.", "1 face is masked" in browser.value(_SAID),
           browser.value(_SAID))  # fmt: skip
    first = browser.value(_READY)
    asked = len(browser.addresses_asked())
    browser.value("document.getElementById('strength').focus()")
    browser.press("ArrowRight", 4)
    browser.wait("Another one", f"{_READY} && {_READY} != {first!r}")
    strength = browser.value("document.getElementById('strength').value")
    checks("The slider moves by keys.", strength == "10", strength)
    masks = browser.addresses_asked()[asked:]
    checks("Moving the slider asks again, and not for every step.", 0 < len(masks) <= 2, masks)
    checks("The strength that was chosen is asked for.",
           any("strength=10" in each for each in masks), masks)  # fmt: skip
    figures = browser.value("document.getElementById('about').textContent")
    checks("The page says the greatest change.", "10 of 10 levels" in figures, figures)
    checks("The page says what was left out.", "the place (GPS)" in figures, figures)
    browser.wait("Both pictures", "['original', 'masked'].every(id =>"
                 " document.getElementById(id).naturalWidth > 0)")  # fmt: skip
    shown = browser.value(
        "['original', 'masked'].map(id => { const r ="
        " document.getElementById(id).getBoundingClientRect();"
        " return [r.x, r.y, r.width, r.height].map(Math.round) })"
    )
    checks("Before and after lie upon each other.", shown[0] == shown[1], shown)
    browser.screenshot(shots / "2-masked.png")


def _download(browser: Chromium, raw: Any, shots: Path, checks: _Checks) -> None:
    browser.value("document.getElementById('download').click()")
    file = browser.downloads / "my holiday-masked.jpg"
    browser.wait_for("The download", file.exists)
    browser.wait_for("All of it", lambda: not list(browser.downloads.glob("*.crdownload")))
    data = file.read_bytes()
    (shots / "masked.jpg").write_bytes(data)
    after = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    checks("The file has the picture's size.", after.shape == raw.shape, after.shape)
    checks("Nothing of place, camera and owner is in it.",
           not re.search(rb"GPS|SECRET|Exif|http://ns.adobe|Photoshop", data))  # fmt: skip
    finder = MediaPipeFaces(stills=True)
    (face,) = finder.find(raw)
    finder.close()
    part = face.box.within(Size.of(raw)).slices()
    before = cv2.cvtColor(raw, cv2.COLOR_BGR2GRAY)[part].astype(int)
    moved = np.abs(cv2.cvtColor(after, cv2.COLOR_BGR2GRAY)[part].astype(int) - before)
    checks("Its face differs, by about the strength.", 3 < moved.mean() < 12, moved.mean())


def _by_keyboard(browser: Chromium, checks: _Checks) -> None:
    browser.value("document.activeElement.blur(); scrollTo(0, 0)")
    reached = set()
    for _ in range(12):
        browser.press("Tab")
        reached.add(browser.value("document.activeElement.id || document.activeElement.name"))
    wanted = {"file", "cut", "show-faces", "hide", "strength", "download"}
    checks("Everything is reached by the Tab key.", wanted <= reached, sorted(wanted - reached))
    nameless = browser.value(
        "[...document.querySelectorAll('input, a, button')].filter(each =>"
        " !(each.labels?.length && [...each.labels].some(l => l.textContent.trim()))"
        " && !each.textContent.trim()).map(each => each.id)"
    )
    checks("Everything has a name.", nameless == [], nameless)


def _hide_both(browser: Chromium, shots: Path, checks: _Checks) -> None:
    before = browser.value(_READY)
    browser.value("document.querySelector('input[name=hide]:checked').focus()")
    browser.press("ArrowRight", 2)
    choice = browser.value("document.querySelector('input[name=hide]:checked').value")
    checks("What to hide is chosen by keys.", choice == "both", choice)
    browser.wait("Both hidden", f"{_READY} && {_READY} != {before!r}")
    checks("The last choice is what was asked for.", "hide=both" in browser.addresses_asked()[-1])
    about = browser.value("document.getElementById('about').textContent")
    checks(
        "The page says who still recognises it.", "networks that tell people apart" in about, about
    )
    _magnified(browser, checks)
    browser.screenshot(shots / "6-both.png")
    browser.value("document.getElementById('show-change').click()")


def _magnified(browser: Chromium, checks: _Checks) -> None:
    """The magnified change is where the face is, and hardly anywhere else."""
    browser.value("document.getElementById('show-change').click()")
    browser.wait("The change", "!document.getElementById('change').hidden")
    inside, outside = browser.value(
        "(() => { const canvas = document.getElementById('change');"
        " const box = document.querySelector('.face').style, d = canvas.getContext('2d');"
        " const [x, y, w, h] = ['left', 'top', 'width', 'height'].map((side, i) =>"
        " Math.round(parseFloat(box[side]) / 100 * (i % 2 ? canvas.height : canvas.width)));"
        " const far = (...part) => { const { data } = d.getImageData(...part); let sum = 0;"
        " for (let i = 0; i < data.length; i += 4) sum += Math.abs(data[i] - 128);"
        " return sum / (data.length / 4); };"
        " return [far(x, y, w, h), far(0, 0, canvas.width, y - 20)]; })()"
    )
    checks("The magnified change is on the face.", inside > 30 and inside > 2 * outside,
           (inside, outside))  # fmt: skip


def _dropped(browser: Chromium, folder: Path, shots: Path, checks: _Checks) -> None:
    group = folder / "group.png"
    group.write_bytes(two_people())
    before = browser.value(_READY)
    browser.drop("#work", group)
    browser.wait("Two faces", f"{_READY} && {_READY} != {before!r}")
    checks("A dropped picture is masked, and both its faces.",
           "2 faces are masked" in browser.value(_SAID), browser.value(_SAID))  # fmt: skip
    marks = browser.value("document.querySelectorAll('.face').length")
    checks("Both are marked in the picture.", marks == 2, marks)
    browser.value("scrollTo(0, 0)")
    browser.screenshot(shots / "7-dropped.png")


def _narrow(browser: Chromium, shots: Path, checks: _Checks) -> None:
    browser.look_like(360, 740, "dark")
    browser.value("scrollTo(0, 0)")
    checks("At 360 px nothing sticks out.", not browser.value(_LONGER))
    browser.screenshot(shots / "3-narrow-dark.png")
    browser.look_like(1200, 900, "dark")
    browser.screenshot(shots / "4-dark.png")


def _faceless(browser: Chromium, folder: Path, shots: Path, checks: _Checks) -> None:
    empty = folder / "sky.png"
    empty.write_bytes(without_faces())
    browser.give_file("#file", empty)
    browser.wait("A refusal", f"{_SAID}.includes('No face was found')")
    checks("Without a face there is nothing to download.", not browser.value(_READY))
    browser.screenshot(shots / "5-no-face.png")


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """The program in a process of its own; gives the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "camfilter", "web"],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = (process.stdout or sys.stdin).readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        if found is None:
            raise DriveError(f"camfilter web says {line!r}.")
        yield found[0]
    finally:
        process.terminate()
        process.wait(20)


def _skip(reason: str) -> int:
    print(f"SKIPPED  {reason}")
    return EXIT_SKIPPED


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
