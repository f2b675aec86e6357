"""Keep MediaPipe's start-up chatter off the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["quiet_native_log"]

# Where native code writes, whatever Python's sys.stderr was replaced by.
_STREAM: Final = 2


@contextmanager
def quiet_native_log() -> Iterator[None]:
    """Send what native code writes to the error stream nowhere, for the length of the block.

    MediaPipe 0.10.21 writes lines that mean nothing to a person before its log
    can be configured, and offers no switch. Python's own errors are not touched:
    an exception inside the block is raised as ever.
    """
    if sys.__stderr__ is None:  # started without one: descriptor 2 may be somebody's file
        yield
        return
    sys.__stderr__.flush()
    kept = os.dup(_STREAM)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, _STREAM)
        yield
    finally:
        os.dup2(kept, _STREAM)
        os.close(kept)
        os.close(nowhere)
