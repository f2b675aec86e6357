"""The listener: on the loopback address and nowhere else, with few connections at a time."""

from __future__ import annotations

import socket
import sys
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Final, Self

from camfilter.atomic import one_line
from camfilter.errors import SettingError
from camfilter.web.desk import MaskDesk
from camfilter.web.handler import PageHandler, Patience, Site
from camfilter.web.page import fresh_page

__all__ = ["HOST", "PageServer"]

HOST: Final = "127.0.0.1"
_MOST_CONNECTIONS: Final = 16


class PageServer:
    """Serves the page until it is closed.

    Args:
        desk: masks pictures.
        port: to listen on; 0 takes a free one.
        patience: how long browsers may take.

    Raises:
        SettingError: the port cannot be had.
    """

    def __init__(self, desk: MaskDesk, port: int = 0, patience: Patience | None = None) -> None:
        self._desk = desk
        page = fresh_page()
        try:
            self._listener = _Listener((HOST, port), _refuse)
        except (OSError, OverflowError) as error:
            raise SettingError(
                f"Port {port} cannot be used: {one_line(error)}.",
                "Leave --port out, and a free one is taken.",
            ) from error
        site = Site(page, desk, f"{HOST}:{self.port}", patience or Patience())
        self._listener.RequestHandlerClass = partial(PageHandler, site)
        self._running = False

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.server_address[1])

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://{HOST}:{self.port}/"

    def serve(self) -> None:
        """Answer until `close` is called by another thread, or this one is interrupted."""
        self._running = True
        try:
            self._listener.serve_forever(poll_interval=0.2)
        finally:
            self._running = False

    def close(self) -> None:
        """Stop listening, and send away who waits."""
        if self._running:
            self._listener.shutdown()
        self._listener.server_close()
        self._desk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _refuse(*_: Any) -> None:
    """Stands in until the port is known, which the answers depend on."""


class _Listener(ThreadingHTTPServer):
    """One thread for each of a few connections; more are closed as they come."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = sys.platform != "win32"  # there it would let others share the port
    allow_reuse_port = False

    def __init__(self, *arguments: Any) -> None:
        self._connections = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(*arguments)

    def server_bind(self) -> None:
        """Bind; `HTTPServer` would also ask the resolver for a name, and so perhaps the network."""
        if sys.platform == "win32":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a thread, or close it."""
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._connections.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection on its own thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that goes away is no event, and nothing of it is kept."""
