"""Is a file of ours to be written, or is something there already?"""

from __future__ import annotations

from collections.abc import Iterator

from camfilter.setup.marker import Presence, presence
from camfilter.setup.steps import Note, Step, WriteFile

__all__ = ["kept_or_written", "taken_back"]


def kept_or_written(file: WriteFile) -> Iterator[Step]:
    """The step itself; nothing when it is done; a note when somebody else's file is in the way."""
    found = presence(file.path, file.content)
    if found is Presence.FOREIGN:
        yield Note(f"{file.path} is not from camfilter setup and is left alone.")
    elif found is not Presence.SAME:
        yield file


def taken_back(file: WriteFile) -> Iterator[Step]:
    """The step that removes the file, if it is there and ours."""
    if presence(file.path, file.content) in (Presence.SAME, Presence.OURS):
        yield file.undo
