from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camfilter.errors import FilterFault, SettingError
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from camfilter.photo import Masked, PhotoMasker, PhotoSettings, decode
from camfilter.photo.decoding import Kind
from camfilter.photo.errors import NoFace
from camfilter.photo.faces import PhotoFaces
from camfilter.surrogate.onnx import OnnxSurrogate
from camfilter.web import MaskDesk, PageServer
from camfilter.web.handler import Patience
from camfilter.web.page import MOST_BYTES, fresh_page
from fakes import noise
from photo_support import file_of, telling_exif
from test_photo import animated, bomb
from test_silence import children, looked_at, start

QUICK = Patience(head_s=0.6, body_s=0.8, idle_s=0.4, answer_s=2.0)
SMALL = file_of(noise(24, 16))
FIGURES: dict[str, Any] = {
    "hide": "identity", "size": "24x16", "standing": None, "identity_standing": None,
    "linf_levels": 1, "budget_levels": 6, "kept": [], "dropped": [], "faces": [{"identity": None}],
}  # fmt: skip


def same_again(data: bytes, settings: PhotoSettings) -> Masked:
    """Stands in for a masker: reads the picture as the program does, and gives it back."""
    return Masked(data, decode(data, "The file", 50_000_000).kind, FIGURES)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        assert self.headers["Content-Type"] == "application/json"
        (line,) = self.body.decode().splitlines()
        return str(json.loads(line)["error"])


