"""Whom to evaluate on: labelled faces of a table, or one's own pictures and videos."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from zipfile import BadZipFile, ZipFile

import cv2
import numpy as np

from camfilter.errors import SourceError, SourceNotFound, UnreadableSource
from camfilter.expressions import EXPRESSIONS
from camfilter.frames import Pixels
from camfilter.lab.data import ferplus_part, hashed_part
from camfilter.lab.evaluate.options import EvaluateOptions, Part
from camfilter.sources.pictures import PICTURE_SUFFIXES, read_picture

__all__ = ["Subject", "find_subjects", "people", "read_still"]

LFW: Final = "lfw_expressions.zip"
_FERPLUS_PX: Final = 48
_VIDEO_SUFFIXES: Final = frozenset({".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v"})


@dataclass(frozen=True, slots=True)
class Subject:
    """One face to be shown in one clip.

    Attributes:
        name: what the report calls it; unique in an evaluation.
        path: picture, video, or the zip or array file that holds the picture.
        member: name in the zip file, index in the array; empty for a file of its own.
        label: the true expression; None where nobody said.
    """

    name: str
    path: Path
    member: str = ""
    label: str | None = None

    @property
    def is_video(self) -> bool:
        """Whether it moves already."""
        return not self.member and self.path.suffix.lower() in _VIDEO_SUFFIXES


def find_subjects(options: EvaluateOptions) -> list[Subject]:
    """The subjects of an evaluation, the same for the same options.

    A table's identities are split by hash, as in training: a tenth is `valid`, a tenth is
    `test`. Of those, `options.faces` are drawn so that the expressions come as evenly as there
    are pictures, at most one picture of an identity while there are other identities.

    Raises:
        SourceNotFound: an input is not there.
        UnreadableSource: an input holds no picture, video or table.
        SourceError: the part holds no face.
    """
    inputs = options.inputs or (options.data / LFW,)
    random = np.random.default_rng([options.seed, 1])
    found: list[Subject] = []
    for path in inputs:
        if not path.exists():
            hint = "" if options.inputs else "Name its folder with --data, or give pictures."
            raise SourceNotFound(f"There is no {path}.", hint)
        suffix = path.suffix.lower()
        if suffix in {".zip", ".csv"}:
            found += _drawn(_of_table(path, options.part), options.faces, random)
        elif suffix == ".npz":
            found += _drawn(_of_ferplus(path), options.faces, random)
        else:
            found += _of_files(path)
    if not found:
        raise SourceError(f"There is no face in the part {options.part!r}.", "Use another --part.")
    return _uniquely_named(found[: options.faces])


def people(path: Path, part: Part) -> dict[str, list[Subject]]:
    """The pictures of each person of a table, in its order.

    Args:
        path: a CSV, or a zip with one.
        part: whose pictures.

    Raises:
        UnreadableSource: the table cannot be read, or names a picture that is not there.
    """
    by_person: dict[str, list[Subject]] = {}
    for row in _of_table(path, part):
        by_person.setdefault(row.identity, []).append(row.subject)
    return by_person


def read_still(subject: Subject) -> Pixels:
    """The picture of a subject that is no video, (height, width, 3) uint8, BGR.

    Raises:
        SourceNotFound: there is no such file.
        UnreadableSource: it holds no picture.
    """
    if not subject.member:
        return read_picture(subject.path)
    if subject.path.suffix.lower() == ".npz":
        return _ferplus_still(subject)
    try:
        with ZipFile(subject.path) as archive:
            content = archive.read(subject.member)
    except (OSError, KeyError, BadZipFile) as error:
        raise UnreadableSource(f"{subject.member} cannot be read from {subject.path}.") from error
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise UnreadableSource(f"{subject.member} in {subject.path} is not a picture.")
    return picture.view(np.uint8)


def _of_files(path: Path) -> list[Subject]:
    """Pictures and videos; a folder called like an expression labels what lies in it."""
    wanted = PICTURE_SUFFIXES | _VIDEO_SUFFIXES
    if path.is_file():
        files, base = [path], path.parent
    else:
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in wanted)
        base = path
    if not files or any(file.suffix.lower() not in wanted for file in files):
        raise UnreadableSource(f"{path} holds no picture or video.")
    return [
        Subject(file.relative_to(base).as_posix(), file, label=_label(file.parent.name))
        for file in files
    ]


@dataclass(frozen=True, slots=True)
class _Row:
    subject: Subject
    identity: str


def _of_table(path: Path, part: Part) -> list[_Row]:
    rows = _zip_rows(path) if path.suffix.lower() == ".zip" else _csv_rows(path)
    return [row for split, row in rows if part in ("all", split)]


def _zip_rows(path: Path) -> Iterator[tuple[str, _Row]]:
    try:
        with ZipFile(path) as archive:
            members = archive.namelist()
            tables = [name for name in members if name.endswith(".csv")]
            if not tables:
                raise UnreadableSource(f"{path} holds no CSV table.")
            content = archive.read(tables[0])
    except (OSError, BadZipFile) as error:
        raise UnreadableSource(f"{path} is not a zip file.") from error
    whole = set(members)
    beside = PurePosixPath(tables[0]).parent
    by_name = {PurePosixPath(name).name: name for name in members}
    for name, split, identity, label in _entries(content, path):
        member = str(beside / name)
        member = member if member in whole else by_name.get(PurePosixPath(name).name, "")
        if not member:
            raise UnreadableSource(f"The table of {path} names {name!r}, which is not there.")
        yield split, _Row(Subject(name, path, member, label), identity)


def _csv_rows(path: Path) -> Iterator[tuple[str, _Row]]:
    for name, split, identity, label in _entries(path.read_bytes(), path):
        yield split, _Row(Subject(name, path.parent / name, label=label), identity)


def _entries(content: bytes, path: Path) -> Iterator[tuple[str, str, str, str | None]]:
    """Name, split, identity and label of each row."""
    try:
        table = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise UnreadableSource(f"The table of {path} is not UTF-8 text.") from error
    missing = {"image", "emotion"} - set(table.fieldnames or ())
    if missing:
        raise UnreadableSource(f"The table of {path} has no column {min(missing)!r}.")
    for row in table:
        name = row["image"]
        identity = row.get("identity") or name
        split = (row.get("split") or "").strip().lower() or hashed_part(identity)
        yield name, split, identity, _label(row["emotion"])


def _of_ferplus(path: Path) -> list[_Row]:
    """The faces of an array file of FER+, each of its own identity; the file is the part."""
    majority = ferplus_part(path, _FERPLUS_PX).majority
    return [
        _Row(Subject(f"{path.stem}-{index}", path, str(index), EXPRESSIONS[label]), str(index))
        for index, label in enumerate(majority)
    ]


def _ferplus_still(subject: Subject) -> Pixels:
    """A face of FER+ as a picture: scaled up, its edge carried on, as its crops are tight."""
    small = ferplus_part(subject.path, _FERPLUS_PX).pictures[int(subject.member)]
    large = cv2.resize(small, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    rim = _FERPLUS_PX
    wide = cv2.copyMakeBorder(large, rim, rim, rim, rim, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(wide, cv2.COLOR_GRAY2BGR), np.uint8)


def _label(text: str | None) -> str | None:
    name = (text or "").strip().lower()
    return name if name in EXPRESSIONS else None


def _drawn(rows: list[_Row], count: int, random: np.random.Generator) -> list[Subject]:
    """Up to `count` rows, an expression after the other, new identities first."""
    by_label: dict[str, list[_Row]] = defaultdict(list)
    for index in random.permutation(len(rows)):
        row = rows[index]
        by_label[row.subject.label or ""].append(row)
    seen: set[str] = set()
    queues = [_fresh_first(by_label[label], seen) for label in (*EXPRESSIONS, "")]
    drawn: list[Subject] = []
    while queues and len(drawn) < count:
        left = []
        for queue in queues:
            row = next(queue, None)
            if row is None:
                continue
            left.append(queue)
            drawn.append(row.subject)
        queues = left
    return drawn[:count]


def _fresh_first(rows: Iterable[_Row], seen: set[str]) -> Iterator[_Row]:
    """Rows of identities that nobody drew yet, then the others."""
    later = []
    for row in rows:
        if row.identity in seen:
            later.append(row)
            continue
        seen.add(row.identity)
        yield row
    yield from later


def _uniquely_named(subjects: list[Subject]) -> list[Subject]:
    names: set[str] = set()
    unique = []
    for subject in subjects:
        name, count = subject.name, 2
        while name in names:
            name, count = f"{subject.name} ({count})", count + 1
        names.add(name)
        unique.append(Subject(name, subject.path, subject.member, subject.label))
    return unique
