from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_support import WAIT_S
from camfilter.app.client import ControlClient
from camfilter.app.control import ControlServer, Limits
from camfilter.app.controller import Controller
from camfilter.app.requests import REQUESTS, fulfil
from camfilter.app.settings import AppSettings
from camfilter.app.sockets import SocketTransport, peer_uid, runtime_folder
from camfilter.app.transport import LINE_BYTES
from camfilter.errors import AlreadyRunning, ControlError, NotRunning, SettingError

PATIENT = Limits(request_s=WAIT_S)
UNIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="sockets are Unix's")
ROOT_ONLY = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root can become somebody else"
)
NOBODY = 65534


class Served:
    """A controller that does not run, behind a real socket."""

    def __init__(self, folder: Path) -> None:
        self.controller = Controller(AppSettings())
        self.transport = SocketTransport(folder)
        self.path = folder / "control.sock"

    def client(self) -> ControlClient:
        return ControlClient(self.transport.connect("control"))

    def raw(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(WAIT_S)
        connection.connect(str(self.path))
        return connection


@contextlib.contextmanager
def served(folder: Path, limits: Limits = PATIENT) -> Iterator[Served]:
    it = Served(folder)
    with ControlServer(it.controller, it.transport.listen("control"), limits):
        yield it


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as it:
        yield it


def answer_of(connection: socket.socket) -> dict[str, Any] | None:
    """The next line; None when the server ended the connection."""
    line = b""
    with contextlib.suppress(ConnectionResetError):
        while not line.endswith(b"\n"):
            byte = connection.recv(1)
            if not byte:
                break
            line += byte
    return json.loads(line) if line else None


def test_protection_is_switched_and_toggled(server: Served) -> None:
    with server.client() as client:
        assert client.ask("off")["on"] is False
        assert server.controller.settings.on is False
        assert client.ask("toggle")["on"] is True
        assert client.ask("on")["on"] is True
        assert client.ask("status")["status"]["settings"]["on"] is True


def test_settings_are_set_together_or_not_at_all(server: Served) -> None:
    with server.client() as client:
        answer = client.ask("set", values={"epsilon": "4/255", "chain_length": "5"})
        assert answer["settings"]["chain_length"] == 5
        assert answer["warning"] == ""
        with pytest.raises(SettingError, match="Did you mean momentum"):
            client.ask("set", values={"chain_length": 7, "momentun": 1})
        assert server.controller.settings.chain_length == 5
        assert "vanishes" in client.ask("set", values={"epsilon": "0.0001"})["warning"]


def test_watching_shows_a_status_after_another_until_the_server_ends(tmp_path: Path) -> None:
    with served(tmp_path, Limits(watch_every_s=0.01)) as server:
        client = server.client()
        watch = client.watch()
        assert next(watch)["settings"]["on"] is True
        server.controller.change({"on": False})
        while next(watch)["settings"]["on"]:
            pass
    list(watch)
    client.close()


def test_stop_ends_the_run_and_answers_first(tmp_path: Path) -> None:
    stopped = threading.Event()

    class Stopping(Controller):
        def stop(self) -> None:
            super().stop()
            stopped.set()

    transport = SocketTransport(tmp_path)
    with ControlServer(Stopping(AppSettings()), transport.listen("control"), PATIENT):
        with ControlClient(transport.connect("control")) as client:
            assert client.ask("stop") == {"ok": True}
        assert stopped.wait(WAIT_S)


REFUSED = [
    b"hello",
    b"",
    b"[]",
    b"7",
    b"null",
    b'"on"',
    b"{}",
    b'{"request": null}',
    b'{"request": ["on"]}',
    b'{"request": {"on": 1}}',
    b'{"request": "explode"}',
    b'{"request": "on", "now": true}',
    b'{"request": "on", "values": {}}',
    b'{"request": "set"}',
    b'{"request": "set", "values": {}}',
    b'{"request": "set", "values": []}',
    b'{"request": "set", "values": {"": ""}}',
    b'{"request": "set", "values": {"epsilon": NaN}}',
    b'{"request": "set", "values": {"epsilon": 1e999}}',
    b'{"request": "set", "values": {"chain_length": ' + b"9" * 5000 + b"}}",
    b'{"request": "set", "values": {"source": {"a": "' + b"x" * 9000 + b'"}}}',
    b'{"request": "set", "values": {"epsilon": "\\ud800"}}',
    b"[" * 60_000,
    b"\xff\xfe\x00",
    b"\x00" * 100,
    b'{"request": "on"',
]


@pytest.mark.parametrize("line", REFUSED, ids=lambda line: repr(line[:30]))
def test_what_cannot_be_understood_is_refused_and_the_connection_goes_on(
    server: Served, line: bytes
) -> None:
    with server.raw() as connection:
        connection.sendall(line + b"\n")
        answer = answer_of(connection)
        assert answer is not None
        assert answer["ok"] is False
        assert answer["error"]
        assert len(json.dumps(answer)) < 2000
        connection.sendall(b'{"request": "status"}\n')
        assert (answer_of(connection) or {})["ok"] is True
    assert server.controller.settings == AppSettings()


def test_a_line_without_an_end_counts_when_the_client_is_done(server: Served) -> None:
    with server.raw() as connection:
        connection.sendall(b'{"request": "off"}')
        connection.shutdown(socket.SHUT_WR)
        assert answer_of(connection) == {"ok": True, "on": False}
        assert answer_of(connection) is None


def test_many_requests_at_once_are_answered_in_order(server: Served) -> None:
    with server.raw() as connection:
        connection.sendall(b'{"request": "toggle"}\n' * 20)
        answers = [answer_of(connection) for _ in range(20)]
    assert [answer["on"] for answer in answers if answer] == [False, True] * 10


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_request_that_is_too_long_is_refused(server: Served, end: bytes) -> None:
    with server.raw() as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(b" " * (LINE_BYTES + 1 + len(end)) + end)
        assert "too long" in (answer_of(connection) or {})["error"]
        assert answer_of(connection) is None
    with server.client() as client:
        assert client.ask("status")["ok"]


def test_the_longest_request_is_understood(server: Served) -> None:
    line = b'{"request": "off"}'
    with server.raw() as connection:
        connection.sendall(line + b" " * (LINE_BYTES - len(line)) + b"\n")
        assert answer_of(connection) == {"ok": True, "on": False}


@pytest.mark.parametrize("sent", [b"", b'{"request": '])
def test_a_client_that_takes_its_time_is_sent_away(tmp_path: Path, sent: bytes) -> None:
    with served(tmp_path, Limits(request_s=0.05)) as server, server.raw() as connection:
        connection.sendall(sent)
        assert "in time" in (answer_of(connection) or {})["error"]
        assert answer_of(connection) is None


def test_more_clients_than_there_are_places_are_sent_away_and_may_come_back(
    tmp_path: Path,
) -> None:
    with served(tmp_path, Limits(clients=2, request_s=WAIT_S)) as server:
        with server.client() as first, server.client() as second:
            first.ask("status")
            second.ask("status")
            with server.raw() as third:
                assert "Too many clients" in (answer_of(third) or {})["error"]
            first.ask("status")
        while True:  # the server notices that they are gone in its own time
            with server.client() as again, contextlib.suppress(SettingError, ControlError):
                again.ask("status")
                break


def test_those_who_watch_leave_places_for_others(tmp_path: Path) -> None:
    limits = Limits(clients=4, watchers=1, request_s=WAIT_S)
    with (
        served(tmp_path, limits) as server,
        server.client() as first,
        server.client() as second,
        server.client() as third,
    ):
        next(first.watch())
        with pytest.raises(SettingError, match="Too many clients watch"):
            next(second.watch())
        third.ask("off")


def test_a_client_that_never_reads_does_not_hold_up_the_others(tmp_path: Path) -> None:
    limits = Limits(send_s=0.05, request_s=WAIT_S)
    with served(tmp_path, limits) as server, server.raw() as deaf:
        with contextlib.suppress(OSError):
            for _ in range(2000):
                deaf.sendall(b'{"request": "status"}\n' * 10)
        with server.client() as client:
            assert client.ask("off")["on"] is False


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
keys = st.sampled_from([*AppSettings.model_fields, "x"])
asked = st.fixed_dictionaries(
    {"request": st.sampled_from(REQUESTS) | json_values},
    optional={"values": st.dictionaries(keys, json_values, max_size=4) | json_values},
).map(lambda value: json.dumps(value).encode())


@given(line=asked | json_values.map(lambda value: json.dumps(value).encode()) | st.binary())
@settings(deadline=None, max_examples=300)
def test_every_line_has_an_answer_that_is_a_line(line: bytes) -> None:
    controller = Controller(AppSettings())
    _, answer = fulfil(controller, line)
    assert answer["ok"] in (True, False)
    assert b"\n" not in json.dumps(answer, allow_nan=False).encode()
    AppSettings.of(controller.settings.model_dump())


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Served]:
    folder = Path(tempfile.mkdtemp())
    with served(folder, Limits(request_s=5.0, send_s=0.2, watch_every_s=0.01)) as it:
        yield it
    shutil.rmtree(folder)


