"""One request: who asks, for what, with what; each check has its own answer, one line of JSON."""

from __future__ import annotations

import hmac
import io
import json
import select
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from camfilter.errors import CamfilterError, FilterFault, NothingProtected, SettingError, SinkError
from camfilter.photo import Masked, PhotoSettings
from camfilter.photo.errors import NotAPicture, PictureTooLarge
from camfilter.photo.figures import in_one_line
from camfilter.web.desk import Busy, MaskDesk, NotWanted
from camfilter.web.page import CLOSED, MOST_BYTES, Page

__all__ = ["PageHandler", "Patience", "Site"]

_SETTINGS: Final = frozenset({"hide", "strength", "amplification", "quality"})
_MOST_BOXES: Final = 40
_SHOWN: Final = (
    "hide", "size", "standing", "identity_standing", "linf_levels", "budget_levels", "kept",
    "dropped",
)  # fmt: skip
_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
_DRAINED_BYTES: Final = 4 * MOST_BYTES
_EVERYWHERE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a browser may take, in seconds.

    Attributes:
        head_s: for the head of its request, all of it.
        body_s: for the picture, all of it.
        idle_s: from one piece to the next.
        answer_s: to take the answer.
    """

    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 5.0
    answer_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Site:
    """What is served.

    Attributes:
        page: the one page.
        desk: masks pictures.
        authority: address and port, as browsers name them.
        patience: how long browsers may take.
    """

    page: Page
    desk: MaskDesk
    authority: str
    patience: Patience


class _Refusal(Exception):
    """A request that gets an error for an answer."""

    def __init__(self, status: int, what: str, **headers: str) -> None:
        super().__init__(what)
        self.status = status
        self.headers = headers


class PageHandler(BaseHTTPRequestHandler):
    """Answers one request, then closes the connection.

    Args:
        site: what is served.
    """

    protocol_version = "HTTP/1.1"

    def __init__(self, site: Site, *connection: Any) -> None:
        self._site = site
        super().__init__(*connection)

    def setup(self) -> None:
        """Read with a deadline, so that nobody holds a thread by sending slowly."""
        super().setup()
        self._timed = _TimedReader(self.connection, self._site.patience)
        self.rfile = io.BufferedReader(self._timed)

    def do_GET(self) -> None:
        """The page."""
        self._answered(self._page)

    def do_POST(self) -> None:
        """A picture to be masked."""
        self._answered(self._mask)

    def handle_expect_100(self) -> bool:
        """No request is asked to go on before its head was looked at."""
        self._refuse(_Refusal(417, "Send the picture at once."))
        return False

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses; its own words would be a page, and would quote."""
        del message, explain
        if code == 501:
            self._refuse(_Refusal(405, "This method is not answered.", Allow="GET, POST"))
        else:
            self._refuse(_Refusal(code, "The request cannot be read."))

    def version_string(self) -> str:
        """What answers name as their server: no version, of nothing."""
        return "camfilter"

    def log_message(self, format: str, *_: Any) -> None:
        """Keep no log."""

    def _answered(self, answer: Any) -> None:
        """Answer, or say in one line why not."""
        try:
            answer()
        except _Refusal as refusal:
            self._refuse(refusal)
        except NotWanted:
            self.close_connection = True
        except (ConnectionError, TimeoutError):
            raise
        except Exception:  # noqa: BLE001 - a browser never sees a traceback
            self._refuse(_Refusal(500, "camfilter failed at this picture."))

    def _page(self) -> None:
        self._refuse_strangers()
        if self.path != "/":
            raise _Refusal(404, "There is one page here: /")
        page = self._site.page
        self._send(200, page.body, "text/html; charset=utf-8", page.policy)

    def _mask(self) -> None:
        self._refuse_strangers()
        settings = self._settings()
        self._refuse_other_sites()
        length = self._length()
        if self.headers.get_content_type() not in _TYPES:
            raise _Refusal(415, "JPEG, PNG and WebP are taken.")
        try:
            with self._site.desk.place():
                masked = self._masked(self._body(length), settings)
        except Busy:
            raise _Refusal(503, "Other pictures are waiting. Try again.", Retry_After="2") from None
        self._send_picture(masked)

    def _masked(self, data: bytes, settings: PhotoSettings) -> Masked:
        try:
            return self._site.desk.mask(data, settings, self._still_there)
        except NotAPicture as error:
            raise _Refusal(415, str(error)) from error
        except PictureTooLarge as error:
            raise _Refusal(413, str(error)) from error
        except SettingError as error:
            raise _Refusal(400, str(error)) from error
        except (FilterFault, NothingProtected, SinkError) as error:
            raise _Refusal(422, str(error)) from error
        except CamfilterError as error:
            raise _Refusal(500, str(error)) from error

    def _refuse_strangers(self) -> None:
        """Refuse a page that reached this address under another name (DNS rebinding)."""
        if self.headers.get_all("Host") != [self._site.authority]:
            raise _Refusal(421, "This address serves one page, under its own name.")

    def _refuse_other_sites(self) -> None:
        """Refuse what another page sends, with the browser's word for it and with the token."""
        origins = self.headers.get_all("Origin")
        site = self.headers.get("Sec-Fetch-Site", "same-origin")
        if origins != [f"http://{self._site.authority}"] or site != "same-origin":
            raise _Refusal(403, "Only the page itself may send pictures.")
        token = self.headers.get("X-Camfilter-Token", "")
        if not hmac.compare_digest(token.encode(), self._site.page.token.encode()):
            raise _Refusal(403, "This page is of an earlier run. Load it again.")

    def _settings(self) -> PhotoSettings:
        parts = urlsplit(self.path)
        if parts.path != "/mask" or parts.netloc:
            raise _Refusal(404, "Pictures go to /mask")
        try:
            pairs = parse_qsl(parts.query, strict_parsing=bool(parts.query), max_num_fields=8)
            values = dict(pairs)
            if len(values) != len(pairs) or not values.keys() <= _SETTINGS:
                raise _Refusal(400, f"The settings are {', '.join(sorted(_SETTINGS))}.")
            return PhotoSettings.of(values)
        except SettingError as error:
            raise _Refusal(400, str(error)) from error
        except ValueError as error:
            raise _Refusal(400, "The settings cannot be read.") from error

    def _length(self) -> int:
        lengths = self.headers.get_all("Content-Length") or []
        plain = len(lengths) == 1 and lengths[0].isascii() and lengths[0].isdecimal()
        if not plain or "Transfer-Encoding" in self.headers:
            raise _Refusal(411, "The length of the picture must be told.")
        length = int(lengths[0][:20])
        if length > MOST_BYTES:
            raise _Refusal(413, f"A picture may have {MOST_BYTES // 1_000_000} MB.")
        return length

    def _body(self, length: int) -> bytes:
        self._timed.allow(self._site.patience.body_s)
        data = self.rfile.read(length)
        if len(data) != length:
            raise ConnectionError("The picture was cut short.")
        return data

    def _still_there(self) -> bool:
        """Whether the browser waits for the answer; it sends nothing meanwhile."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return not readable or bool(self.connection.recv(1, socket.MSG_PEEK))

    def _send_picture(self, masked: Masked) -> None:
        said = {
            "line": in_one_line(masked.figures),
            "count": len(masked.figures["faces"]),
            **{name: masked.figures[name] for name in _SHOWN},
            "faces": masked.figures["faces"][:_MOST_BOXES],
        }
        figures = json.dumps(said, separators=(",", ":"))
        headers = {"Camfilter-Figures": figures}
        self._send(200, masked.data, f"image/{masked.kind}", CLOSED, headers)

    def _refuse(self, refusal: _Refusal) -> None:
        body = json.dumps({"error": " ".join(str(refusal).split())}).encode() + b"\n"
        headers = {name.replace("_", "-"): value for name, value in refusal.headers.items()}
        with suppress(OSError):
            self._send(refusal.status, body, "application/json", CLOSED, headers)
            self._drain()

    def _send(
        self, status: int, body: bytes, kind: str, policy: str,
        headers: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.close_connection = True
        self.connection.settimeout(self._site.patience.answer_s)
        self.send_response(status)
        own = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
        for name, value in {
            **own, **_EVERYWHERE, "Content-Security-Policy": policy, **(headers or {})
        }.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _drain(self) -> None:
        """Take what a refused browser still sends, or it would see a broken line and no answer."""
        self.connection.shutdown(socket.SHUT_WR)
        self._timed.allow(self._site.patience.idle_s)
        left = _DRAINED_BYTES
        while left > 0 and (piece := self.rfile.read1(1 << 16)):
            left -= len(piece)


class _TimedReader(io.RawIOBase):
    """A socket's bytes, until a deadline."""

    def __init__(self, connection: socket.socket, patience: Patience) -> None:
        self._connection = connection
        self._idle_s = patience.idle_s
        self._deadline_s = 0.0
        self.allow(patience.head_s)

    def allow(self, seconds: float) -> None:
        """From now on, so many seconds for all that is read."""
        self._deadline_s = time.monotonic() + seconds

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Bytes that have come, at least one unless there are no more."""
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(min(left_s, self._idle_s))
        return self._connection.recv_into(buffer)
