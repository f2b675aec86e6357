"""No network: every system call of the program and its children is looked at, native code's too."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def network_calls(tmp_path: Path, *words: str) -> list[str]:
    """System calls of a Python process that name an internet address."""
    log = tmp_path / "calls.txt"
    tracer = ["strace", "-f", "-qq", "-e", "trace=network", "-o", str(log)]
    subprocess.run([*tracer, sys.executable, *words], check=True, capture_output=True, timeout=120)
    return [line for line in log.read_text().splitlines() if "AF_INET" in line]


def test_a_connection_would_be_noticed(tmp_path: Path) -> None:
    planted = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    assert any("connect(" in call for call in network_calls(tmp_path, "-c", planted))


@pytest.mark.parametrize(
    "words",
    [
        ["run", "-i", "demo", "-o", "{tmp}/out.mkv", "--max-frames", "3"],
        ["run", "-i", "demo", "-o", "null", "--max-frames", "3", "--provider", "cpu"],
        ["devices"],
        ["ctl", "--help"],
    ],
    ids=lambda words: " ".join(words[:3]),
)
def test_a_command_opens_no_connection(tmp_path: Path, words: list[str]) -> None:
    filled = [word.format(tmp=tmp_path) for word in words]
    assert network_calls(tmp_path, "-m", "camfilter", *filled) == []
