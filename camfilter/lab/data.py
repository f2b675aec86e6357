"""Faces with expression labels: FER+ arrays, folders per class, or a CSV of pictures."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from zipfile import BadZipFile, ZipFile

import cv2
import numpy as np
import numpy.typing as npt

from camfilter.errors import SourceError, SourceNotFound, UnreadableSource
from camfilter.expressions import EXPRESSIONS

__all__ = ["Faces", "LabelledFaces", "Part", "load_faces", "stamp"]

Part = Literal["train", "valid", "test"]

PARTS: Final[tuple[Part, ...]] = ("train", "valid", "test")
SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".bmp"})


@dataclass(frozen=True)
class Faces:
    """Pictures and how probable each expression is.

    Attributes:
        pictures: (N, S, S) uint8 luma.
        labels: (N, 8) float32, each row a distribution over EXPRESSIONS.
    """

    pictures: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def majority(self) -> npt.NDArray[np.int64]:
        """(N,) index of the most probable expression, the first of equals."""
        return np.asarray(self.labels.argmax(axis=1), np.int64)


@dataclass(frozen=True)
class LabelledFaces:
    """A data set in its three parts; only `train` may be learned from."""

    train: Faces
    valid: Faces
    test: Faces


def load_faces(source: Path, size_px: int) -> LabelledFaces:
    """Read a data set, whichever of these forms it has.

    - a folder with `ferplus_{train_a,train_b,valid,test}.npz`: FER+;
    - a CSV file with the columns `image` and `emotion`, and where present `split` (train,
      valid, test) and `identity`; images lie beside it;
    - a zip file that holds such a CSV and its images;
    - a folder with one folder per expression, or with `train`, `valid` and `test`
      folders of such folders.

    Where the data names no split, a tenth of the identities (without identities, of the
    pictures) goes to `valid` and a tenth to `test`, chosen by hash, so that more pictures
    move none.

    Args:
        source: file or folder; pictures are crops of faces.
        size_px: width and height to which pictures are scaled.

    Raises:
        SourceNotFound: there is no such file or folder.
        UnreadableSource: a picture or a table is malformed.
        SourceError: the data has no pictures for one of its parts.
    """
    if not source.exists():
        raise SourceNotFound(f"There is no data at {source}.", "Name it with --data.")
    if source.suffix == ".csv":
        text = source.read_bytes()
        rows = csv_rows(text, lambda name: (source.parent / name).read_bytes())
        return from_rows(rows, size_px, source)
    if source.suffix == ".zip":
        return from_zip(source, size_px)
    if (source / "ferplus_test.npz").is_file():
        return from_ferplus(source, size_px)
    return from_rows(folder_rows(source), size_px, source)


def from_ferplus(folder: Path, size_px: int) -> LabelledFaces:
    """Read FER+; the two halves of the training part are joined."""
    halves = [ferplus_part(folder / f"ferplus_train_{half}.npz", size_px) for half in "ab"]
    train = Faces(
        np.concatenate([half.pictures for half in halves]),
        np.concatenate([half.labels for half in halves]),
    )
    valid, test = (ferplus_part(folder / f"ferplus_{part}.npz", size_px) for part in PARTS[1:])
    return LabelledFaces(train, valid, test)


def ferplus_part(file: Path, size_px: int) -> Faces:
    """One file of FER+ under its usual protocol.

    Single votes are dropped as outliers; then pictures whose majority is unknown or "not a
    face", or that have no vote left, are dropped, and the others' eight columns normalised.

    Raises:
        UnreadableSource: the file is missing or malformed.
    """
    try:
        with np.load(file) as arrays:
            pictures, raw = arrays["images"], arrays["votes"]
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise UnreadableSource(f"{file} is not an array file of FER+: {error}.") from error
    votes = np.where(raw <= 1, 0, raw).astype(np.float32)
    usable = (votes.argmax(axis=1) < len(EXPRESSIONS)) & (votes.sum(axis=1) > 0)
    votes = votes[usable, : len(EXPRESSIONS)]
    pictures = pictures[usable]
    if pictures.shape[1:] != (size_px, size_px):
        pictures = np.stack([scaled(picture, size_px) for picture in pictures])
    return Faces(pictures, votes / votes.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Row:
    """One labelled picture before it is decoded."""

    name: str
    emotion: str
    content: bytes
    split: str = ""
    identity: str = ""


def csv_rows(content: bytes, read: Callable[[str], bytes]) -> Iterator[Row]:
    """Rows of a CSV table whose pictures `read` fetches by name.

    Raises:
        UnreadableSource: it is not UTF-8, or a column or a picture is missing.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableSource("The table is not UTF-8 text.") from error
    table = csv.DictReader(io.StringIO(text))
    missing = {"image", "emotion"} - set(table.fieldnames or ())
    if missing:
        raise UnreadableSource(f"The table has no column {sorted(missing)[0]!r}.")
    for entry in table:
        name = entry["image"]
        try:
            content = read(name)
        except (OSError, KeyError) as error:
            raise UnreadableSource(f"The table names {name!r}, which is not there.") from error
        yield Row(
            name,
            entry["emotion"],
            content,
            (entry.get("split") or "").strip().lower(),
            entry.get("identity") or "",
        )


