"""The test's own web server on the loopback address: serves the page, takes what it sends."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["PageServer"]

_PAGE = Path(__file__).with_name("call.html")
_PIECE_BYTES = 1 << 20


class PageServer:
    """Serves one run of the page. Leave the ``with`` block to close it.

    Args:
        plan: what the page shall do.
        folder: where the pixels of the calls go, as ``CODEC.pixels``.

    Attributes:
        capabilities: MIME types that the browser can send.
        results: what the page says about each call, by codec.
        failure: what went wrong in the page; empty when nothing did.
        over: set when the page is done or failed.
    """

    def __init__(self, plan: dict[str, Any], folder: Path) -> None:
        self.capabilities: list[str] = []
        self.results: dict[str, dict[str, Any]] = {}
        self.failure = ""
        self.over = threading.Event()
        self._plan = plan
        self._folder = folder
        page = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                page._get(self)

            def do_POST(self) -> None:
                page._post(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _get(self, request: BaseHTTPRequestHandler) -> None:
        if request.path == "/":
            _answer(request, 200, _PAGE.read_bytes(), "text/html")
        elif request.path == "/plan":
            _answer(request, 200, json.dumps(self._plan).encode(), "application/json")
        else:
            _answer(request, 404)

    def _post(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers["Content-Length"])
        kind, _, codec = request.path.strip("/").partition("/")
        if kind == "pixels" and codec in self._plan["codecs"]:
            with (self._folder / f"{codec}.pixels").open("wb") as file:
                while length > 0 and (piece := request.rfile.read(min(length, _PIECE_BYTES))):
                    file.write(piece)
                    length -= len(piece)
            _answer(request, 200)
            return
        body = request.rfile.read(length)
        if kind == "result" and codec in self._plan["codecs"]:
            self.results[codec] = json.loads(body)
        elif kind == "capabilities":
            self.capabilities = json.loads(body)
        elif kind in ("done", "failed"):
            self.failure = body.decode(errors="replace")
            self.over.set()
        else:
            _answer(request, 404)
            return
        _answer(request, 200)


class _Server(ThreadingHTTPServer):
    """One thread a connection; a browser that is ended drops its own without a word."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _answer(
    request: BaseHTTPRequestHandler, status: int, body: bytes = b"", kind: str = "text/plain"
) -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
