"""MediaPipe's two ways to find faces, and nothing else of MediaPipe.

`import mediapipe` loads all that it has: matplotlib, which writes a list of the machine's fonts
into the home folder, and an audio library that looks for microphones. That takes two thirds of
a second, and none of it finds a face.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

__all__ = ["Solutions", "load_solutions"]

_PACKAGE: Final = "mediapipe"
_SOLUTIONS: Final = "mediapipe.python.solutions"


@dataclass(frozen=True, slots=True)
class Solutions:
    """Modules of MediaPipe.

    Attributes:
        face_mesh: holds `FaceMesh`.
        face_detection: holds `FaceDetection`.
    """

    face_mesh: Any
    face_detection: Any


def load_solutions() -> Solutions:
    """Load them; fast when they are there already.

    From then on `import mediapipe` gives this process a package that holds no more than these.

    Raises:
        ModuleNotFoundError: MediaPipe is not installed.
    """
    _enter_without_running(_PACKAGE)
    _enter_without_running(_SOLUTIONS)
    return Solutions(
        import_module(f"{_SOLUTIONS}.face_mesh"), import_module(f"{_SOLUTIONS}.face_detection")
    )


def _enter_without_running(name: str) -> None:
    """Make a package's modules importable without what its `__init__` imports beside them."""
    if name in sys.modules:
        return
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    package = ModuleType(name)
    package.__spec__, package.__file__ = spec, spec.origin
    package.__path__ = [str(Path(spec.origin).parent)]
    sys.modules[name] = package