@given(lines=st.lists(asked | st.binary(max_size=200), max_size=6), end=st.booleans())
@settings(deadline=None, max_examples=150)
def test_whatever_is_sent_the_server_goes_on_serving(
    fuzzed: Served, lines: list[bytes], end: bool
) -> None:
    with fuzzed.raw() as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(b"\n".join(lines) + b"\n" * end)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1 << 16)
    with fuzzed.client() as client:
        assert client.ask("status")["ok"] is True


@UNIX_ONLY
def test_only_its_owner_may_open_the_socket(server: Served) -> None:
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600


KNOCK = """
import os, socket, sys
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
knock = socket.socket(socket.AF_UNIX)
knock.settimeout(60)
try:
    knock.connect({path!r})
    knock.sendall(b'{{"request": "off"}}\\n')
    said = knock.recv(1000)
except PermissionError:
    said = b"no entry"
except (BrokenPipeError, ConnectionResetError):
    said = b""
sys.stdout.write(said.decode())
"""


def knock_as_nobody(path: Path) -> str:
    script = KNOCK.format(nobody=NOBODY, path=str(path))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


@ROOT_ONLY
def test_somebody_else_is_kept_out_by_the_socket_and_by_its_own_look() -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        with served(folder) as server:
            assert knock_as_nobody(server.path) == "no entry"
            server.path.chmod(0o666)
            assert knock_as_nobody(server.path) == ""
            assert server.controller.settings.on
            with server.client() as client:
                assert client.ask("status")["ok"]
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked")
def test_the_other_end_is_known() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_uid(ours) == os.geteuid()