def from_zip(file: Path, size_px: int) -> LabelledFaces:
    """Read a zip file that holds one CSV and its pictures, beside it or in a folder `faces`.

    Raises:
        UnreadableSource: it is no zip file, or holds no CSV.
    """
    try:
        with ZipFile(file) as archive:
            tables = [name for name in archive.namelist() if name.endswith(".csv")]
            if not tables:
                raise UnreadableSource(f"{file} holds no CSV table.")
            base = tables[0].rpartition("/")[0]
            prefix = f"{base}/" if base else ""
            text = archive.read(tables[0])

            def read(name: str) -> bytes:
                try:
                    return archive.read(prefix + name)
                except KeyError:
                    return archive.read(f"{prefix}faces/{name}")

            return from_rows(csv_rows(text, read), size_px, file)
    except BadZipFile as error:
        raise UnreadableSource(f"{file} is not a zip file.") from error


def folder_rows(folder: Path) -> Iterator[Row]:
    """Pictures of a folder per expression, perhaps under a folder per part, in sorted order."""
    splits: list[str] = [part for part in PARTS if (folder / part).is_dir()]
    for split in splits or [""]:
        for emotion in EXPRESSIONS:
            for file in sorted((folder / split / emotion).rglob("*")):
                if file.suffix.lower() in SUFFIXES:
                    name = str(file.relative_to(folder))
                    yield Row(name, emotion, file.read_bytes(), split)


def from_rows(rows: Iterable[Row], size_px: int, source: Path) -> LabelledFaces:
    """Decode rows and sort them into parts.

    Raises:
        UnreadableSource: a picture cannot be decoded, or a label or split is unknown.
        SourceError: a part is empty.
    """
    pictures: dict[str, list[npt.NDArray[np.uint8]]] = {part: [] for part in PARTS}
    labels: dict[str, list[int]] = {part: [] for part in PARTS}
    for row in rows:
        emotion = row.emotion.strip().lower()
        part = row.split or hashed_part(row.identity or row.name)
        if emotion not in EXPRESSIONS:
            raise UnreadableSource(
                f"{row.name} has the unknown expression {row.emotion!r}.",
                f"Choose one of: {', '.join(EXPRESSIONS)}.",
            )
        if part not in pictures:
            raise UnreadableSource(f"{row.name} has the unknown split {row.split!r}.")
        pictures[part].append(decoded(row, size_px))
        labels[part].append(EXPRESSIONS.index(emotion))
    for part in PARTS:
        if not pictures[part]:
            raise SourceError(f"{source} has no pictures for the part {part!r}.")
    one_hot = np.eye(len(EXPRESSIONS), dtype=np.float32)
    return LabelledFaces(
        *(Faces(np.stack(pictures[part]), one_hot[labels[part]]) for part in PARTS)
    )


def hashed_part(key: str) -> Part:
    """The part of an identity or picture: 80 % train, 10 % valid, 10 % test."""
    tenth = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % 10
    return PARTS[max(0, tenth - 7)]


def decoded(row: Row, size_px: int) -> npt.NDArray[np.uint8]:
    """A row's picture as (S, S) luma.

    Raises:
        UnreadableSource: it is not a picture.
    """
    buffer = np.frombuffer(row.content, np.uint8)
    picture = cv2.imdecode(buffer, cv2.IMREAD_GRAYSCALE) if buffer.size else None
    if picture is None:
        raise UnreadableSource(f"{row.name} is not a picture.")
    return scaled(np.asarray(picture, np.uint8), size_px)


def scaled(picture: npt.NDArray[np.uint8], size_px: int) -> npt.NDArray[np.uint8]:
    """A picture scaled to a square, by area when it shrinks."""
    shrinks = min(picture.shape) > size_px
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (size_px, size_px), interpolation=how), np.uint8)


def stamp(source: Path) -> str:
    """Names, sizes and times of the files of a set or a network: another stamp, another thing."""
    files = sorted(source.rglob("*.*")) if source.is_dir() else [source]
    content = hashlib.sha256()
    for file in files:
        if file.is_file() and file.suffix != ".pyc":
            facts = file.stat()
            content.update(f"{file.name} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return content.hexdigest()[:20]
