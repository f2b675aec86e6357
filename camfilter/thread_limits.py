"""How many threads the mathematical libraries of a process may start."""

from __future__ import annotations

from typing import Final

import cv2

__all__ = ["keep_to_one_thread", "thread_variables"]

_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def keep_to_one_thread() -> None:
    """Let OpenCV work in the thread that calls it, for the whole process.

    Its other threads save hardly any time on a frame and spin between two of them: a live run
    took a tenth of a core more. NumPy's spin, too, but wake for no more than the linear algebra
    that pyproject.toml bans; ONNX Runtime and MediaPipe are told when they are opened.
    """
    cv2.setNumThreads(1)


def thread_variables(threads: int) -> dict[str, str]:
    """Environment variables that limit all of them.

    They are read when a library is loaded, so they must be set before the process starts.
    """
    return dict.fromkeys(_VARIABLES, str(threads))
