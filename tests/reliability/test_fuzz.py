"""A little of what `scripts/fuzz.py` does for an hour, and proof that it finds what there is."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camfilter.app.config_file import parse_config
from camfilter.app.requests import fulfil
from camfilter.errors import SettingError
from reliability.fuzzing import Target, fuzz, targets

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes part by fork")

TARGETS: Final = targets()
IN_HERE: Final = [name for name in TARGETS if name not in ("graph", "video")]
"""Targets whose native code, if any, is used in this process; the others have one of their own."""


@pytest.mark.parametrize("name", IN_HERE)
def test_damage_is_refused_as_it_is_meant(name: str, tmp_path: Path) -> None:
    target, inputs = TARGETS[name]

    @settings(
        derandomize=True, deadline=None, database=None, max_examples=40,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(inputs)
    def look(content: bytes) -> None:
        target(content, tmp_path)

    look()


@pytest.mark.parametrize("name", ["graph", "video"])
def test_native_code_survives_damage(name: str) -> None:
    done, finding = fuzz(name, *TARGETS[name], seconds=1.0, seed=7)
    assert finding is None
    assert done > 0


def fail(content: bytes, _folder: Path) -> None:
    if b"\x00" in content:
        raise ZeroDivisionError


def crash(content: bytes, _folder: Path) -> None:
    if b"\x00" in content:
        os.kill(os.getpid(), signal.SIGSEGV)


PLANTED: Final[dict[str, tuple[Target, str]]] = {
    "another error": (fail, "ZeroDivisionError"),
    "a crash": (crash, "signal 11"),
}


@pytest.mark.parametrize(("target", "said"), PLANTED.values(), ids=PLANTED)
def test_what_is_planted_is_found(target: Target, said: str) -> None:
    done, finding = fuzz("planted", target, st.binary(max_size=4), seconds=30.0, seed=1)
    assert finding is not None
    assert done >= 1 or said.startswith("signal")
    assert said in finding.what
    assert b"\x00" in finding.content


# What was found once.


def test_a_number_of_more_digits_than_python_reads() -> None:
    with pytest.raises(SettingError, match="too long"):
        parse_config(b"threads = " + b"9" * 5000, Path("config.toml"))


@pytest.mark.parametrize(
    "line",
    [
        b'{"request": "set", "values": {"epsilon": ' + b"9" * 5000 + b"}}",
        b'{"request": "set", "values": {"epsilon": 1e999}}',
        b'{"request": "set", "values": {"source": "\\ud800"}}',
        b"[" * 5000,
    ],
)
def test_a_request_that_no_one_can_read_is_refused(line: bytes) -> None:
    from camfilter.app.controller import Controller  # noqa: PLC0415
    from camfilter.app.settings import AppSettings  # noqa: PLC0415

    controller = Controller(AppSettings(source="demo", sink="null"))
    before = controller.settings
    _, answer = fulfil(controller, line)
    assert answer["ok"] is False or controller.settings.source != before.source
