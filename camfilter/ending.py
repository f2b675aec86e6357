"""What asks the program from outside to end: it ends in order and leaves no half a file behind."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Ended", "ended_by_signals", "ending_signals"]

_STATUS_OF_SIGNALS = 128
_LOADED_AFTER_S = 0.05


class Ended(BaseException):
    """The program was asked to end. No Exception, so that nobody takes it for a fault of a part.

    Args:
        number: of the signal.

    Attributes:
        status: exit status that says so, as shells know it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = _STATUS_OF_SIGNALS + number


def ending_signals() -> tuple[signal.Signals, ...]:
    """Signals that ask a program to end, besides Ctrl+C; those that are ignored stay so (nohup)."""
    names = [signal.SIGTERM]
    if sys.platform != "win32":
        names.append(signal.SIGHUP)
    return tuple(name for name in names if signal.getsignal(name) is not signal.SIG_IGN)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise `Ended` in the block at the first signal that asks to end; the same again kills.

    Ctrl+C raises as ever. Modules are loaded to their end first. Does nothing outside the main
    thread, where Python takes no signals.

    Raises:
        Ended: in the block, wherever it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = ending_signals()

    def end(number: int) -> None:
        # A session that ends sends both, one right after the other: the second shall not disturb.
        for name in names:
            signal.signal(name, signal.SIG_DFL if name == number else signal.SIG_IGN)
        _end_workers()
        raise Ended(number)

    def interrupt(_number: int) -> None:
        raise KeyboardInterrupt

    handlers = {name: _Patient(end) for name in names}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        handlers[signal.SIGINT] = _Patient(interrupt)
    before = {name: signal.signal(name, handler) for name, handler in handlers.items()}
    try:
        yield
    finally:
        for name, known in before.items():
            signal.signal(name, known or signal.SIG_DFL)


def _end_workers() -> None:
    """Those of a pool would be waited for until their task is done, which may take minutes."""
    import multiprocessing  # noqa: PLC0415 - it takes its time, and the program starts with this

    for worker in multiprocessing.active_children():
        worker.terminate()


class _Patient:
    """A handler that waits while a module is loaded.

    What is raised there is lost, printed, or made into an ImportError by native code.
    """

    def __init__(self, act: Callable[[int], None]) -> None:
        self._act = act
        self._waiting = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not _loads(frame):
            self._waiting = False
            self._act(number)
        elif not self._waiting:
            self._waiting = True
            self._look_again(number)

    def _look_again(self, number: int) -> None:
        timer = threading.Timer(_LOADED_AFTER_S, self._send, [number])
        timer.daemon = True
        timer.start()

    def _send(self, number: int) -> None:
        self._waiting = False
        if sys.platform == "win32":
            signal.raise_signal(number)
        else:  # to the main thread, which may wait for something
            signal.pthread_kill(threading.main_thread().ident or 0, number)


def _loads(frame: FrameType | None) -> bool:
    """Whether a frame runs for the sake of an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib."):
            return True
        frame = frame.f_back
    return False
