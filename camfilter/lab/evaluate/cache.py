"""What was computed already, in files named by a hash of everything that decides their content.

So an interrupted evaluation goes on where it stopped, another recogniser is read on clips
whose other readings stay, and nothing old is taken for new after a change of the code.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import camfilter
from camfilter.atomic import AtomicFile, one_line
from camfilter.errors import SinkError
from camfilter.lab.evaluate.packing import packed, unpacked

__all__ = ["Cache", "Readings", "digest", "digest_of_code"]

Readings = dict[str, NDArray[np.float32]]

_FILTER_CODE = ("*.py", "faces/*.py", "surrogate/*.py")
_CLIP_CODE = (
    "lab/evaluate/*.py", "lab/data.py", "sources/*.py", "faces/*.py", "surrogate/*.py",
    "geometry.py",
)  # fmt: skip
"""What makes clips, and what the spies see and read in them."""
_NOT_OF_THE_FILTER = frozenset(
    {"__main__.py", "card.py", "guard.py", "meter.py", "pipeline.py", "proof.py", "protector.py",
     "report.py"}
)  # fmt: skip
"""Files beside the filter's that stand behind it, or only look at it."""

_NOT_DECISIVE = frozenset(
    {
        "collect.py",
        "command.py",
        "drawing.py",
        "measures.py",
        "report.py",
        "run.py",
        "summary.py",
        "table.py",
        "verdict.py",
    }
)
"""Files that work on what is in the cache, or decide nothing of it."""


def digest(*parts: object) -> str:
    """A short hash of values that are written as JSON."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def digest_of_code(*, filters: bool) -> str:
    """Hash of the code that decides results: of the filter, or of clips, channels and readings."""
    package = Path(str(camfilter.__file__)).parent
    patterns, left_out = (
        (_FILTER_CODE, _NOT_OF_THE_FILTER) if filters else (_CLIP_CODE, _NOT_DECISIVE)
    )
    found = (file for pattern in patterns for file in package.glob(pattern))
    files = [file for file in found if file.name not in left_out]
    content = hashlib.sha256()
    for file in sorted(files):
        content.update(file.name.encode() + b"\0" + file.read_bytes())
    return content.hexdigest()[:20]


class Cache:
    """A folder of results.

    Args:
        folder: is made where it is missing.
        fresh: forget what is there.

    Raises:
        SinkError: nothing can be written there.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self.folder = folder
        if fresh and (folder / "CACHE").exists():  # only what is known to be a cache is deleted
            shutil.rmtree(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"{folder} cannot be made: {one_line(error)}.") from error
        marker = folder / "CACHE"
        if not marker.exists():
            AtomicFile(marker).write(b"Results of camfilter evaluate; may be deleted.\n")

    def readings(self, clip: str, condition: str, channel: str) -> tuple[Readings, dict[str, Any]]:
        """Readings by key and figures of a clip in a condition through a channel; may be empty."""
        try:
            return unpacked(self._file(clip, condition, f"{channel}.npz").read_bytes())
        except (OSError, ValueError):
            return {}, {}

    def keep_readings(
        self, clip: str, condition: str, channel: str, readings: Readings, figures: dict[str, Any]
    ) -> None:
        """Keep them, whole or not at all."""
        self._write(clip, condition, f"{channel}.npz", packed(readings, figures))

    def look(self, clip: str, condition: str) -> dict[str, Any] | None:
        """What a person could see of a clip in a condition; None where nobody looked."""
        try:
            figures = json.loads(self._file(clip, condition, "look.json").read_bytes())
        except (OSError, ValueError):
            return None
        return figures if isinstance(figures, dict) else None

    def keep_look(self, clip: str, condition: str, figures: dict[str, Any]) -> None:
        """Keep it, whole or not at all."""
        self._write(clip, condition, "look.json", json.dumps(figures).encode())

    def picture(self, clip: str, condition: str) -> bytes | None:
        """A PNG that shows the clip's middle frame; None where none was kept."""
        try:
            return self._file(clip, condition, "middle.png").read_bytes()
        except OSError:
            return None

    def keep_picture(self, clip: str, condition: str, content: bytes) -> None:
        """Keep it, whole or not at all."""
        self._write(clip, condition, "middle.png", content)

    def _file(self, clip: str, condition: str, name: str) -> Path:
        return self.folder / clip / f"{condition}-{name}"

    def _write(self, clip: str, condition: str, name: str, content: bytes) -> None:
        file = self._file(clip, condition, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        AtomicFile(file).write(content)
