"""Serves the control socket: each client in a thread of its own, and few of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from camfilter.app.controller import Controller
from camfilter.app.requests import Refused, encode, fulfil, refusal
from camfilter.app.transport import Channel, LineTooLong, Listener

__all__ = ["ControlServer", "Limits"]

_FAILED_ACCEPT_S = 0.1
_JOIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may cost.

    Attributes:
        clients: how many are served at once.
        watchers: how many of them may watch, so that others always find a place.
        request_s: time for a whole request, in seconds; a silent client is sent away then.
        send_s: time that a client may take to accept an answer, in seconds.
        watch_every_s: time between two lines for a client that watches, in seconds.
    """

    clients: int = 16
    watchers: int = 8
    request_s: float = 10.0
    send_s: float = 2.0
    watch_every_s: float = 0.5


class ControlServer:
    """Answers requests while in a ``with`` block. Nothing that a client sends ends it.

    Args:
        controller: does what is asked for.
        listener: hands out connections; closed with the server.
        limits: what one client may cost.
    """

    def __init__(
        self, controller: Controller, listener: Listener, limits: Limits | None = None
    ) -> None:
        self._controller = controller
        self._listener = listener
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._clients: dict[Channel, threading.Thread] = {}
        self._watchers = threading.BoundedSemaphore(self._limits.watchers)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="camfilter-control", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._listener.close()
        self._thread.join(timeout=_JOIN_S)
        with self._lock:
            clients = dict(self._clients)
        for channel, thread in clients.items():
            channel.close()
            thread.join(timeout=_JOIN_S)

    def _serve(self) -> None:
        while not self._end.is_set():
            try:
                channel = self._listener.accept()
                if channel is None:
                    return
                self._welcome(channel)
            except Exception:  # noqa: BLE001 - one that cannot be served is no end for the others
                self._end.wait(_FAILED_ACCEPT_S)

    def _welcome(self, channel: Channel) -> None:
        thread = threading.Thread(
            target=self._attend, args=(channel,), name="camfilter-client", daemon=True
        )
        with self._lock:
            full = len(self._clients) >= self._limits.clients
            if not full:
                self._clients[channel] = thread
                try:
                    thread.start()
                except RuntimeError:  # the system gives no more threads
                    del self._clients[channel]
                    full = True
        if full:
            self._try_to_send(channel, refusal(Refused("Too many clients.", "Try again.")))
            channel.close()

    def _attend(self, channel: Channel) -> None:
        try:
            while self._answer(channel):
                pass
        except LineTooLong:
            self._try_to_send(channel, refusal(Refused("The request is too long.")))
        except TimeoutError:
            self._try_to_send(channel, refusal(Refused("No request came in time.")))
        except OSError:
            pass  # the client is gone
        except Exception as error:  # noqa: BLE001 - a defect of ours is told, and ends nothing else
            failed = Refused(f"camfilter failed, {type(error).__name__}.", "Please report it.")
            self._try_to_send(channel, refusal(failed))
        finally:
            with self._lock:
                self._clients.pop(channel, None)
            channel.close()

    def _answer(self, channel: Channel) -> bool:
        """Answer one request; False when the client is done."""
        line = channel.receive(self._limits.request_s)
        if line is None:
            return False
        request, answer = fulfil(self._controller, line)
        if request == "watch":
            self._show(channel, answer)
            return False
        channel.send(encode(answer), self._limits.send_s)
        if request == "stop":
            self._controller.stop()
        return True

    def _show(self, channel: Channel, answer: dict[str, Any]) -> None:
        if not self._watchers.acquire(blocking=False):
            answer = refusal(Refused("Too many clients watch.", "Ask for the status instead."))
            channel.send(encode(answer), self._limits.send_s)
            return
        try:
            while True:
                channel.send(encode(answer), self._limits.send_s)
                if self._end.wait(self._limits.watch_every_s):
                    return
                answer = {"ok": True, "status": self._controller.status().as_json()}
        finally:
            self._watchers.release()

    def _try_to_send(self, channel: Channel, answer: dict[str, Any]) -> None:
        try:
            channel.send(encode(answer), self._limits.send_s)
        except OSError:
            return  # it is sent away in any case
