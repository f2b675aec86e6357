from __future__ import annotations

import os
from pathlib import Path
from zipfile import ZipFile

import cv2
import numpy as np
import pytest

from camfilter.errors import SourceError, SourceNotFound, UnreadableSource
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.data import hashed_part, load_faces

FERPLUS = Path(os.environ.get("CAMFILTER_DATA", Path(__file__).parents[2] / "shared" / "data"))

VOTES = [
    [9, 1, 0, 0, 0, 0, 0, 0, 0, 0],  # the single vote is dropped
    [0, 4, 0, 0, 0, 0, 0, 4, 2, 0],  # unknown is not the majority
    [0, 3, 0, 0, 0, 0, 0, 0, 7, 0],  # unknown
    [2, 0, 0, 0, 0, 0, 0, 0, 0, 8],  # not a face
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],  # nothing is left
]


def ferplus(folder: Path) -> Path:
    for index, part in enumerate(("train_a", "train_b", "valid", "test")):
        images = np.full((len(VOTES), 48, 48), 10 * index, np.uint8)
        images += np.arange(len(VOTES), dtype=np.uint8)[:, None, None]
        np.savez(folder / f"ferplus_{part}.npz", images=images, votes=np.array(VOTES, np.uint8))
    return folder


def picture(value: int) -> bytes:
    encoded, buffer = cv2.imencode(".png", np.full((20, 30, 3), value, np.uint8))
    assert encoded
    return buffer.tobytes()


def table(rows: list[tuple[str, str, str]]) -> str:
    return "\n".join(["image,emotion,split", *(",".join(row) for row in rows)]) + "\n"


ROWS = [
    ("a.png", "happiness", "train"),
    ("b.png", "Fear", "train"),
    ("c.png", "neutral", "valid"),
    ("d.png", "contempt", "test"),
]


def csv_folder(folder: Path, text: str | None = None) -> Path:
    for index, (name, _, _) in enumerate(ROWS):
        (folder / name).write_bytes(picture(50 * index))
    (folder / "labels.csv").write_text(table(ROWS) if text is None else text)
    return folder / "labels.csv"


def test_ferplus_protocol(tmp_path: Path) -> None:
    faces = load_faces(ferplus(tmp_path), 48)
    assert (len(faces.train), len(faces.valid), len(faces.test)) == (4, 2, 2)
    assert faces.train.pictures[:, 0, 0].tolist() == [0, 1, 10, 11]
    assert faces.valid.pictures[:, 0, 0].tolist() == [20, 21]
    assert faces.test.labels[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert faces.test.labels[1].tolist() == [0, 0.5, 0, 0, 0, 0, 0, 0.5]
    assert faces.test.majority.tolist() == [0, 1]


def test_ferplus_is_scaled_to_the_network(tmp_path: Path) -> None:
    faces = load_faces(ferplus(tmp_path), 64)
    assert faces.train.pictures.shape == (4, 64, 64)
    assert faces.train.pictures.dtype == np.uint8


def test_csv_with_splits(tmp_path: Path) -> None:
    faces = load_faces(csv_folder(tmp_path), 16)
    assert faces.train.pictures.shape == (2, 16, 16)
    assert faces.train.pictures[:, 8, 8].tolist() == [0, 50]
    assert [EXPRESSIONS[index] for index in faces.train.majority] == ["happiness", "fear"]
    assert [EXPRESSIONS[index] for index in faces.test.majority] == ["contempt"]


def test_zip_equals_csv(tmp_path: Path) -> None:
    wanted = load_faces(csv_folder(tmp_path), 16)
    with ZipFile(tmp_path / "faces.zip", "w") as archive:
        for name in ("labels.csv", *(row[0] for row in ROWS)):
            archive.write(tmp_path / name, f"faces/{name}")
    found = load_faces(tmp_path / "faces.zip", 16)
    assert np.array_equal(found.train.pictures, wanted.train.pictures)
    assert np.array_equal(found.valid.labels, wanted.valid.labels)


@pytest.mark.parametrize("parts", [("train", "valid", "test"), ("",)])
def test_folders(parts: tuple[str, ...], tmp_path: Path) -> None:
    for part in parts:
        for emotion in ("sadness", "anger"):
            folder = tmp_path / part / emotion
            folder.mkdir(parents=True)
            for index in range(20):
                (folder / f"{index}.png").write_bytes(picture(index))
            (folder / "notes.txt").write_text("not a picture")
    faces = load_faces(tmp_path, 16)
    total = len(faces.train) + len(faces.valid) + len(faces.test)
    assert total == 40 * len(parts)
    assert {EXPRESSIONS[index] for index in faces.train.majority} == {"sadness", "anger"}
    if len(parts) == 3:
        assert len(faces.valid) == 40
    else:
        assert len(faces.train) > len(faces.valid)


def test_a_person_is_in_one_part_only(tmp_path: Path) -> None:
    rows = ["image,emotion,identity"]
    for index in range(200):
        (tmp_path / f"{index}.png").write_bytes(picture(index % 20 * 10))
        rows.append(f"{index}.png,neutral,person {index % 20}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    faces = load_faces(tmp_path / "labels.csv", 16)
    shades = [
        set(part.pictures[:, 8, 8].tolist()) for part in (faces.train, faces.valid, faces.test)
    ]
    assert not shades[0] & shades[1]
    assert not shades[0] & shades[2]
    assert not shades[1] & shades[2]


def test_hashed_parts_are_near_eight_to_one_to_one() -> None:
    parts = [hashed_part(f"picture {index}") for index in range(5000)]
    assert parts.count("train") == pytest.approx(4000, abs=150)
    assert parts.count("valid") == pytest.approx(500, abs=100)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="no data"):
        load_faces(tmp_path / "absent", 48)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("image,feeling\na.png,fear\n", UnreadableSource, "no column 'emotion'"),
        ("image,emotion\nz.png,fear\n", UnreadableSource, "not there"),
        ("image,emotion\na.png,joy\n", UnreadableSource, "unknown expression 'joy'"),
        (table([("a.png", "fear", "dev")]), UnreadableSource, "unknown split"),
        (table([("a.png", "fear", "train")]), SourceError, "no pictures for the part 'valid'"),
        (table([("labels.csv", "fear", "train")]), UnreadableSource, "is not a picture"),
    ],
)
def test_a_wrong_table(text: str, error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        load_faces(csv_folder(tmp_path, text), 16)


def test_a_wrong_zip(tmp_path: Path) -> None:
    (tmp_path / "faces.zip").write_bytes(b"no zip")
    with pytest.raises(UnreadableSource, match="not a zip"):
        load_faces(tmp_path / "faces.zip", 16)


def test_a_wrong_array_file(tmp_path: Path) -> None:
    (ferplus(tmp_path) / "ferplus_train_b.npz").write_bytes(b"no arrays")
    with pytest.raises(UnreadableSource, match="train_b"):
        load_faces(tmp_path, 48)


@pytest.mark.skipif(not (FERPLUS / "ferplus_test.npz").is_file(), reason="the FER+ data is absent")
def test_the_real_ferplus() -> None:
    faces = load_faces(FERPLUS, 48)
    assert 3000 < len(faces.test) <= 3574
    assert 25000 < len(faces.train) <= 28561
    assert np.allclose(faces.test.labels.sum(axis=1), 1)
