"""What a run over files does with its sink: it has it alone, and shows it when it is whole."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from camfilter.app.instance import instance_name, shared
from camfilter.app.transport import Listener, Transport, this_transport
from camfilter.atomic import AtomicFile
from camfilter.errors import AlreadyRunning, ControlError
from camfilter.sinks.video import VIDEO_SUFFIXES

__all__ = ["alone_with", "is_video_file", "staged"]

_FAILED_ACCEPT_S: Final = 0.1
_JOIN_S: Final = 2.0


def is_video_file(sink: str) -> bool:
    """Whether a sink is one video file, as `open_sink` takes it."""
    path = Path(sink)
    if sink.partition(":")[0] == "virtual" or sink.endswith(("/", os.sep)) or path.is_dir():
        return False
    return path.suffix.lower() in VIDEO_SUFFIXES


@contextmanager
def alone_with(sink: str, transport: Transport | None = None) -> Iterator[None]:
    """Take a file or folder for this process while the block runs, as live runs take their sinks.

    A virtual camera sees to that itself; windows and nowhere may be used by several.

    Args:
        sink: as the person named it.
        transport: of control sockets; None takes this system's.

    Raises:
        AlreadyRunning: another camfilter writes there.
    """
    listener = None
    if not shared(sink) and sink.partition(":")[0] != "virtual":
        listener = _taken(sink, transport)
    if listener is None:
        yield
        return
    door = threading.Thread(target=_send_away, args=(listener,), name="camfilter-door", daemon=True)
    try:
        with listener:
            door.start()
            yield
    finally:
        door.join(_JOIN_S)


def _taken(sink: str, transport: Transport | None) -> Listener | None:
    """The control socket of a sink; None where this machine has none, which ends no run."""
    try:
        return (transport or this_transport()).listen(instance_name(sink))
    except AlreadyRunning as error:
        raise AlreadyRunning(
            f"Another camfilter writes {sink} already.", "Choose another sink, or end that one."
        ) from error
    except ControlError:
        return None


def _send_away(listener: Listener) -> None:
    """Hang up on whoever asks: a run over files takes no orders, and nobody shall wait for it."""
    while True:
        try:
            channel = listener.accept()
            if channel is None:
                return
            channel.close()
        except OSError:
            time.sleep(_FAILED_ACCEPT_S)


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A file of the same name in a hidden folder, moved into place when the block ends well.

    Args:
        path: where the finished file shall lie; an older file there stays until then.

    Raises:
        SinkError: `path` is a folder, or nothing can be written beside it.
    """
    file = AtomicFile(path)
    try:
        with TemporaryDirectory(prefix=".camfilter-", dir=path.absolute().parent) as folder:
            unfinished = Path(folder) / path.name
            yield unfinished
            unfinished.replace(file.temporary)
        file.commit()
    except BaseException:
        file.discard()
        raise
