from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from app_support import WAIT_S
from camfilter.__main__ import main
from camfilter.app.client import ControlClient
from camfilter.app.config import Layers
from camfilter.app.config_file import FileSettings
from camfilter.app.control import ControlServer
from camfilter.app.controller import Controller, Parts
from camfilter.app.faces import claim, hand_over
from camfilter.app.instance import Running, instance_name, only_running, running, serving
from camfilter.app.settings import AppSettings, changed
from camfilter.app.sockets import SocketTransport, runtime_folder
from camfilter.app.status import Status
from camfilter.cli.live import run_controller, runs_live
from camfilter.cli.live_line import LiveLine, in_one_line
from camfilter.errors import AlreadyRunning, ControlError, NotRunning, SettingError, SourceNotFound
from camfilter.sources import VideoSource, frames_of
from camfilter.surrogate.reading import Reading
from fakes import FakeSource, raw_frame

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and sockets are Unix's")


class Live:
    """A live run in another process, in a home of its own."""

    def __init__(self, home: Path, *words: str) -> None:
        self.home = home
        self.config = home / "config.toml"
        if not self.config.exists():
            self.config.write_text("")
        self.variables = {"XDG_RUNTIME_DIR": str(home), "CAMFILTER_CONFIG": str(self.config)}
        script = Path(__file__).with_name("live_process.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), "provider=cpu", *words],
            env={**os.environ, **self.variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, out, err

    def transport(self) -> SocketTransport:
        return SocketTransport(runtime_folder(self.variables))

    def until(self, wanted: Any) -> dict[str, Any]:
        """Wait for a status; a run that ends meanwhile fails the test."""
        until_s = time.monotonic() + WAIT_S
        while time.monotonic() < until_s:
            assert self.process.poll() is None, self.end()
            with contextlib.suppress(NotRunning):
                one = only_running(self.transport())
                with ControlClient(self.transport().connect(one.name)) as client:
                    for status in client.watch():
                        if wanted(status):
                            return status
                        assert time.monotonic() < until_s, status
        raise AssertionError("it never came so far")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("CAMFILTER_CONFIG", str(tmp_path / "config.toml"))
    return tmp_path


@contextlib.contextmanager
def live(home: Path, *words: str) -> Iterator[Live]:
    it = Live(home, *words)
    try:
        yield it
    finally:
        if it.process.poll() is None:
            it.process.kill()
            it.process.communicate(timeout=WAIT_S)


def ctl(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["ctl", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


def frames_in(recording: Path) -> int:
    with VideoSource(recording) as video:
        return sum(1 for _ in frames_of(video))


def is_protected(status: dict[str, Any]) -> bool:
    return bool(status["state"] == "protected" and status["before"])


def test_a_whole_life_from_start_to_stop(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = home / "out.mkv"
    with live(home, f"sink={recording}") as it:
        it.until(is_protected)
        status, out, _ = ctl(capsys, "status", "--json")
        assert status == 0
        assert json.loads(out)["settings"]["sink"] == str(recording)
        assert "ms on cpu" in ctl(capsys, "status")[1]
        assert ctl(capsys, "off") == (0, "Protection is OFF: the raw picture is shown.\n", "")
        it.until(lambda status: status["state"] == "off")
        assert ctl(capsys, "toggle") == (0, "Protection is on.\n", "")
        it.until(is_protected)
        assert ctl(capsys, "set", "chain-length", "3", "epsilon", "4/255")[0] == 0
        now = it.until(lambda status: status["settings"]["chain_length"] == 3)
        assert now["settings"]["epsilon"] == pytest.approx(4 / 255)
        status, _, err = ctl(capsys, "set", "epsilom", "4/255")
        assert (status, len(err.splitlines())) == (2, 1)
        assert "Did you mean epsilon?" in err
        status, _, err = ctl(capsys, "set", "sink", "null")
        assert (status, "cannot change" in err) == (2, True)
        assert "vanishes" in ctl(capsys, "set", "epsilon", "0.0001")[2]
        ctl(capsys, "set", "epsilon", "4/255")

        it.config.write_text("threads = 2\nchain_length = 5\n")
        it.until(lambda status: status["settings"]["chain_length"] == 5)
        it.config.write_text("threads = 'x'\n")
        it.until(lambda status: "line 1" in status["config_fault"])
        it.config.write_text("")
        it.until(lambda status: status["config_fault"] == "")

        second = Live(home, f"sink={recording}", "momentum=0.25").end()
        assert second[0] == 0
        assert "already running" in second[1]
        assert "it took over provider, momentum." in second[1]
        it.until(lambda status: status["settings"]["momentum"] == 0.25)
        second = Live(home, f"sink={recording}", "surrogate=x", "threads=1").end()
        assert second[0] == 0
        it.until(lambda status: "There is no surrogate 'x'." in status["reason"])
        ctl(capsys, "set", "surrogate", "")
        it.until(is_protected)

        assert ctl(capsys, "stop") == (0, "camfilter has stopped.\n", "")
        recorded = frames_in(recording)  # whole before `stop` came back
        status, out, err = it.end()
        assert (status, err) == (0, "")
        figures = json.loads(out)
        assert figures["frames_out"] == recorded
        assert figures["protected"] > 0
        assert figures["off"] > 0
        assert figures["linf_levels"] <= 6
    assert ctl(capsys, "status") == (
        2,
        "",
        "camfilter: camfilter is not running. Start it with: camfilter run\n",
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_recording_whole(home: Path, number: signal.Signals) -> None:
    recording = home / "out.mkv"
    with live(home, f"sink={recording}") as it:
        it.until(is_protected)
        it.process.send_signal(number)
        status, out, err = it.end()
    assert (status, err) == (0, "")
    assert frames_in(recording) == json.loads(out)["frames_out"] > 0
    assert sorted(path.name for path in home.iterdir()) == ["camfilter", "config.toml", "out.mkv"]


def layers_with(**values: Any) -> Layers:
    settings = changed(AppSettings(provider="cpu"), values)
    return Layers(settings, Path("/nonexistent/config.toml"), FileSettings(), {}, values)


def endless_camera(_settings: AppSettings) -> FakeSource:
    return FakeSource((raw_frame(i) for i in range(10**9)), live=True)


def test_a_run_without_a_control_socket_says_so_and_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = SocketTransport(tmp_path / "missing")
    parts, layers = Parts(open_source=endless_camera), layers_with(sink="null")
    figures = run_controller(layers, max_frames=2, parts=parts, transport=missing)
    assert figures is not None
    assert figures["frames_out"] == 2
    assert "cannot reach this run" in capsys.readouterr().err


def test_several_may_show_or_drop_at_once_and_only_the_first_is_controlled(tmp_path: Path) -> None:
    transport = SocketTransport(tmp_path)
    with transport.listen(instance_name("null")):
        second = claim("null", transport)
        assert (second.listener, second.other, second.fault) == (None, None, "")
    first = claim("null", transport).listener
    assert first is not None
    first.close()


def test_a_camera_that_is_not_there_gives_the_name_back(tmp_path: Path) -> None:
    def missing(_settings: AppSettings) -> FakeSource:
        raise SourceNotFound("There is no camera.")

    transport = SocketTransport(tmp_path)
    for _ in range(2):
        with pytest.raises(SourceNotFound):
            run_controller(layers_with(), parts=Parts(open_source=missing), transport=transport)


def test_frames_to_run_are_counted(tmp_path: Path) -> None:
    figures = run_controller(
        layers_with(sink="null"),
        max_frames=4,
        parts=Parts(open_source=endless_camera),
        transport=SocketTransport(tmp_path),
    )
    assert figures is not None
    assert figures["frames_out"] == 4


def test_who_has_a_sink_is_found_by_its_device_too(tmp_path: Path) -> None:
    transport = SocketTransport(tmp_path)
    answers = {"sink": "virtual camera /dev/video7", "settings": {"sink": "virtual"}}
    with answering(transport, "virtual", answers):
        for sink in ("virtual", "virtual:/dev/video7"):
            assert serving(transport, sink) == Running("control", "virtual", "/dev/video7")
            assert only_running(transport, sink).device == "/dev/video7"
        assert serving(transport, "virtual:/dev/video8") is None
        with pytest.raises(NotRunning, match=r"No camfilter runs for out\.mkv"):
            only_running(transport, "out.mkv")
        named = {"sink": "virtual camera /dev/video8", "settings": {"sink": "virtual:/dev/video8"}}
        with answering(transport, "virtual:/dev/video8", named):
            assert len(running(transport)) == 2
            with pytest.raises(ControlError, match="2 camfilters run"):
                only_running(transport)
            assert only_running(transport, "virtual:/dev/video8").device == "/dev/video8"


@contextlib.contextmanager
def answering(transport: SocketTransport, sink: str, status: dict[str, Any]) -> Iterator[None]:
    """A process that answers every request with this status."""
    with transport.listen(instance_name(sink)) as listener:

        def answer() -> None:
            while (channel := listener.accept()) is not None:
                if channel.receive(WAIT_S) is not None:
                    channel.send(json.dumps({"ok": True, "status": status}).encode(), WAIT_S)
                channel.close()

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield
        finally:
            listener.close()
            thread.join(WAIT_S)


def test_one_that_has_the_name_but_never_answers_is_waited_for_and_then_said(
    tmp_path: Path,
) -> None:
    transport = SocketTransport(tmp_path)
    now_s, waited = [0.0], []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        now_s[0] += 1.0

    assert serving(transport, "virtual", starting=True, clock=lambda: now_s[0], pause=pause) is None
    assert len(waited) == 10
    with transport.listen("control"), pytest.raises(AlreadyRunning):
        transport.listen("control")


def test_what_is_handed_over_fits_the_one_that_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mkv").write_bytes(b"")
    transport, controller = SocketTransport(tmp_path), Controller(AppSettings())
    with ControlServer(controller, transport.listen("control")):
        other = claim("virtual", transport).other
        assert other is not None
        assert hand_over(other, {}, transport) == "camfilter is already running for virtual."
        flags = {"source": "clip.mkv", "sink": "virtual", "chain_length": 3}
        said = hand_over(other, flags, transport)
        assert said.endswith("it took over source, chain length.")
        assert controller.settings.source == str(tmp_path / "clip.mkv")
        with pytest.raises(SettingError, match="Chain length 0"):
            hand_over(other, {"chain_length": 0}, transport)
        for source in ("demo", "0", "my camera"):
            hand_over(other, {"source": source}, transport)
            assert controller.settings.source == source


def test_files_are_the_same_sink_by_whatever_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert instance_name("out.mkv") == instance_name(str(tmp_path / "out.mkv"))
    names = {instance_name(sink) for sink in ("virtual", "virtual:/dev/video1", "null", "out.mkv")}
    assert len(names) == 4


def test_what_runs_live(tmp_path: Path) -> None:
    video, picture = tmp_path / "a.mkv", tmp_path / "a.png"
    video.write_bytes(b"")
    picture.write_bytes(b"")
    for source in ("0", "/dev/video3", "my camera"):
        assert runs_live(AppSettings(source=source, sink="out.mkv"))
    for source in ("demo", str(video)):
        assert runs_live(AppSettings(source=source, sink="virtual:/dev/video1"))
        assert runs_live(AppSettings(source=source, sink="preview"))
        assert not runs_live(AppSettings(source=source, sink="null"))
    for source in (str(picture), str(tmp_path)):
        assert not runs_live(AppSettings(source=source, sink="preview"))


def test_the_run_command_reads_its_layers(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, figures = home / "config.toml", home / "figures.json"
    config.write_text("epsilon = '4/255'\nchain_length = 2\nsource = 'demo'\nsink = 'null'\n")
    monkeypatch.setenv("CAMFILTER_PROVIDER", "cpu")
    words = ["run", "--max-frames", "3", "--size", "320x240", "--chain-length", "3"]
    assert main([*words, "--json", str(figures)]) == 0
    read = json.loads(figures.read_text())
    assert (read["frames_out"], read["budget_levels"], read["provider"]) == (3, 4, "cpu")
    assert read["settings"]["chain_length"] == 3
    capsys.readouterr()
    for words, said in (
        (["--epsilon", "0.0001"], "vanishes"),
        (["--chain-length", "0"], "Chain length"),
        (["--provider", "abacus"], "Provider 'abacus'"),
        (["--size", "big"], "Size 'big'"),
        (["--threads", "100"], "Threads 100"),
        (["--mode", "targeted"], "needs a target"),
    ):
        assert main(["run", *words]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert len(error.splitlines()) == 1


def some_status(**other: Any) -> Status:
    values: dict[str, Any] = {
        "state": "protected", "reason": "", "settings": AppSettings(), "fps": 29.6,
        "latency_ms": 8.14, "provider": "cpu", "faces": 1,
        "before": Reading("happiness", 0.98, 0.1), "after": Reading("neutral", 0.61, 1.24),
        "frames_out": 7, "watched": True, "sink": "nowhere", "sink_fault": "",
    }  # fmt: skip
    return Status(**{**values, **other})


def test_the_live_line_says_it_all_in_one_line() -> None:
    line = in_one_line(some_status()).plain
    assert line == (
        "protected  30 fps  8.1 ms on cpu  happiness 98% -> neutral 61%  0.1 -> 1.2 bits"
    )
    away = some_status(state="placeholder", reason="No camera.", before=None, provider="")
    assert in_one_line(away).plain == "placeholder  30 fps  No camera."


def test_the_live_line_is_drawn_on_a_terminal_four_times_a_second_and_nowhere_else() -> None:
    now_s, asked = [0.0], []

    def status() -> Status:
        asked.append(now_s[0])
        return some_status()

    for is_terminal, times in ((True, 3), (False, 0)):
        asked.clear()
        now_s[0] = 0.0
        text = io.StringIO()
        console = Console(file=text, force_terminal=is_terminal, width=100)
        with LiveLine(status, lambda: now_s[0], console) as line:
            for _ in range(6):
                line.update()
                now_s[0] += 0.125
        assert len(asked) == times
        assert ("protected" in text.getvalue()) is is_terminal
