from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from camfilter.cli import doctor as command
from camfilter.doctor.child import ChildFailed, ask_child
from camfilter.doctor.commands import NOT_FOUND, TIMED_OUT, Answer, run_command
from camfilter.doctor.finding import Check, CheckResult, Finding, Status, fail, ok, warn
from camfilter.doctor.running import run_checks
from camfilter.doctor.system import System
from camfilter.errors import GraphRefused


def only(check: Check, budget_s: float = 10.0) -> CheckResult:
    (result,) = run_checks([check], System(), budget_s)
    return result


def raises(error: Exception) -> Check:
    def look(_: System) -> Finding:
        raise error

    return Check("broken", look)


def test_an_exception_is_a_failure_in_one_line() -> None:
    found = only(raises(ValueError("first\nsecond  third"))).finding
    assert found == Finding(Status.FAIL, "ValueError: first second third")


def test_an_error_of_ours_brings_its_hint() -> None:
    found = only(raises(GraphRefused("The graph is missing.", "Install again."))).finding
    assert found == Finding(Status.FAIL, "The graph is missing.", "Install again.")


def test_a_check_that_hangs_is_left_behind() -> None:
    never = threading.Event()

    def hang(_: System) -> Finding:
        never.wait()
        return ok("late")

    start_s = time.monotonic()
    found = only(Check("hung", hang, time_out_s=0.1)).finding
    never.set()
    assert time.monotonic() - start_s < 5
    assert found.status is Status.FAIL
    assert "no answer" in found.detail


def test_when_the_budget_is_used_up_the_rest_is_said_to_be_unchecked() -> None:
    now = [0.0]

    def slow(_: System) -> Finding:
        now[0] += 9.99
        return ok("done")

    system = System(clock=lambda: now[0])
    results = list(run_checks([Check("slow", slow), Check("left", slow)], system, 10.0))
    assert [result.finding.status for result in results] == [Status.OK, Status.WARN]
    assert "not checked" in results[1].finding.detail


def test_a_command_that_is_missing_or_hangs_has_an_answer_all_the_same() -> None:
    assert run_command(["camfilter-no-such-program"], 1.0).status == NOT_FOUND
    start_s = time.monotonic()
    assert run_command([sys.executable, "-c", "import time; time.sleep(60)"], 0.3).status == (
        TIMED_OUT
    )
    assert time.monotonic() - start_s < 10


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_what_a_hanging_command_started_is_killed_too() -> None:
    start_s = time.monotonic()
    assert run_command(["sh", "-c", "sleep 60 & sleep 60"], 0.3).status == TIMED_OUT
    assert time.monotonic() - start_s < 10


def test_output_and_complaint_come_back() -> None:
    program = "import sys; print('out'); sys.exit('why')"
    assert run_command([sys.executable, "-c", program], 10.0) == Answer(1, "out\n", "why\n")


def test_a_child_that_crashes_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="crashed with signal 11"):
        ask_child(System(run=lambda _words, _s: Answer(-11)), ("filter", "1"), 1.0)
    with pytest.raises(ChildFailed, match="ImportError: libGL"):
        ask_child(
            System(run=lambda _words, _s: Answer(1, "", "Traceback\nImportError: libGL\n")),
            ("provider",),
            1.0,
        )


def test_a_real_child_says_what_went_wrong_in_it() -> None:
    with pytest.raises(ChildFailed, match="KeyError"):
        ask_child(System(), ("no such look",), 20.0)


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    made = typer.Typer()
    made.command()(command.doctor)
    return made


def with_checks(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    checks = tuple(
        Check(f"check {number}", lambda _, found=found: found)  # type: ignore[misc]
        for number, found in enumerate(findings)
    )
    monkeypatch.setattr(command, "checks_for", lambda _platform, _run_s: checks)


def test_json_holds_exactly_the_checks(app: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    with_checks(monkeypatch, ok("fine"), warn("meh", "do this"))
    result = CliRunner().invoke(app, ["--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "checks": [
            {"name": "check 0", "status": "ok", "detail": "fine", "hint": ""},
            {"name": "check 1", "status": "warn", "detail": "meh", "hint": "do this"},
        ]
    }


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_one_failure_is_exit_status_1(
    app: typer.Typer, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    with_checks(monkeypatch, ok("fine"), fail("broken", "mend it"))
    assert CliRunner().invoke(app, words).exit_code == 1


def test_every_check_is_one_line_and_what_to_do_follows(
    app: typer.Typer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_checks(monkeypatch, ok("fine", "unsaid"), fail("[bold]broken[/bold]", "mend it"))
    lines = CliRunner().invoke(app, []).stdout.splitlines()
    assert lines[0].split() == ["ok", "check", "0", "fine"]
    assert lines[1].startswith("fail  check 1")
    assert lines[1].endswith("[bold]broken[/bold]")
    assert lines[2].endswith("-> mend it")
    assert len(lines) == 3


def test_the_real_doctor_ends_in_time_with_sound_json(tmp_path: Path) -> None:
    start_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "camfilter.doctor", "--json", "--offline-run-s", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert time.monotonic() - start_s < 30
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert set(report) == {"checks"}
    assert all(set(check) == {"name", "status", "detail", "hint"} for check in report["checks"])
    failed = any(check["status"] == "fail" for check in report["checks"])
    assert done.returncode == int(failed)
    status = {check["name"]: check["status"] for check in report["checks"]}
    assert status["graphs"] == status["config"] == status["control"] == "ok"


def test_doctor_starts_where_opencv_is_broken(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open')\n")
    done = subprocess.run(
        [sys.executable, "-m", "camfilter.doctor", "--offline-run-s", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert done.returncode == 1
    assert "libGL.so.1: cannot open" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