def test_a_socket_that_a_crash_left_behind_is_replaced(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "control.sock"))
    left.close()
    (tmp_path / "control.lock").write_bytes(b"")
    with pytest.raises(NotRunning):
        SocketTransport(tmp_path).connect("control")
    with served(tmp_path) as server, server.client() as client:
        assert client.ask("status")["ok"]
    assert not server.path.exists()


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    transport = SocketTransport(tmp_path)
    with transport.listen("control"):
        with pytest.raises(AlreadyRunning):
            transport.listen("control")
        with transport.listen("control-2"):
            assert transport.names() == ["control", "control-2"]
    transport.listen("control").close()


def test_a_process_that_was_killed_leaves_nothing_that_is_in_the_way(tmp_path: Path) -> None:
    script = (
        "import sys, os, signal; from pathlib import Path\n"
        "from camfilter.app.sockets import SocketTransport\n"
        f"it = SocketTransport(Path({str(tmp_path)!r})).listen('control')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "control.sock").exists()
    with served(tmp_path) as server, server.client() as client:
        assert client.ask("status")["ok"]


def test_the_runtime_folder_is_private_and_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)})
    assert folder == tmp_path / "camfilter"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fallback = tmp_path / f"camfilter-{os.geteuid()}"
    for unusable in ("", "relative", str(tmp_path / "missing")):
        assert runtime_folder({"XDG_RUNTIME_DIR": unusable}) == fallback
    fallback.chmod(0o755)
    with pytest.raises(ControlError, match="not yours alone"):
        runtime_folder({})
    fallback.rmdir()
    fallback.symlink_to(folder)
    with pytest.raises(ControlError, match="not yours alone"):
        runtime_folder({})


@ROOT_ONLY
def test_a_runtime_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"camfilter-{os.geteuid()}"
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(ControlError, match="not yours alone"):
        runtime_folder({})
    assert runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "camfilter"
    os.chown(tmp_path, NOBODY, NOBODY)
    with pytest.raises(ControlError, match="not yours alone"):
        runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)})


def test_a_path_that_is_too_long_for_a_socket_is_said_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with pytest.raises(ControlError) as caught:
        SocketTransport(folder).listen("control")
    assert len(str(caught.value).splitlines()) == 1
