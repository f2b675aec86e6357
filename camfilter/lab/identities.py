"""Faces with names: a folder per identity, or a table with the column `identity`."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.errors import SourceError, SourceNotFound, UnreadableSource
from camfilter.lab.data import SUFFIXES, scaled

__all__ = ["Identities", "Split", "load_identities"]

_LFW = "lfw_expressions.zip"
_Read = Callable[[], bytes]


@dataclass(frozen=True)
class Identities:
    """Pictures of people.

    Attributes:
        pictures: (N, S, S) uint8 luma.
        people: (N,) int64 index into `names`.
        names: of the people, sorted.
    """

    pictures: NDArray[np.uint8]
    people: NDArray[np.int64]
    names: list[str]

    def __len__(self) -> int:
        return len(self.pictures)

    def part(self, indices: NDArray[np.int64]) -> Identities:
        """Some of the pictures; people keep their numbers."""
        return Identities(self.pictures[indices], self.people[indices], self.names)

    def split(self, seed: int, shares: tuple[float, float] = (0.8, 0.1)) -> Split:
        """Each person's pictures at random into training, validation and test pictures.

        Every person has at least one of each, so three pictures are needed.

        Args:
            seed: of the chance.
            shares: of training and of validation pictures; the rest is for the test.
        """
        random = np.random.default_rng(seed)
        parts: tuple[list[int], list[int], list[int]] = ([], [], [])
        for person in range(len(self.names)):
            mine = random.permutation(np.flatnonzero(self.people == person)).tolist()
            valid = max(1, round(shares[1] * len(mine)))
            test = max(1, round((1 - shares[0] - shares[1]) * len(mine)))
            parts[1].extend(mine[:valid])
            parts[2].extend(mine[valid : valid + test])
            parts[0].extend(mine[valid + test :])
        return Split(*(self.part(np.array(sorted(part), np.int64)) for part in parts))


@dataclass(frozen=True)
class Split:
    """Pictures to learn from, to choose by, and to report on."""

    train: Identities
    valid: Identities
    test: Identities


def load_identities(
    source: Path, size_px: int, *, least_pictures: int = 10, most_people: int | None = None
) -> Identities:
    """Read the people who have enough pictures, those with the most first.

    Args:
        source: a folder with one folder per person; a zip file with a table that has the columns
            `image` and `identity`; or a folder with `lfw_expressions.zip`.
        size_px: width and height to which pictures are scaled.
        least_pictures: of a person, to be taken; three or more.
        most_people: to be taken; None takes all.

    Raises:
        SourceNotFound: there is no such file or folder.
        UnreadableSource: a table or a picture is malformed.
        SourceError: fewer than two people have so many pictures.
    """
    if not source.exists():
        raise SourceNotFound(f"There is no data at {source}.", "Name it with --data.")
    if (source / _LFW).is_file():
        source = source / _LFW
    if source.is_dir():
        return _chosen(_in_folder(source), size_px, least_pictures, most_people, source)
    try:
        with ZipFile(source) as archive:
            return _chosen(_in_zip(archive), size_px, least_pictures, most_people, source)
    except BadZipFile as error:
        raise UnreadableSource(f"{source} is neither a folder nor a zip file.") from error


def _in_folder(folder: Path) -> Iterator[tuple[str, str, _Read]]:
    for file in sorted(folder.glob("*/*")):
        if file.suffix.lower() in SUFFIXES:
            yield file.parent.name, file.name, file.read_bytes


def _in_zip(archive: ZipFile) -> Iterator[tuple[str, str, _Read]]:
    tables = [name for name in archive.namelist() if name.endswith(".csv")]
    if not tables:
        raise UnreadableSource(f"{archive.filename} holds no CSV table.")
    try:
        table = csv.DictReader(io.StringIO(archive.read(tables[0]).decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise UnreadableSource("The table is not UTF-8 text.") from error
    if {"image", "identity"} - set(table.fieldnames or ()):
        raise UnreadableSource("The table lacks the column image or identity.")
    base = tables[0].rpartition("/")[0]
    prefix = f"{base}/" if base else ""
    members = set(archive.namelist())
    for row in table:
        places = (prefix + row["image"], f"{prefix}faces/{row['image']}")
        member = next((place for place in places if place in members), None)
        if member is None:
            raise UnreadableSource(f"The table names {row['image']!r}, which is not there.")
        yield row["identity"], row["image"], lambda member=member: archive.read(member)  # type: ignore[misc]


def _chosen(
    found: Iterator[tuple[str, str, _Read]],
    size_px: int,
    least_pictures: int,
    most_people: int | None,
    source: Path,
) -> Identities:
    pictures: dict[str, dict[str, _Read]] = defaultdict(dict)
    for person, picture, read in found:
        if person:
            pictures[person][picture] = read
    enough = [person for person in pictures if len(pictures[person]) >= max(3, least_pictures)]
    enough.sort(key=lambda person: (-len(pictures[person]), person))
    names = sorted(enough[:most_people])
    if len(names) < 2:
        raise SourceError(
            f"{source} has fewer than two people with {least_pictures} pictures.",
            "Add pictures, or ask for fewer of each.",
        )
    decoded = [
        (_decoded(name, read(), size_px), index)
        for index, person in enumerate(names)
        for name, read in sorted(pictures[person].items())
    ]
    stack = np.stack([picture for picture, _ in decoded])
    return Identities(stack, np.array([index for _, index in decoded], np.int64), names)


def _decoded(name: str, content: bytes, size_px: int) -> NDArray[np.uint8]:
    buffer = np.frombuffer(content, np.uint8)
    picture = cv2.imdecode(buffer, cv2.IMREAD_GRAYSCALE) if buffer.size else None
    if picture is None:
        raise UnreadableSource(f"{name} is not a picture.")
    return scaled(np.asarray(picture, np.uint8), size_px)