@dataclass
class Browser:
    """What a page may ask for, and what it may not."""

    port: int
    token: str = ""

    def ask(
        self, method: str = "GET", path: str = "/", body: bytes | None = None, **headers: str
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        read = Answer(answer.status, dict(answer.getheaders()), answer.read())
        connection.close()
        return read

    def mask(
        self, data: bytes = SMALL, query: str = "?hide=emotion", **headers: str | None
    ) -> Answer:
        own: dict[str, str | None] = {
            "Content_Type": "image/png",
            "Origin": f"http://127.0.0.1:{self.port}",
            "X_Camfilter_Token": self.token,
            **headers,
        }
        given = {name: value for name, value in own.items() if value is not None}
        return self.ask("POST", f"/mask{query}", data, **given)

    def raw(self, data: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.sendall(data)
        return connection


@contextmanager
def served(
    mask: Callable[[bytes, PhotoSettings], Masked] = same_again,
    patience: Patience | None = None,
    desk: MaskDesk | None = None,
) -> Iterator[Browser]:
    with PageServer(desk or MaskDesk(mask), 0, patience) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            browser = Browser(server.port)
            page = browser.ask().body.decode()
            browser.token = re.findall(r'name="camfilter-token" content="([^"]+)"', page)[0]
            yield browser
        finally:
            server.close()
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def browser() -> Iterator[Browser]:
    with served() as browser:
        yield browser


@pytest.fixture(autouse=True)
def _silent(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing that happens is printed: neither a name, nor an address, nor a traceback."""
    yield
    said = capfd.readouterr()
    assert said.out + said.err == ""


# The page.


def test_the_page_lets_nothing_from_outside_in(browser: Browser) -> None:
    answer = browser.ask()
    text = answer.body.decode()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";")
    )
    (nonce,) = set(re.findall(r'nonce="([^"]+)"', text))
    assert policy == {
        "default-src": "'none'", "base-uri": "'none'", "form-action": "'none'",
        "frame-ancestors": "'none'", "script-src": f"'nonce-{nonce}'",
        "style-src": f"'nonce-{nonce}'", "img-src": "blob:", "connect-src": "'self'",
    }  # fmt: skip
    assert not re.search(r"https?:|//[a-z]|<link|<iframe|@import|url\(|\son\w+=|style=|{{", text)
    assert len(re.findall("<(?:script|style)", text)) == 2


@pytest.mark.parametrize("status", [200, 404, 405, 403, 422])
def test_every_answer_is_marked_for_this_page_alone(status: int) -> None:
    def faceless(data: bytes, settings: PhotoSettings) -> Masked:
        raise NoFace("No face was found.")

    with served(faceless) as browser:
        answer = {
            200: browser.ask,
            404: lambda: browser.ask(path="/etc/passwd"),
            405: lambda: browser.ask("PUT"),
            403: lambda: browser.mask(Origin=None),
            422: browser.mask,
        }[status]()
    assert answer.status == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["Server"] == "camfilter"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_each_run_has_its_own_words() -> None:
    first, second = fresh_page(), fresh_page()
    assert first.token != second.token
    assert first.policy != second.policy
    assert len(first.token) >= 40
    assert first.token not in repr(first)


def test_it_listens_on_the_loopback_address_and_nowhere_else(browser: Browser) -> None:
    for address in ("127.0.0.2", "127.1.2.3"):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, browser.port), timeout=5)
    with socket.socket(socket.AF_INET6) as other:
        other.settimeout(5)
        assert other.connect_ex(("::1", browser.port)) != 0


def test_no_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> str:
        raise AssertionError("the resolver was asked")

    for name in ("getfqdn", "gethostbyaddr", "gethostbyname"):
        monkeypatch.setattr(socket, name, asked)
    with served() as browser:
        assert browser.mask().status == 200


def test_a_port_that_is_taken_is_one_line(browser: Browser) -> None:
    with pytest.raises(SettingError, match=f"Port {browser.port} cannot be used") as caught:
        PageServer(MaskDesk(same_again), browser.port)
    assert "--port" in caught.value.hint


# Who may ask.


def test_the_page_itself_may(browser: Browser) -> None:
    answer = browser.mask(Sec_Fetch_Site="same-origin")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.body == SMALL
    assert json.loads(answer.headers["Camfilter-Figures"])["count"] == 1


@pytest.mark.parametrize(
    "host",
    ["localhost:{port}", "evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "",
     "127.0.0.1:{port}.evil.example", "[::1]:{port}"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_under_another_name_nothing_is_served(browser: Browser, host: str, method: str) -> None:
    named = host.format(port=browser.port)
    answer = browser.ask(Host=named) if method == "GET" else browser.mask(Host=named)
    assert answer.status == 421
    assert browser.token not in answer.body.decode()


@pytest.mark.parametrize("names", [[], ["127.0.0.1:{port}", "evil.example"]])
def test_without_one_name_nothing_is_served(browser: Browser, names: list[str]) -> None:
    lines = "".join(f"Host: {name.format(port=browser.port)}\r\n" for name in names)
    with browser.raw(f"GET / HTTP/1.1\r\n{lines}\r\n".encode()) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 421")
    with browser.raw(b"GET /\r\n\r\n") as connection:
        assert b"camfilter-token" not in connection.makefile("rb").read()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"X_Camfilter_Token": None},
        {"X_Camfilter_Token": ""},
        {"X_Camfilter_Token": "x" * 43},
        {"X_Camfilter_Token": "\xe9"},
    ],
)
def test_another_page_may_not(headers: dict[str, str | None]) -> None:
    asked: list[bytes] = []

    def noted(data: bytes, settings: PhotoSettings) -> Masked:
        asked.append(data)
        return same_again(data, settings)

    with served(noted) as browser:
        given = {n: v and v.format(port=browser.port) for n, v in headers.items()}
        assert browser.mask(**given).status == 403
    assert asked == []


def test_the_word_of_another_run_does_not_count(browser: Browser) -> None:
    with served() as other:
        answer = browser.mask(X_Camfilter_Token=other.token)
    assert answer.status == 403
    assert "Load it again" in answer.error


def test_a_browser_s_question_before_another_page_s_post_is_not_answered(browser: Browser) -> None:
    answer = browser.ask(
        "OPTIONS", "/mask", Origin="https://evil.example", Access_Control_Request_Method="POST"
    )
    assert answer.status == 405
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


# What may be asked.


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/index.html", 404),
        ("GET", "/?x=1", 404),
        ("GET", "/mask", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "http://127.0.0.1/", 421),
        ("POST", "/", 404),
        ("POST", "/mask//", 404),
        ("POST", "/mask/", 404),
        ("HEAD", "/", 405),
        ("PUT", "/mask", 405),
        ("DELETE", "/", 405),
        ("TRACE", "/", 405),
        ("CONNECT", "evil.example:443", 405),
        ("BREW", "/", 405),
    ],
)
def test_there_is_one_page_and_one_thing_to_ask(
    browser: Browser, method: str, path: str, status: int
) -> None:
    assert browser.ask(method, path).status == status


@pytest.mark.parametrize(
    "query",
    ["?hide=age", "?strength=0", "?strength=nan", "?strength=1e9", "?colour=red", "?hide",
     "?mode=neutral", "?strength=3&strength=4", "?" + "&".join(["hide=emotion"] * 99),
     "?quality=0", "?amplification=99", "?surrogate=plain48"],
)  # fmt: skip
def test_settings_that_cannot_be_used(browser: Browser, query: str) -> None:
    answer = browser.mask(query=query)
    assert answer.status == 400
    assert answer.error


def test_settings_arrive() -> None:
    seen: list[PhotoSettings] = []
    with served(
        lambda data, settings: seen.append(settings) or same_again(data, settings)
    ) as browser:
        assert browser.mask(query="?hide=both&strength=9&amplification=2&quality=80").status == 200
        assert browser.mask(query="").status == 200
    wanted = {"hide": "both", "strength": 9, "amplification": 2, "quality": 80}
    assert seen == [PhotoSettings.of(wanted), PhotoSettings.of({})]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 415),
        (b"GIF89a" + bytes(50), 415),
        (b"<svg onload=alert(1)>", 415),
        (b"<!doctype html><script>alert(1)</script>", 415),
        (SMALL[:-30], 415),
        (animated("WEBP"), 415),
        (animated("PNG"), 415),
        (bomb(), 413),
    ],
)
def test_what_is_no_picture_or_a_bomb_is_refused(
    browser: Browser, data: bytes, status: int
) -> None:
    answer = browser.mask(data)
    assert answer.status == status
    assert answer.error
    assert "<" not in answer.error


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_what_a_form_of_another_page_could_send_is_refused(
    browser: Browser, kind: str | None
) -> None:
    assert browser.mask(Content_Type=kind).status == 415


def head(browser: Browser, *lines: str) -> bytes:
    own = [
        "POST /mask HTTP/1.1",
        f"Host: 127.0.0.1:{browser.port}",
        f"Origin: http://127.0.0.1:{browser.port}",
        f"X-Camfilter-Token: {browser.token}",
        "Content-Type: image/png",
        *lines,
    ]
    return "\r\n".join([*own, "", ""]).encode()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([], 411),
        (["Transfer-Encoding: chunked"], 411),
        (["Content-Length: 5", "Transfer-Encoding: chunked"], 411),
        (["Content-Length: 5", "Content-Length: 6"], 411),
        (["Content-Length: -1"], 411),
        (["Content-Length: +5"], 411),
        (["Content-Length: 0x10"], 411),
        (["Content-Length: \u00b2"], 411),
        ([f"Content-Length: {MOST_BYTES + 1}"], 413),
        (["Content-Length: " + "9" * 4000], 413),
        (["Content-Length: 5", "Expect: 100-continue"], 417),
    ],
)
def test_a_length_must_be_told_and_not_too_great(lines: list[str], status: int) -> None:
    with served(patience=QUICK) as browser, browser.raw(head(browser, *lines)) as connection:
        assert connection.recv(12) == f"HTTP/1.1 {status}".encode()


def test_who_sends_too_much_gets_an_answer_all_the_same(browser: Browser) -> None:
    answer = browser.mask(bytes(MOST_BYTES + 1))
    assert answer.status == 413
    assert "25 MB" in answer.error
    assert browser.mask(bytes(MOST_BYTES)).status == 415


@pytest.mark.parametrize(
    "data",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n", b"\r\n" * 9,
     b"GET / HTTP/9.9\r\n\r\n", b"GET / FTP/1.1\r\n\r\n",
     b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n",
     b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n"],
)  # fmt: skip
def test_nonsense_gets_one_line_or_nothing(data: bytes) -> None:
    with served(patience=QUICK) as browser:
        with browser.raw(data) as connection:
            answer = connection.makefile("rb").read()
        assert b"Traceback" not in answer
        assert b"<" not in answer
        assert browser.mask().status == 200


# Faults.


def test_a_defect_is_told_in_our_own_words() -> None:
    def broken(data: bytes, settings: PhotoSettings) -> Masked:
        raise RuntimeError("/home/somebody/secret.jpg")

    with served(broken) as browser:
        answer = browser.mask()
        assert answer.status == 500
        assert answer.error == "camfilter failed at this picture."
        assert browser.ask().status == 200


def test_what_could_not_be_proved_is_not_given() -> None:
    def unproved(data: bytes, settings: PhotoSettings) -> Masked:
        raise FilterFault("A face came out unchanged: the perturbation is empty.")

    with served(unproved) as browser:
        answer = browser.mask()
    assert answer.status == 422
    assert "unchanged" in answer.error


class Gate:
    """A masker that waits until it is let on."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.at_once = self.most_at_once = self.masked = 0

    def __call__(self, data: bytes, settings: PhotoSettings) -> Masked:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.entered.release()
        assert self.open.wait(30)
        self.at_once -= 1
        self.masked += 1
        return same_again(data, settings)


def waiting(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.01)


class CountingDesk(MaskDesk):
    """Says how many places are taken, and keeps who asks whether a picture is wanted still."""

    taken = 0

    def __init__(self, mask: Callable[[bytes, PhotoSettings], Masked]) -> None:
        super().__init__(mask)
        self.asking: list[Callable[[], bool]] = []

    def mask(
        self, data: bytes, settings: PhotoSettings, wanted: Callable[[], bool] = lambda: True
    ) -> Masked:
        self.asking.append(wanted)
        return super().mask(data, settings, wanted)

    @contextmanager
    def place(self) -> Iterator[None]:
        with super().place():
            self.taken += 1
            yield
            self.taken -= 1


def test_one_picture_at_a_time_few_wait_and_the_rest_is_sent_away() -> None:
    gate = Gate()
    desk = CountingDesk(gate)
    with served(desk=desk) as browser:
        statuses: list[int] = []

        def ask() -> None:
            statuses.append(browser.mask().status)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        waiting(lambda: desk.taken == 3)
        refused = browser.mask()
        assert refused.status == 503
        assert "Try again" in refused.error
        assert refused.headers["Retry-After"] == "2"
        assert browser.ask().status == 200
        gate.open.set()
        for thread in threads:
            thread.join(30)
        assert browser.mask().status == 200
    assert statuses == [200] * 3
    assert gate.most_at_once == 1
    assert gate.masked == 4


def test_a_picture_that_nobody_waits_for_any_more_is_not_masked() -> None:
    gate = Gate()
    desk = CountingDesk(gate)
    with served(desk=desk) as browser:
        first = threading.Thread(target=browser.mask)
        first.start()
        assert gate.entered.acquire(timeout=20)
        request = head(browser, f"Content-Length: {len(SMALL)}") + SMALL
        with browser.raw(request):
            waiting(lambda: len(desk.asking) == 2)
            assert desk.asking[1]()
        waiting(lambda: not desk.asking[1]())  # its end has to arrive
        gate.open.set()
        first.join(30)
        assert browser.mask().status == 200
    assert gate.masked == 2


# Slow ones.


@pytest.mark.parametrize("what", ["nothing", "head", "body"])
def test_who_sends_slowly_is_sent_away(what: str) -> None:
    with served(patience=QUICK) as browser:
        begun = head(browser, "Content-Length: 1000") if what == "body" else b"GET / HTTP/1.1\r\nHo"
        with browser.raw(begun if what != "nothing" else b"") as connection:
            connection.settimeout(0.1)
            since_s = time.monotonic()
            while time.monotonic() - since_s < 10:
                try:
                    if what != "nothing":
                        connection.send(b"x")
                    if connection.recv(1) == b"":
                        break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
            assert time.monotonic() - since_s < 5
        assert browser.mask().status == 200


def test_idle_connections_cannot_take_all_threads() -> None:
    with served(patience=Patience(head_s=60, idle_s=60)) as browser:
        before = threading.active_count()
        idle = [browser.raw(b"G") for _ in range(40)]
        waiting(lambda: sum(is_closed(connection) for connection in idle) >= 24)
        assert threading.active_count() - before <= 16
        for connection in idle:
            connection.close()
        waiting(lambda: answers(browser))


def is_closed(connection: socket.socket) -> bool:
    """Whether the other end has closed it."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def answers(browser: Browser) -> bool:
    try:
        return browser.ask().status == 200
    except (OSError, http.client.HTTPException):
        return False


# With real parts.


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_real_picture_comes_back_masked(
    hopper: Pixels, still_faces: MediaPipeFaces, surrogate: OnnxSurrogate, kind: str
) -> None:
    masker = PhotoMasker(PhotoFaces(still_faces), surrogate)
    data = file_of(hopper, kind, quality=95, exif=telling_exif(1, hopper[::8, ::8]))
    with served(lambda data, settings: masker.mask(decode(data), settings)) as browser:
        answer = browser.mask(data, "?strength=5", Content_Type=f"image/{kind.lower()}")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == f"image/{kind.lower()}"
    assert b"SECRET" not in answer.body
    before, after = decode(data), decode(answer.body)
    assert after.kind == Kind(kind.lower())
    assert after.dropped == ()
    (face,) = still_faces.find(hopper)
    change = np.abs(after.pixels.astype(int) - before.pixels)[face.box.slices()]
    assert (change > 2).mean() > 0.1
    if kind == "PNG":
        assert change.max() == 5
    figures = json.loads(answer.headers["Camfilter-Figures"])
    assert figures["faces"][0]["surrogates"]["changed"]
    assert figures["budget_levels"] == 5
    assert figures["dropped"][0] == "EXIF"


def test_a_picture_without_a_face_gives_none(
    still_faces: MediaPipeFaces, surrogate: OnnxSurrogate
) -> None:
    masker = PhotoMasker(PhotoFaces(still_faces), surrogate)
    sky = file_of(np.full((90, 120, 3), 200, np.uint8))
    with served(lambda data, settings: masker.mask(decode(data), settings)) as browser:
        answer = browser.mask(sky)
    assert answer.status == 422
    assert answer.error == "No face was found."


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_program_speaks_on_the_loopback_only_and_writes_nothing(
    tmp_path_factory: pytest.TempPathFactory, hopper: Pixels
) -> None:
    folder = tmp_path_factory.mktemp("w")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = start(folder, "-m", "camfilter", "web", "--port", str(port))
    try:
        browser = Browser(port)
        until_s = time.monotonic() + 200
        page = b""
        while not page:
            assert process.poll() is None
            assert time.monotonic() < until_s
            try:
                page = browser.ask().body
            except OSError:
                time.sleep(0.2)
        browser.token = re.findall(rb'camfilter-token" content="([^"]+)"', page)[0].decode()
        assert browser.mask(file_of(hopper, "JPEG"), Content_Type="image/jpeg").status == 200
    finally:
        for child in children(process.pid):
            os.kill(child, signal.SIGTERM)
        status = process.wait(60)
    found = looked_at(folder, status)
    assert status == 0
    addresses = {
        one for call in found.network for one in re.findall(r'inet_addr\("([^"]+)"\)', call)
    }
    assert addresses == {"127.0.0.1"}
    assert not [call for call in found.network if "AF_INET6" in call or call.startswith("connect(")]
    assert found.strange == []
    assert {name for name in found.left() if "camfilter" not in name} == set()


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "camfilter", "web"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert re.match(r"Open http://127\.0\.0\.1:\d+/ ", process.stdout.readline())
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "Ended.\n", "")
    assert list(tmp_path.iterdir()) == []
