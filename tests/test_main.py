"""How the program ends: by a signal, by Ctrl+C at any time, without streams, at a misspelt word."""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from camfilter.__main__ import main
from camfilter.ending import Ended, ended_by_signals, ending_signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")

WAIT_S = 90
CAMFILTER = (sys.executable, "-m", "camfilter")


def begun(folder: Path, *words: str, shell: str = "") -> subprocess.Popen[str]:
    """Start camfilter in a folder that is its home, too; a terminal's Ctrl+C would reach it."""
    environment = {
        **os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder),
        "QT_QPA_PLATFORM": "offscreen", "CAMFILTER_TRACEBACK": "",
    }  # fmt: skip
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        environment.pop(name, None)
    return subprocess.Popen(
        ["sh", "-c", f'exec "$@" {shell}', "sh", *CAMFILTER, *words],
        cwd=folder, env=environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=WAIT_S)
    return process.returncode, out, err


def until(wanted: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not wanted():
        assert process.poll() is None, ended(process)
        assert time.monotonic() < until_s
        time.sleep(0.02)


def hidden_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".camfilter-*") if path.name != ".camfilter-batch"]


SLOW = ["--chaining", "per-frame", "--chain-length", "200"]
"""A stage takes milliseconds: nothing is done before the signal comes."""

RUNS = {
    "video": (["run", "-i", "demo", "-o", "out.mp4", *SLOW], "out.mp4"),
    "folder": (["run", "-i", "demo", "-o", "out/", *SLOW], "out"),
    "demo": (["demo", "--chain-length", "200"], "demo.mp4"),
}


@pytest.mark.parametrize(("words", "out"), RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_old_file_and_nothing_half(
    tmp_path: Path, words: list[str], out: str, number: signal.Signals
) -> None:
    if (tmp_path / out).suffix:
        (tmp_path / out).write_text("old")
    process = begun(tmp_path, *words)
    until(lambda: bool(hidden_in(tmp_path)), process)
    process.send_signal(number)
    assert ended(process) == (128 + number, "", "")
    assert hidden_in(tmp_path) == []
    assert [path.name for path in tmp_path.glob(f"{out}*")] == ([out] if "." in out else [])
    assert "." not in out or (tmp_path / out).read_text() == "old"


def test_both_signals_of_a_session_that_ends_are_one(tmp_path: Path) -> None:
    process = begun(tmp_path, "run", "-i", "demo", "-o", "out.mkv", *SLOW)
    until(lambda: bool(hidden_in(tmp_path)), process)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGHUP)
    assert ended(process)[0] in (143, 129)
    assert hidden_in(tmp_path) == []


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    words = ["run", "-i", "demo", "-o", "out.mkv", "--max-frames", "4", *SLOW]
    process = subprocess.Popen(
        ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *CAMFILTER, *words],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: bool(hidden_in(tmp_path)), process)
    process.send_signal(signal.SIGHUP)
    status, out, _ = ended(process)
    assert status == 0
    assert "4 protected" in out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_tray_saves_its_recording(tmp_path: Path, number: signal.Signals) -> None:
    pytest.importorskip("PySide6")
    process = begun(tmp_path, "tray", "-i", "demo", "-o", "out.mkv")
    written = 20_000
    until(lambda: any(p.stat().st_size > written for p in hidden_in(tmp_path)), process)
    process.send_signal(number)
    assert ended(process)[0] == 0
    assert hidden_in(tmp_path) == []
    assert (tmp_path / "out.mkv").stat().st_size > written


