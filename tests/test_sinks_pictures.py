from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from camfilter.errors import SinkError
from camfilter.frames import Size
from camfilter.guard import Guard, GuardState
from camfilter.sinks import (
    FolderSink,
    NullSink,
    PictureSink,
    VideoSink,
    open_sink,
    refuse_same,
)
from camfilter.sources.pictures import read_picture
from sinks_support import let_through, names_in

ASTRONAUT = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
SIZE = Size(512, 512)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.TIFF", "a.webp", "\u753b.png"])
def test_a_lossless_picture_comes_back_exactly(tmp_path: Path, name: str) -> None:
    with open_sink(str(tmp_path / name), SIZE, 1.0) as sink:
        assert sink.name == name
        sink.write(let_through(ASTRONAUT))
    assert np.array_equal(read_picture(tmp_path / name), ASTRONAUT)
    assert names_in(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG"])
def test_a_jpeg_comes_back_nearly(tmp_path: Path, name: str) -> None:
    with open_sink(str(tmp_path / name), SIZE, 1.0) as sink:
        sink.write(let_through(ASTRONAUT))
    assert np.abs(read_picture(tmp_path / name).astype(int) - ASTRONAUT).mean() < 2


def test_a_second_picture_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"an older good file")
    sink = PictureSink(path)
    sink.write(let_through(ASTRONAUT))
    with pytest.raises(SinkError, match="one picture") as caught:
        sink.write(let_through(ASTRONAUT, 1))
    assert ".mkv" in caught.value.hint
    assert path.read_bytes() == b"an older good file"
    sink.abort()
    assert path.read_bytes() == b"an older good file"


def test_a_picture_too_large_for_its_format_is_one_line(tmp_path: Path) -> None:
    sink = PictureSink(tmp_path / "a.webp")
    with pytest.raises(SinkError, match="cannot be") as caught:
        sink.write(let_through(np.zeros((2, 17000, 3), np.uint8)))
    assert "\n" not in str(caught.value)
    sink.abort()
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("name", "width"), [("a.webp", 17000), ("a.jpg", 66000)])
def test_what_does_not_fit_is_told_by_the_name_that_was_given(
    tmp_path: Path, name: str, width: int
) -> None:
    sink = PictureSink(tmp_path / name)
    with pytest.raises(SinkError) as caught:
        sink.write(let_through(np.zeros((2, width, 3), np.uint8)))
    sink.abort()
    assert caught.value.what.startswith(f"{name} cannot be written: {width}x2")
    assert caught.value.hint == "Use .png."


def test_a_picture_of_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    sink = FolderSink(tmp_path, ["ben.png"])
    (next(tmp_path.iterdir()) / "ben.png").mkdir()  # it cannot be opened then
    with pytest.raises(SinkError, match="cannot be written") as caught:
        sink.write(let_through(ASTRONAUT[:8, :8]))
    sink.abort()
    assert str(tmp_path / "ben.png") in caught.value.what


@pytest.mark.parametrize("suffix", [".png", ".mkv"])
def test_a_name_that_is_too_long_says_so(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"{'a' * 300}{suffix}"
    with pytest.raises(SinkError, match="name too long") as caught:
        PictureSink(path) if suffix == ".png" else VideoSink(path, SIZE, 30.0)
    assert path.name in caught.value.what
    assert caught.value.hint == "Choose a shorter name."


def test_a_folder_names_by_index_and_takes_any_size(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "deep"
    with open_sink(f"{folder}/", SIZE, 1.0) as sink:
        sink.write(let_through(ASTRONAUT, 0))
        sink.write(let_through(ASTRONAUT[:5, :3], 12))
        assert [p for p in folder.iterdir() if not p.name.startswith(".")] == []
    assert names_in(folder) == ["000000.png", "000012.png"]
    assert np.array_equal(read_picture(folder / "000012.png"), ASTRONAUT[:5, :3])


def test_a_folder_names_as_the_source_does(tmp_path: Path) -> None:
    names = ("anna.jpg", "ben.tif", "anna.png", "../../etc/carl.jpg")
    with FolderSink(tmp_path, names) as sink:
        for index in range(5):
            sink.write(let_through(ASTRONAUT[:8, :8], index))
    assert names_in(tmp_path) == [
        "000004.png", "anna.jpg.png", "anna.png.png", "ben.png", "carl.png",
    ]  # fmt: skip


def test_other_files_in_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "keep.txt").write_text("mine")
    with open_sink(str(tmp_path), SIZE, 1.0) as sink:
        sink.write(let_through(ASTRONAUT))
    assert names_in(tmp_path) == ["000000.png", "keep.txt"]


def test_a_folder_made_for_nothing_is_taken_away(tmp_path: Path) -> None:
    with open_sink(f"{tmp_path}/new/", SIZE, 1.0):
        assert (tmp_path / "new").is_dir()
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("name", ["a.gif", "a.avi", "a", "a.mkv.txt", "virtualcam", "nul"], ids=str)
def test_an_unknown_kind_names_the_choices(tmp_path: Path, name: str) -> None:
    with pytest.raises(SinkError) as caught:
        open_sink(str(tmp_path / name), SIZE, 30.0)
    for choice in ("virtual", "preview", "null", ".mkv", ".mp4", ".png", "folder"):
        assert choice in caught.value.hint
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("name", ["a.png", "a.mkv", "a.mp4"])
@pytest.mark.parametrize("place", ["nowhere", "file.txt", "/proc", "/proc/self"])
def test_a_place_that_cannot_be_written(tmp_path: Path, place: str, name: str) -> None:
    (tmp_path / "file.txt").write_text("a file, no folder")
    with pytest.raises(SinkError, match="cannot be written") as caught:
        open_sink(str(tmp_path / place / name), SIZE, 30.0)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("place", ["file.txt", "/proc/frames", "/proc"])
def test_a_folder_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file.txt").write_text("a file, no folder")
    with pytest.raises(SinkError, match="cannot be written"):
        open_sink(f"{tmp_path / place}/", SIZE, 30.0)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SinkError, match="cannot be written"):
        open_sink(str(tmp_path / "a.mkv"), SIZE, 30.0)


@pytest.mark.parametrize("sink", ["{0}/a.png", "{0}/../{1}/a.png", "{0}/link.png"])
def test_the_source_is_not_written_over(tmp_path: Path, sink: str) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(b"the source")
    (tmp_path / "link.png").symlink_to(source)
    with pytest.raises(SinkError, match="source itself"):
        open_sink(sink.format(tmp_path, tmp_path.name), SIZE, 1.0, source=str(source))
    assert source.read_bytes() == b"the source"


def test_the_folder_of_the_source_is_not_written_into(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="source itself"):
        refuse_same(str(tmp_path), f"{tmp_path}/")


def test_a_camera_or_another_file_is_no_obstacle(tmp_path: Path) -> None:
    for source in ("", "0", "demo", "/dev/video0", str(tmp_path / "b.png")):
        refuse_same(source, str(tmp_path / "a.png"))


def test_null_counts_by_state() -> None:
    with NullSink() as sink:
        sink.write(let_through(ASTRONAUT))
        sink.write(Guard().frame(0.0, 1, SIZE))
        sink.write(Guard().frame(0.1, 2, SIZE))
    assert sink.frames == 3
    assert sink.states == {GuardState.PROTECTED: 1, GuardState.PLACEHOLDER: 2}
