"""No network, and nothing on the disk but what was asked for.

Every system call of the program and of its children is looked at, native code's too.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

CALLS = "trace=network,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat"
WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|^(?:mkdir|rename|link|creat)")
NO_FILE = ("/dev/", "/proc/", "/sys/")


@dataclass
class Traced:
    """What a process did.

    Attributes:
        folder: its home, and where it was told to write.
        network: calls that name an internet address.
        strange: paths it wrote to outside its folder.
        status: its exit status.
    """

    folder: Path
    network: list[str]
    strange: list[str]
    status: int

    def left(self) -> set[str]:
        """Files that are there now."""
        return {
            str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()
        }


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a Python process under strace, in a folder with a home and a place for files."""
    for name in ("home", "runtime"):
        (folder / name).mkdir(mode=0o700)
    environment = {
        **os.environ,
        "HOME": str(folder / "home"),
        "XDG_RUNTIME_DIR": str(folder / "runtime"),
        "TMPDIR": str(folder / "runtime"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "QT_QPA_PLATFORM": "offscreen",
    }
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        environment.pop(name, None)
    tracer = ["strace", "-f", "-qq", "-y", "-s", "300", "-e", CALLS, "-o", f"{folder}.calls"]
    return subprocess.Popen(
        [*tracer, sys.executable, *words], cwd=folder, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []  # it has ended


def looked_at(folder: Path, status: int) -> Traced:
    lines = Path(f"{folder}.calls").read_text("utf-8", "replace").splitlines()
    calls = [line.partition(" ")[2].strip() for line in lines]
    return Traced(
        folder, [call for call in calls if "AF_INET" in call], list(strange(calls, folder)), status
    )


def strange(calls: list[str], folder: Path) -> Iterator[str]:
    for call in calls:
        if not WRITES.search(call) or " = -1 " in call:
            continue
        for path in re.findall(r'"([^"]+)"', call):
            if not path.startswith(("/", *NO_FILE)):
                continue  # in its folder, or below one that is open
            if not path.startswith((str(folder), *NO_FILE)):
                yield call


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name, as a socket's name may not be long."""
    with tempfile.TemporaryDirectory(prefix="cf-") as base:
        made = Path(base) / "traced"
        made.mkdir()
        yield made


def traced(folder: Path, *words: str) -> Traced:
    process = start(folder, *words)
    return looked_at(folder, process.wait(150))


def test_a_connection_would_be_noticed(folder: Path) -> None:
    planted = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    assert any("connect(" in call for call in traced(folder, "-c", planted).network)


def test_a_file_would_be_noticed(folder: Path, tmp_path: Path) -> None:
    planted = f"open('{tmp_path}/x', 'w'); open('home/y', 'w')"
    found = traced(folder, "-c", planted)
    assert len(found.strange) == 1
    assert found.left() == {"home/y"}


COMMANDS = {
    "run to a file": (["run", "-i", "demo", "-o", "out.mkv", "--max-frames", "3"], {"out.mkv"}),
    "run to nowhere": (["run", "-i", "demo", "-o", "null", "--max-frames", "45"], set()),
    "devices": (["devices"], set()),
    "doctor": (["doctor"], set()),
    "evaluate": (["evaluate", "--help"], set()),
    "ctl": (["ctl", "status"], set()),
}


@pytest.mark.parametrize(("words", "files"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_opens_no_connection_and_leaves_only_what_was_asked(
    folder: Path, words: list[str], files: set[str]
) -> None:
    found = traced(folder, "-m", "camfilter", *words)
    assert found.network == []
    assert found.strange == []
    assert {name for name in found.left() if "camfilter" not in name} == files
    if words[0] == "run":
        assert found.status == 0


def test_the_tray_opens_no_connection(folder: Path) -> None:
    process = start(folder, "-m", "camfilter", "tray", "-i", "demo", "--sink", "null")
    calls = Path(f"{folder}.calls")
    try:
        until_s = time.monotonic() + 90
        while b'.onnx"' not in (calls.read_bytes() if calls.exists() else b""):
            assert process.poll() is None
            assert time.monotonic() < until_s
            time.sleep(0.1)
        assert list(folder.glob("runtime/camfilter/*.sock"))
        assert process.poll() is None
    finally:
        for child in children(process.pid):  # strace itself takes no notice of a signal
            os.kill(child, signal.SIGTERM)
        status = process.wait(60)
    found = looked_at(folder, status)
    assert found.network == []
    assert found.strange == []
    assert {name for name in found.left() if "camfilter" not in name} == set()


def test_the_graphs_runtime_reports_nothing_to_its_maker(folder: Path) -> None:
    """ONNX Runtime's official builds do unless they are told not to, and keep a device id."""
    words = "import onnxruntime as ort; ort.InferenceSession(open('{}', 'rb').read())"
    graph = next((Path(__file__).parent.parent / "onnx").glob("*.onnx"))
    told = traced(folder, "-c", f"import camfilter, os; {words.format(graph)}")
    assert told.left() == set()
    assert told.status == 0


NO_ROUTE = shutil.which("unshare") is None or (
    subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode != 0
)


@pytest.mark.skipif(NO_ROUTE, reason="no network namespace can be made here")
def test_without_any_network_it_works_all_the_same(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "camfilter", "run", "-i", "demo", "-o", "out.mkv"]
    done = subprocess.run(
        ["unshare", "-rn", *run, "--max-frames", "3"],
        cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 protected" in done.stdout
    assert (tmp_path / "out.mkv").stat().st_size > 1000


CRASH = """
import os, resource
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
{}
os.abort()
"""


@pytest.mark.parametrize("protected", [True, False])
def test_a_crash_leaves_no_dump_with_the_picture_in_it(tmp_path: Path, protected: bool) -> None:
    if not protected and resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("this system lets no program leave a dump")
    first = "from camfilter.__main__ import main; main(['--version'])" if protected else ""
    process = subprocess.Popen(
        [sys.executable, "-c", CRASH.format(first)], cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    _, status = os.waitpid(process.pid, 0)
    process.returncode = 0
    assert os.WTERMSIG(status) == signal.SIGABRT
    assert os.WCOREDUMP(status) is not protected
    assert (list(tmp_path.iterdir()) == []) or not protected