def of_this_batch(folder: Path) -> list[int]:
    """Processes that have a folder for their home."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if (
                process.name.isdecimal()
                and f"HOME={folder}\0".encode() in (process / "environ").read_bytes()
            ):
                found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are seen in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_workers_of_a_batch_end_with_it(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "in").mkdir()
    done = begun(tmp_path, "run", "-i", "demo", "-o", "in/a.mkv", "--max-frames", "40")
    assert ended(done)[0] == 0
    (tmp_path / "in" / "b.mkv").write_bytes((tmp_path / "in" / "a.mkv").read_bytes())
    process = begun(tmp_path, "batch", "in", "-o", "out", "--workers", "2", *SLOW)
    until(lambda: len(hidden_in(tmp_path / "out")) == 2, process)
    assert len(of_this_batch(tmp_path)) >= 3
    process.send_signal(number)
    assert ended(process)[0] == (130 if number is signal.SIGINT else 128 + number)
    assert of_this_batch(tmp_path) == []
    assert list((tmp_path / "out").glob("*.mkv")) == []


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="handlers are seen in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_while_it_starts_is_silent(tmp_path: Path, number: signal.Signals) -> None:
    for pause_s in (0.02, 0.06, 0.1, 0.15, 0.2):
        process = begun(tmp_path, "run", "-i", "demo", "-o", "out.mp4", *SLOW)
        until(partial(takes_signals, process.pid), process)
        time.sleep(pause_s)  # not for luck: wherever it is by then, it ends alike
        process.send_signal(number)
        status, *said = ended(process)
        assert said == ["", ""]
        # Where Ctrl+C meets code that was run from a string, as dataclasses have it, Python ends
        # itself by SIGINT in the end, whatever status it was given; shells call that 130, too.
        assert status == 128 + number or (number, status) == (signal.SIGINT, -number)


def takes_signals(pid: int) -> bool:
    """Whether a process runs `main` by now: Python itself handles no SIGHUP."""
    (caught,) = re.findall(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    return bool(int(caught, 16) >> (signal.SIGHUP - 1) & 1)


SLOW_MODULE = """
import signal
try:
    signal.raise_signal(signal.{})
    for _ in range(1000):
        pass
except BaseException as error:
    raise ImportError("initialization failed") from error  # as native modules do
loaded = True
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_module_is_loaded_to_its_end_before_the_signal_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / f"slow_{name}.py").write_text(SLOW_MODULE.format(name))
    monkeypatch.syspath_prepend(tmp_path)
    loaded: list[bool] = []

    def load() -> None:
        with ended_by_signals():
            loaded.append(importlib.import_module(f"slow_{name}").loaded)
            time.sleep(WAIT_S)  # the signal comes again, and ends it

    with pytest.raises((KeyboardInterrupt, Ended)):
        load()
    assert loaded == [True]


def test_signals_are_left_as_they_were() -> None:
    names = (signal.SIGINT, *ending_signals())
    before = [signal.getsignal(name) for name in names]
    with ended_by_signals():
        assert [signal.getsignal(name) for name in names] != before
    assert [signal.getsignal(name) for name in names] == before


def test_another_thread_takes_no_signals() -> None:
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(main(["--version"])))
    thread.start()
    thread.join()
    assert statuses == [0]


STUMBLES = """
import sys
from camfilter import __main__

def command(_):
    try:
        raise KeyboardInterrupt
    finally:
        raise RuntimeError("cannot join thread before it is started")

__main__._command = command
sys.exit(__main__.main([]))
"""


def test_who_stumbles_while_cleaning_up_hides_no_interruption(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(STUMBLES)],
        cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize("shell", ["2>&-", ">&-", "<&-"])
def test_a_run_needs_no_stream(tmp_path: Path, shell: str) -> None:
    words = ["run", "-i", "demo", "-o", "out.mkv", "--max-frames", "2"]
    assert ended(begun(tmp_path, *words, shell=shell))[0] == 0
    assert (tmp_path / "out.mkv").stat().st_size > 1000


def test_a_complaint_without_an_error_stream_goes_nowhere(tmp_path: Path) -> None:
    assert ended(begun(tmp_path, "runn", shell="2>&-")) == (2, "", "")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems are told what to do")
def test_setup_without_an_input_takes_it_for_a_no(tmp_path: Path) -> None:
    status, out, err = ended(begun(tmp_path, "setup", shell="<&-"))
    assert (status, err) == (0, "")
    assert "Not done: nobody is here to agree." in out
    assert list(tmp_path.rglob("camfilter.desktop")) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runn"], "No such command 'runn'. Did you mean 'run'? See camfilter --help."),
        (["qwertz"], "No such command 'qwertz'. See camfilter --help."),
        (["run", "-i", "demo", "-o", f"{'a' * 300}.mp4"], "aaa.mp4: File name too long. Choose"),
        (["evaluate", "--out", "x", "--height", "0"], "Invalid value for '--height': "),
    ],
)
def test_what_is_wrong_is_said_with_its_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert said in capfd.readouterr().err
