from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from camfilter.errors import SourceNotFound, UnreadableSource
from camfilter.frames import Size
from camfilter.sources import PictureSource, frames_of, open_source
from camfilter.sources.demo import portrait_path
from camfilter.sources.pictures import read_picture

ASTRONAUT = np.ascontiguousarray(data.astronaut()[:, :, ::-1])


def save(path: Path, pixels: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), pixels)
    return path


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Put an EXIF block that holds nothing but an orientation into a JPEG."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def test_one_picture_comes_once(tmp_path: Path) -> None:
    with open_source(str(save(tmp_path / "astronaut.png", ASTRONAUT))) as source:
        assert source.info.stills
        assert not source.info.live
        assert source.info.size == Size(512, 512)
        assert source.info.frame_count == 1
        assert source.info.name == "astronaut.png"
        frame = source.read()
        assert frame is not None
        assert np.array_equal(frame.pixels, ASTRONAUT)
        assert (frame.index, frame.time_s) == (0, 0.0)
        assert source.read() is None


def test_a_folder_comes_in_natural_order_and_without_other_files(tmp_path: Path) -> None:
    for name, level in (("shot10.png", 10), ("shot2.PNG", 2), ("Shot1.bmp", 1)):
        save(tmp_path / name, np.full((4, 6, 3), level, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(b"no picture")
    (tmp_path / "folder.png").mkdir()
    with PictureSource(tmp_path) as source:
        assert source.names == ("Shot1.bmp", "shot2.PNG", "shot10.png")
        frames = list(frames_of(source))
    assert [int(f.pixels[0, 0, 0]) for f in frames] == [1, 2, 10]
    assert [f.index for f in frames] == [0, 1, 2]


def test_pictures_of_a_folder_may_differ_in_size(tmp_path: Path) -> None:
    save(tmp_path / "1.png", ASTRONAUT[:11, :7])
    save(tmp_path / "2.png", ASTRONAUT[:1, :1])
    assert [f.size for f in frames_of(PictureSource(tmp_path))] == [Size(7, 11), Size(1, 1)]


@pytest.mark.parametrize("size", [Size(1, 1), Size(3, 5), Size(7680, 4320)], ids=str)
def test_sizes(tmp_path: Path, size: Size) -> None:
    pixels = np.full((size.height, size.width, 3), (3, 70, 200), np.uint8)
    assert np.array_equal(read_picture(save(tmp_path / "a.bmp", pixels)), pixels)


def test_gray_becomes_three_equal_channels(tmp_path: Path) -> None:
    gray = ASTRONAUT[:, :, 1]
    read = read_picture(save(tmp_path / "gray.png", gray))
    assert np.array_equal(read, np.dstack([gray] * 3))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_rounded_not_truncated(tmp_path: Path, channels: int) -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    picture = ramp if channels == 1 else np.dstack([ramp] * channels)
    read = read_picture(save(tmp_path / "deep.png", picture))
    expected = np.rint(ramp / 257.0).astype(np.uint8)
    assert read.dtype == np.uint8
    assert np.array_equal(read, np.dstack([expected] * 3))


def test_alpha_is_dropped_and_colour_kept(tmp_path: Path) -> None:
    alpha = np.random.default_rng(1).integers(0, 256, (512, 512), dtype=np.uint8)
    read = read_picture(save(tmp_path / "a.png", np.dstack([ASTRONAUT, alpha])))
    assert np.array_equal(read, ASTRONAUT)


@pytest.mark.parametrize(
    ("orientation", "quarter_turns"), [(1, 0), (3, 2), (6, 3), (8, 1)], ids=str
)
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, quarter_turns: int) -> None:
    _, jpeg = cv2.imencode(".jpg", ASTRONAUT[:200, :300])
    upright = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    path = tmp_path / "turned.jpg"
    path.write_bytes(with_orientation(jpeg.tobytes(), orientation))
    assert np.array_equal(read_picture(path), np.rot90(upright, quarter_turns))


def test_a_name_beyond_ascii_is_read(tmp_path: Path) -> None:
    path = tmp_path / "b\u00e9b\u00e9 \u753b.png"
    path.write_bytes(cv2.imencode(".png", ASTRONAUT)[1].tobytes())
    assert np.array_equal(read_picture(path), ASTRONAUT)


def test_a_picture_without_suffix_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "portrait"
    path.write_bytes(portrait_path().read_bytes())
    with open_source(str(path)) as source:
        assert source.info.stills
        assert source.info.size == Size(512, 600)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.6, 0.98])
