"""The line by which setup knows its own files again; it touches no others."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Final

__all__ = ["MARKER", "Presence", "marked", "presence"]

MARKER: Final = "Written by camfilter setup, which takes it away again with the option undo."


class Presence(Enum):
    """What lies where a file of ours would lie."""

    ABSENT = "absent"
    SAME = "same"
    OURS = "ours"
    FOREIGN = "foreign"


def marked(path: Path, content: str) -> str:
    """Content with the marker as a comment in its first line."""
    comment = f"<!-- {MARKER} -->" if path.suffix == ".svg" else f"# {MARKER}"
    return f"{comment}\n{content}"


def presence(path: Path, content: str = "") -> Presence:
    """What lies at `path`; what cannot be read counts as somebody else's."""
    try:
        found = path.read_text("utf-8")
    except FileNotFoundError:
        return Presence.ABSENT
    except (OSError, UnicodeDecodeError):
        return Presence.FOREIGN
    if found == content:
        return Presence.SAME
    return Presence.OURS if MARKER in found.partition("\n")[0] else Presence.FOREIGN
