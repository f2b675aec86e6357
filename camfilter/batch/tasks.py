"""What there is to do: which file goes where."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from camfilter.errors import SettingError, SinkError, SourceError, SourceNotFound
from camfilter.sources.kind import is_picture_file
from camfilter.sources.pictures import PICTURE_SUFFIXES

__all__ = ["STAGE_FOLDER", "Task", "plan"]

STAGE_FOLDER: Final = ".camfilter-batch"
"""Hidden folder inside the output folder, where unfinished files lie."""

_PICTURE_SUFFIX: Final = ".png"
_VIDEO_SUFFIXES: Final = frozenset(
    {".avi", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"}
)


@dataclass(frozen=True, slots=True)
class Task:
    """One file to protect.

    Attributes:
        source: the recording, absolute.
        out: the output folder, absolute.
        target: where the protected file goes, relative to `out`.
    """

    source: Path
    out: Path
    target: Path

    @property
    def output(self) -> Path:
        """Where the protected file goes."""
        return self.out / self.target

    @property
    def stage(self) -> Path:
        """Folder for the unfinished file; the same whenever and wherever the task is tried."""
        digest = hashlib.sha256(self.target.as_posix().encode()).hexdigest()[:16]
        return self.out / STAGE_FOLDER / digest


def plan(
    inputs: Sequence[Path], out: Path, video_suffix: str, made: Collection[Path] = ()
) -> list[Task]:
    """Find all files to protect; what a folder holds keeps its place below it.

    Args:
        inputs: videos, pictures, and folders that are searched to the bottom.
        out: folder for the results.
        video_suffix: kind of video to write, ".mp4" or ".mkv".
        made: results of earlier batches, absolute; no input where a folder holds them.

    Raises:
        SourceNotFound: an input is not there, or there is nothing to protect in any.
        SettingError: two files would get the same name.
        SinkError: a result would be written over a recording.
    """
    out = out.resolve()
    found: list[tuple[Path, Path]] = []
    for given in inputs:
        if not given.exists():
            raise SourceNotFound(f"There is no file or folder {given}.")
        if given.is_dir():
            folder = given.resolve()
            found += [(path, path.relative_to(folder)) for path in _below(folder, out, made)]
        else:
            found.append((given.resolve(), Path(given.name)))
    found = list(dict.fromkeys(found))
    if not found:
        raise SourceNotFound(
            f"{', '.join(map(str, inputs))} holds no video and no picture.",
            "Name files, or folders that hold some.",
        )
    tasks = [Task(source, out, _target(place, source, video_suffix)) for source, place in found]
    _refuse_clashes(tasks)
    return tasks


def _below(folder: Path, out: Path, made: Collection[Path]) -> Iterable[Path]:
    """Recordings in a folder and below it, in order; results and hidden files are no input."""
    known = PICTURE_SUFFIXES | _VIDEO_SUFFIXES
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        result = path in made or (out != folder and out in path.parents)
        if hidden or result or not path.is_file():
            continue
        if path.suffix.lower() in known:
            yield path


def _target(place: Path, source: Path, video_suffix: str) -> Path:
    suffix = _PICTURE_SUFFIX if _is_picture(source) else video_suffix
    if place.suffix.lower() == suffix:
        return place
    return place.with_name(place.name + suffix)  # "a.jpg" beside "a.png" stays another file


def _is_picture(path: Path) -> bool:
    try:
        return is_picture_file(path)
    except SourceError:
        return False  # whoever opens it says what is wrong


def _refuse_clashes(tasks: Sequence[Task]) -> None:
    sources = {task.source for task in tasks}
    seen: dict[Path, Task] = {}
    for task in tasks:
        if task.output in sources:
            raise SinkError(f"{task.output} is one of the recordings.", "Choose another folder.")
        other = seen.setdefault(task.target, task)
        if other is not task:
            raise SettingError(
                f"{other.source} and {task.source} would both become {task.target}.",
                "Give the folder that holds both, or protect them into different folders.",
            )