def test_a_picture_cut_short_is_refused_in_one_line(
    tmp_path: Path, suffix: str, share: float
) -> None:
    whole = cv2.imencode(suffix, ASTRONAUT)[1].tobytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UnreadableSource, match=f"cut{suffix} holds no") as caught:
        open_source(str(path))
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def encoded(kind: str, count: int = 1) -> bytes:
    """Some pictures in one file."""
    pictures = [Image.fromarray(np.roll(ASTRONAUT, 9 * shift, 0)) for shift in range(count)]
    written = io.BytesIO()
    more = {"save_all": True, "append_images": pictures[1:]} if count > 1 else {}
    pictures[0].save(written, kind, **more)
    return written.getvalue()


def garbled(content: bytes) -> bytes:
    """A tenth of it, in the middle, is something else."""
    start, length = len(content) // 2, len(content) // 10
    other = bytes(byte ^ 0x5A for byte in content[start : start + length])
    return content[:start] + other + content[start + length :]


def flipped(content: bytes) -> bytes:
    """One byte in the middle is another one."""
    spoilt = bytearray(content)
    spoilt[len(spoilt) // 2] ^= 0xFF
    return bytes(spoilt)


DAMAGED = {
    "a.png": flipped(encoded("PNG")),
    "b.png": garbled(encoded("PNG")),
    "c.jpg": garbled(encoded("JPEG")),
    "d.png": encoded("PNG")[:9000],
    "e.jpg": encoded("JPEG")[:9000],
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_picture_is_refused_in_our_own_line_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / name).write_bytes(DAMAGED[name])
    with pytest.raises(UnreadableSource, match=f"{name} holds no readable picture"):
        read_picture(tmp_path / name)
    assert capfd.readouterr().err == ""


def test_what_a_library_says_of_a_good_picture_is_not_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = encoded("JPEG")
    (tmp_path / "a.jpg").write_bytes(whole)
    (tmp_path / "b.jpg").write_bytes(whole[:-2] + bytes(9) + whole[-2:])
    assert np.array_equal(read_picture(tmp_path / "a.jpg"), read_picture(tmp_path / "b.jpg"))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("PNG", "a.png", "is animated"),
        ("WEBP", "a.webp", "is animated"),
        ("GIF", "a.png", "is animated"),
        ("TIFF", "a.tif", "holds several pages"),
    ],
)
def test_one_of_several_pictures_is_not_taken_for_all(
    tmp_path: Path, kind: str, name: str, said: str
) -> None:
    (tmp_path / name).write_bytes(encoded(kind, 2))
    with pytest.raises(UnreadableSource, match=f"{name} {said}") as caught:
        open_source(str(tmp_path / name))
    assert "Save one picture" in caught.value.hint
    (tmp_path / name).write_bytes(encoded(kind))
    assert kind == "GIF" or PictureSource(tmp_path / name).info.size == Size(512, 512)


def test_what_lies_behind_a_jpeg_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded("MPO", 2))
    assert Size.of(read_picture(tmp_path / "a.jpg")) == Size(512, 512)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", bytes(64)]
)
@pytest.mark.parametrize("name", ["a.png", "a.jpeg", "a.dat", "a"])
def test_a_file_that_is_no_picture_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableSource):
        open_source(str(path))


def test_float_levels_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "float.tif", ASTRONAUT.astype(np.float32))
    with pytest.raises(UnreadableSource, match="float32"):
        PictureSource(path)


def test_an_unreadable_picture_in_a_folder_is_named_and_the_rest_still_comes(
    tmp_path: Path,
) -> None:
    save(tmp_path / "1.png", ASTRONAUT)
    (tmp_path / "2.png").write_bytes(b"broken")
    save(tmp_path / "3.png", ASTRONAUT)
    source = PictureSource(tmp_path)
    assert source.read() is not None
    with pytest.raises(UnreadableSource, match=r"2\.png"):
        source.read()
    frame = source.read()
    assert frame is not None
    assert frame.index == 2
    assert source.read() is None


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(SourceNotFound, match="holds no picture") as caught:
        open_source(str(tmp_path))
    assert ".png" in caught.value.hint


def test_nothing_comes_after_close_and_closing_twice_is_fine(tmp_path: Path) -> None:
    source = PictureSource(save(tmp_path / "a.png", ASTRONAUT))
    source.close()
    source.close()
    assert source.read() is None
