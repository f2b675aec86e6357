"""What a task makes: arrays and plain values, kept in one file named by what decided it."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

import camfilter
from camfilter.atomic import AtomicFile, one_line
from camfilter.errors import SinkError

__all__ = ["Keeper", "Made", "digest_of_lab"]

_FIGURES: Final = "figures"


@dataclass(frozen=True)
class Made:
    """What a task made.

    Attributes:
        figures: plain values, as JSON has them.
        arrays: by name, of any number type; the weights of a network, for example.
    """

    figures: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


class Keeper:
    """A folder of what was made; each file is named by a hash of all that decided it.

    Args:
        folder: is made where it is missing.

    Raises:
        SinkError: nothing can be written there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"{folder} cannot be made: {one_line(error)}.") from error

    def find(self, name: str) -> Made | None:
        """What was kept under a name; None where nothing whole was."""
        try:
            with np.load(self._file(name), allow_pickle=False) as file:
                figures = json.loads(file[_FIGURES].tobytes())
                arrays = {
                    key.removeprefix("a-"): file[key] for key in file.files if key != _FIGURES
                }
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None
        return Made(figures, arrays)

    def keep(self, name: str, made: Made) -> None:
        """Keep it, whole or not at all.

        Raises:
            SinkError: it cannot be written.
        """
        buffer = io.BytesIO()
        text = np.frombuffer(json.dumps(made.figures, sort_keys=True).encode(), np.uint8)
        named = {f"a-{key}": array for key, array in made.arrays.items()}
        np.savez_compressed(buffer, **{_FIGURES: text}, **named)
        AtomicFile(self._file(name)).write(buffer.getvalue())

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


def digest_of_lab(parts: Iterable[str]) -> str:
    """Hash of the code of some packages and modules below `camfilter/lab`.

    Args:
        parts: names such as "caa" (a package) or "identities.py".
    """
    lab = Path(str(camfilter.__file__)).parent / "lab"
    content = hashlib.sha256()
    for part in sorted(parts):
        place = lab / part
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            content.update(file.name.encode() + b"\0" + file.read_bytes())
    return content.hexdigest()[:20]
