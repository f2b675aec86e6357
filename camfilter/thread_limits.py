"""How many threads the mathematical libraries of a process may start."""

from __future__ import annotations

from typing import Final

__all__ = ["thread_variables"]

_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def thread_variables(threads: int) -> dict[str, str]:
    """Environment variables that limit all of them.

    They are read when a library is loaded, so they must be set before the process starts.
    """
    return dict.fromkeys(_VARIABLES, str(threads))
