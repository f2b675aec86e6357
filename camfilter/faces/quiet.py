"""Keep MediaPipe's start-up chatter off the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_native_log"]


@contextmanager
def quiet_native_log() -> Iterator[None]:
    """Send what native code writes to the error stream nowhere, for the length of the block.

    MediaPipe 0.10.21 writes lines that mean nothing to a person before its log
    can be configured, and offers no switch. Python's own errors are not touched:
    an exception inside the block is raised as ever.
    """
    try:
        stream = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # no real stream: nothing to keep quiet
        yield
        return
    sys.stderr.flush()
    kept = os.dup(stream)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream)
        yield
    finally:
        os.dup2(kept, stream)
        os.close(kept)
        os.close(nowhere)
