"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

__all__ = ["give_back_memory"]


def give_back_memory() -> None:
    """Hand back what the C library keeps in stock; does nothing where that cannot be asked for.

    glibc keeps what the loading of an inference session leaves behind, in pieces too small for
    the next one: each session that was opened anew made the program some 10 MB larger.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library has no such function
            ctypes.CDLL(None).malloc_trim(0)
