"""A batch on this machine: one process for each core; what kills one leaves the others alone."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from camfilter.batch.tasks import Task
from camfilter.batch.work import Outcome, Worker
from camfilter.errors import CamfilterError
from camfilter.settings import ChainSettings
from camfilter.surrogate.provider import Provider
from camfilter.thread_limits import thread_variables

__all__ = ["TRIES", "run_local"]

TRIES: Final = 3
"""How often a recording is tried whose worker died at it."""

_END_PATIENCE_S: Final = 10.0


def run_local(
    tasks: Sequence[Task],
    settings: ChainSettings,
    provider: Provider,
    workers: int,
    on_done: Callable[[Outcome], None],
    on_frames: Callable[[int], None] = lambda _: None,
    on_start: Callable[[int], None] = lambda _: None,
) -> None:
    """Protect recordings, each in one of several processes.

    A worker that is killed loses its recording's unfinished file alone; another one takes its
    place and starts that recording again.

    Args:
        tasks: what to do, in this order.
        settings: of the chain.
        provider: hardware to run on.
        workers: processes.
        on_done: called with each outcome, in the order in which they come.
        on_frames: called now and then with a number of frames that were done.
        on_start: called with the process id of each worker that was started.
    """
    waiting = deque((task, 1) for task in tasks)
    crew: dict[Connection, _Hand] = {}
    try:
        while waiting or crew:
            while waiting and len(crew) < min(workers, len(tasks)):
                hand = _Hand(settings, provider)
                hand.give(*waiting.popleft())
                crew[hand.pipe] = hand
                on_start(hand.pid)
            for pipe in wait(list(crew)):
                assert isinstance(pipe, Connection)
                _hear(crew, pipe, waiting, on_done, on_frames)
    finally:
        for hand in crew.values():  # none is left but after an error or an interruption
            hand.stop(at_once=True)


def _hear(
    crew: dict[Connection, _Hand],
    pipe: Connection,
    waiting: deque[tuple[Task, int]],
    on_done: Callable[[Outcome], None],
    on_frames: Callable[[int], None],
) -> None:
    """Take one message from a worker, or its death."""
    hand = crew[pipe]
    try:
        said = pipe.recv()
    except (EOFError, OSError):
        del crew[pipe]
        hand.stop()
        task, tries = hand.task, hand.tries
        if tries < TRIES:
            waiting.appendleft((task, tries + 1))
        else:
            on_done(Outcome(task, f"Its worker died {tries} times at it.", {}))
        return
    if isinstance(said, int):
        on_frames(said)
        return
    on_done(said)
    if waiting:
        hand.give(*waiting.popleft())
    else:
        del crew[pipe]
        hand.stop()


class _Hand:
    """The parent's end of one worker process."""

    def __init__(self, settings: ChainSettings, provider: Provider) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, settings, provider), daemon=True
        )
        # Each process has one core, so the libraries in it shall not start threads for all.
        before = {name: os.environ.get(name) for name in thread_variables(1)}
        os.environ.update(thread_variables(1))
        try:
            with _deaf_to_interrupts():
                self._process.start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        theirs.close()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid or 0

    def give(self, task: Task, tries: int) -> None:
        """Hand over a recording; `tries` counts this time."""
        self.task, self.tries = task, tries
        try:
            self.pipe.send(task)
        except OSError:
            return  # it is dead, and whoever listens hears that

    def stop(self, *, at_once: bool = False) -> None:
        """End the process, after what it is doing or at once; what it left unfinished goes."""
        self.pipe.close()
        if at_once:
            self._process.terminate()
        self._process.join(_END_PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        shutil.rmtree(self.task.stage, ignore_errors=True)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started in the block take no notice of Ctrl-C, which reaches all.

    Whoever started them ends them; a worker that is still being loaded would say so at length.
    Here it is only late.
    """
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # or the first start runs it, and that unblocks
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Any, settings: ChainSettings, provider: Provider) -> None:
    """What a worker process does: one recording after the other until the parent hangs up."""
    try:
        worker: Worker | CamfilterError = Worker(settings, provider)
    except CamfilterError as error:
        worker = error
    try:
        while True:
            task = pipe.recv()
            if isinstance(worker, CamfilterError):
                pipe.send(Outcome(task, str(worker), {}))
            else:
                pipe.send(worker.protect(task, pipe.send))
    except (EOFError, OSError, KeyboardInterrupt):
        pass
    finally:
        if isinstance(worker, Worker):
            worker.close()
