from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from skimage import data

from camfilter.errors import SinkError, UnguardedFrame
from camfilter.frames import RawFrame, Size
from camfilter.sinks import VideoSink, open_sink
from camfilter.sources import VideoSource, frames_of
from sinks_support import let_through, names_in

ASTRONAUT = np.ascontiguousarray(data.astronaut()[:, :, ::-1])


def record(path: Path, pictures: Sequence[np.ndarray], times_s: Sequence[float] = ()) -> None:
    with open_sink(str(path), Size.of(pictures[0]), 30.0) as sink:
        for index, picture in enumerate(pictures):
            sink.write(let_through(picture, index, times_s[index] if times_s else index / 30))


@pytest.mark.parametrize("size", [Size(1, 1), Size(23, 17), Size(64, 48), Size(320, 241)], ids=str)
def test_mkv_is_bit_exact(tmp_path: Path, size: Size) -> None:
    rng = np.random.default_rng(5)
    pictures = list(rng.integers(0, 256, (4, size.height, size.width, 3), dtype=np.uint8))
    record(tmp_path / "a.mkv", pictures)
    frames = list(frames_of(VideoSource(tmp_path / "a.mkv")))
    for frame, expected in zip(frames, pictures, strict=True):
        assert np.array_equal(frame.pixels, expected)


@pytest.mark.parametrize("size", [Size(1, 1), Size(33, 17), Size(128, 96), Size(321, 241)], ids=str)
def test_mp4_keeps_size_but_for_the_even_edge_and_looks_the_same(
    tmp_path: Path, size: Size
) -> None:
    picture = ASTRONAUT[: size.height, 100 : 100 + size.width]
    record(tmp_path / "a.mp4", [picture] * 3)
    frames = list(frames_of(VideoSource(tmp_path / "a.mp4")))
    assert len(frames) == 3
    height, width = size.height + size.height % 2, size.width + size.width % 2
    assert frames[0].size == Size(width, height)
    difference = frames[0].pixels[: size.height, : size.width].astype(float) - picture
    assert np.abs(difference).mean() < 4
    # Reading alone is up to 1.5 levels dark, as it is in OpenCV.
    assert np.abs(difference.mean(axis=(0, 1))).max() <= 2


@pytest.mark.parametrize("colour", [(30, 60, 200), (255, 255, 255), (0, 0, 0), (90, 140, 90)])
def test_mp4_keeps_colours_and_names_its_colour_space(
    tmp_path: Path, colour: tuple[int, int, int]
) -> None:
    path = tmp_path / "a.mp4"
    record(path, [np.full((48, 64, 3), colour, np.uint8)] * 2)
    frame = VideoSource(path).read()
    assert frame is not None
    assert np.abs(frame.pixels.astype(int) - colour).max() <= 2
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).colorspace == 1


@pytest.mark.parametrize(("name", "tolerance_s"), [("a.mkv", 6e-4), ("a.mp4", 1e-5)])
def test_frames_keep_their_times(tmp_path: Path, name: str, tolerance_s: float) -> None:
    times_s = [7.0, 7.021, 7.05, 8.0, 8.001, 9.25]
    record(tmp_path / name, [ASTRONAUT[:32, :32]] * 6, times_s)
    got = [f.time_s for f in frames_of(VideoSource(tmp_path / name))]
    assert got == pytest.approx([t - 7 for t in times_s], abs=tolerance_s)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_times_that_stand_still_or_run_back_lose_no_frame(tmp_path: Path, name: str) -> None:
    pictures = [np.full((32, 32, 3), 40 * i, np.uint8) for i in range(6)]
    record(tmp_path / name, pictures, [0.0, 0.1, 0.1, 0.05, 0.1, 0.5])
    frames = list(frames_of(VideoSource(tmp_path / name)))
    assert [round(float(f.pixels.mean()) / 40) for f in frames] == list(range(6))
    assert all(np.diff([f.time_s for f in frames]) > 0)


def test_a_frame_of_another_size_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "a.mkv", Size(32, 32), 30.0)
    sink.write(let_through(ASTRONAUT[:32, :32]))
    with pytest.raises(SinkError, match="32x32, and one of 16x32") as caught:
        sink.write(let_through(ASTRONAUT[:32, :16], 1))
    assert "folder" in caught.value.hint
    sink.abort()
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_the_file_appears_only_when_it_is_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"an older good file")
    sink = open_sink(str(path), Size(32, 32), 30.0)
    for index in range(5):
        sink.write(let_through(ASTRONAUT[:32, :32], index, index / 30))
        assert path.read_bytes() == b"an older good file"
    sink.close()
    sink.close()
    assert names_in(tmp_path) == [name]
    assert len(list(frames_of(VideoSource(path)))) == 5


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.png", "folder/"])
def test_an_error_leaves_the_older_file_and_nothing_else(tmp_path: Path, name: str) -> None:
    spec = f"{tmp_path}/{name}"
    older = tmp_path / (name if not name.endswith("/") else "folder/000000.png")
    older.parent.mkdir(exist_ok=True)
    older.write_bytes(b"an older good file")
    with pytest.raises(UnguardedFrame), open_sink(spec, Size(32, 32), 30.0) as sink:
        deque(map(sink.write, (let_through(ASTRONAUT[:32, :32]), None)))  # type: ignore[arg-type]
    assert older.read_bytes() == b"an older good file"
    assert names_in(older.parent) == [older.name]


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.png"])
def test_without_frames_nothing_is_written(tmp_path: Path, name: str) -> None:
    older = tmp_path / name
    older.write_bytes(b"an older good file")
    with open_sink(str(older), Size(32, 32), 30.0):
        pass
    assert older.read_bytes() == b"an older good file"
    assert names_in(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.png", "folder/"])
def test_a_sink_takes_nothing_after_its_end(tmp_path: Path, name: str) -> None:
    sink = open_sink(f"{tmp_path}/{name}", Size(32, 32), 30.0)
    sink.abort()
    sink.abort()
    sink.close()
    with pytest.raises(SinkError, match="is closed"):
        sink.write(let_through(ASTRONAUT[:32, :32]))
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.png", "folder/", "null"])
def test_a_raw_frame_is_never_taken(tmp_path: Path, name: str) -> None:
    spec = name if name == "null" else f"{tmp_path}/{name}"
    raw = RawFrame(ASTRONAUT[:32, :32], 0, 0.0)
    with pytest.raises(UnguardedFrame), open_sink(spec, Size(32, 32), 30.0) as sink:
        sink.write(raw)  # type: ignore[arg-type]
    assert names_in(tmp_path) == []


def test_a_file_that_cannot_be_moved_into_place_is_one_line(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "a.mkv", Size(64, 64), 30.0)
    sink.write(let_through(ASTRONAUT[:64, :64]))
    (tmp_path / "a.mkv").mkdir()
    with pytest.raises(SinkError, match="cannot be written") as caught:
        sink.close()
    assert "\n" not in str(caught.value)
    assert names_in(tmp_path) == ["a.mkv"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.png", "folder/"])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with pytest.raises(SinkError) as caught:
        _record_on_a_full_disk(f"{tmp_path}/{name}", [noise] * 100)
    assert "\n" not in str(caught.value)
    assert names_in(tmp_path) == []


def _record_on_a_full_disk(spec: str, pictures: Sequence[np.ndarray]) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    sink = open_sink(spec, Size.of(pictures[0]), 30.0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        with sink:
            for index, picture in enumerate(pictures):
                sink.write(let_through(picture, index, index / 30))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
