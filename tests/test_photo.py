from __future__ import annotations

import dataclasses
import io
import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from camfilter.__main__ import main
from camfilter.chain import Chain
from camfilter.compose import compose
from camfilter.embedding import open_embedders
from camfilter.embedding.manifest import EMBEDDINGS_FILE
from camfilter.errors import FilterFault, GraphRefused, SettingError, SinkError, UnguardedFrame
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.filter import FaceFilter
from camfilter.frames import Pixels, Size
from camfilter.geometry import cut_crop, outline_mask
from camfilter.photo import Hide, Photo, PhotoMasker, PhotoSettings, decode
from camfilter.photo.chain import PhotoChain
from camfilter.photo.colour import plain_profile
from camfilter.photo.decoding import Kind
from camfilter.photo.encoding import encode, kind_of_name
from camfilter.photo.errors import NoFace, NotAPicture, PictureTooLarge
from camfilter.photo.faces import PhotoFaces
from camfilter.photo.faces import parts_of as tiles_of
from camfilter.photo.figures import in_one_line, standing_of
from camfilter.photo.identity import Leaving, Turns
from camfilter.photo.proof import least_kept, refuse_spill
from camfilter.photo.recognition import identity_figures, identity_in_words
from camfilter.surrogate.base import Crops
from camfilter.surrogate.ensemble import resized
from camfilter.surrogate.manifest import graphs_folder
from camfilter.surrogate.onnx import OnnxSurrogate
from camfilter.views import ViewRange
from fakes import FakeFaces, LinearSurrogate, face_at, noise
from photo_support import (
    SECRET,
    LinearEmbedder,
    file_of,
    file_of_image,
    mpo_of,
    parts_of,
    telling_exif,
    telling_profile,
)

Capture = pytest.CaptureFixture[str]
GOOD = b"an older good file"
KINDS = ["JPEG", "PNG", "WEBP"]


@pytest.fixture(scope="module")
def masker(still_faces: MediaPipeFaces, surrogate: OnnxSurrogate) -> PhotoMasker:
    """The real parts, with one surrogate of four to save time, and embedders that are fakes."""
    embedders = (LinearEmbedder(32, 5, "a"), LinearEmbedder(48, 6, "b"))
    return PhotoMasker(PhotoFaces(still_faces), surrogate, open_embedders=lambda: embedders)


@pytest.fixture
def portrait(astronaut: Pixels) -> Photo:
    return decode(file_of(astronaut))


def photo_of(pixels: Pixels) -> Photo:
    return Photo(pixels, None, False, Kind.PNG, None, None, ())


def bare(x: float = 60, y: float = 60) -> list:
    return [face_at(x, y, 64)]


# Reading.


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_known_by_its_content(astronaut: Pixels, kind: str) -> None:
    how = {"JPEG": {"quality": 95}, "PNG": {}, "WEBP": {"lossless": True}}[kind]
    read = decode(file_of(astronaut, kind, **how))
    assert read.kind == kind.lower()
    assert read.size == Size(512, 512)
    assert np.abs(read.pixels.astype(int) - astronaut).mean() < (2 if kind == "JPEG" else 1e-9)
    assert not read.pixels.flags.writeable


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_every_orientation_comes_upright(orientation: int, kind: str) -> None:
    upright = noise(20, 12)
    # What a camera stores that was held so: EXIF 2.32, tag Orientation, undone.
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.transpose(1, 0, 2), 6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    beside = {"lossless": True} if kind == "WEBP" else {"dpi": (100, 200)}
    data = file_of(np.ascontiguousarray(stored), kind, exif=telling_exif(orientation), **beside)
    read = decode(data)
    assert np.array_equal(read.pixels, upright)
    if kind == "PNG":
        assert read.dpi is not None
        assert [round(n) for n in read.dpi] == ([200, 100] if orientation >= 5 else [100, 200])


def test_16_bits_are_rounded() -> None:
    wide = np.array([[0, 128, 129, 257, 65535, 32768]], np.uint16).repeat(4, axis=0)
    read = decode(file_of_image(Image.fromarray(wide)))
    assert read.pixels[0, :, 0].tolist() == [0, 0, 1, 1, 255, 128]
    assert read.gray


def test_gray_stays_gray_and_a_palette_becomes_colours(astronaut: Pixels) -> None:
    gray = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)
    read = decode(file_of(gray))
    assert read.gray
    assert all(np.array_equal(read.pixels[:, :, c], gray) for c in range(3))
    colours = decode(file_of_image(Image.fromarray(astronaut[:, :, ::-1]).quantize(64)))
    assert not colours.gray
    assert np.abs(colours.pixels.astype(int) - astronaut).mean() < 12


def test_colours_that_nobody_sees_are_dropped(astronaut: Pixels) -> None:
    alpha = np.full(astronaut.shape[:2], 255, np.uint8)
    alpha[:100], alpha[100:200] = 0, 7
    read = decode(file_of(np.dstack([astronaut, alpha])))
    assert read.alpha is not None
    assert np.array_equal(read.alpha, alpha)
    assert not read.pixels[:100].any()
    assert np.array_equal(read.pixels[100:], astronaut[100:])
    assert decode(file_of(np.dstack([astronaut, np.full_like(alpha, 255)]))).alpha is None


def bomb() -> bytes:
    """A PNG of 20000x20000 in 400 bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", 20000, 20000, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", bytes(9)) + chunk(b"IEND", b"")
    )


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(PictureTooLarge, match="80 million pixels"):
        decode(bomb())
    with pytest.raises(PictureTooLarge, match="1 million"):
        decode(file_of(np.zeros((1001, 1000, 3), np.uint8)), most_pixels=1_000_000)
    assert decode(file_of(np.zeros((1000, 1000, 3), np.uint8)), most_pixels=1_000_000)


def test_a_bomb_of_words_is_refused() -> None:
    swollen = zlib.compress(bytes(200_000_000), 9)
    data = file_of(noise(8, 8))
    text = b"zTXt" + b"k\0\0" + swollen
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    with pytest.raises(NotAPicture):
        decode(data[:33] + chunk + data[33:])


def animated(kind: str) -> bytes:
    images = [Image.fromarray(noise(32, 32, seed)) for seed in (1, 2)]
    return file_of_image(images[0], kind, save_all=True, append_images=images[1:], duration=100)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no picture"),
        (b"GIF89a" + bytes(100), "no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture"),
        (b"%PDF-1.7", "no picture"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "no"),
        (animated("PNG"), "animated"),
        (animated("WEBP"), "animated"),
        (animated("GIF"), "no picture"),
        (file_of_image(Image.new("CMYK", (8, 8)), "JPEG"), "CMYK"),
        (file_of(noise(64, 64), "TIFF"), "no picture"),
        *((file_of(noise(64, 64), kind)[:-600], "readable") for kind in KINDS),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_one_line(data: bytes, why: str) -> None:
    with pytest.raises(NotAPicture, match=why) as caught:
        decode(data, "x.png")
    assert "x.png" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_files_never_end_in_another_error(hopper: Pixels) -> None:
    rng = np.random.default_rng(3)
    small = cv2.resize(hopper, (48, 56))
    for kind in KINDS:
        whole = file_of(small, kind, exif=telling_exif(6))
        for _ in range(60):
            data = bytearray(whole)
            for place in rng.integers(0, len(data), 4):
                data[place] = rng.integers(0, 256)
            try:
                assert decode(bytes(data)).pixels.ndim == 3
            except (NotAPicture, PictureTooLarge):
                continue


# What may not stay.


def told(pixels: Pixels, kind: str) -> bytes:
    """A file that tells all it can."""
    beside = {"exif": telling_exif(1, pixels[::8, ::8]), "icc_profile": telling_profile()}
    if kind == "JPEG":
        xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET</x:xmpmeta>"
        data = file_of(
            pixels, kind, quality=95, dpi=(300, 300), comment=b"SECRET", xmp=xmp, **beside
        )
        iptc = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\x0a\x1c\x02\x50\0\x06SECRET"
        segment = b"\xff\xed" + struct.pack(">H", len(iptc) + 2) + iptc
        return data[:2] + segment + data[2:] + b"SECRET behind the end"
    if kind == "PNG":
        info = PngInfo()
        info.add_text("Author", "SECRET")
        info.add_itxt("XML:com.adobe.xmp", "SECRET", zip=True)
        return file_of(pixels, kind, pnginfo=info, dpi=(300, 300), **beside) + b"SECRET"
    return file_of(pixels, kind, lossless=True, xmp=b"SECRET", **beside)


@pytest.mark.parametrize("out", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_stays_that_tells_on_people(
    astronaut: Pixels, masker: PhotoMasker, kind: str, out: str
) -> None:
    data = told(astronaut, kind)
    assert data.count(SECRET) > 3
    read = decode(data)
    assert {"EXIF", "the place (GPS)", "the maker's notes", "a thumbnail"} <= set(read.dropped)
    assert "XMP" in read.dropped
    assert ("IPTC" in read.dropped) == (kind == "JPEG")
    masked = masker.mask(read, PhotoSettings.of({}), Kind(out.lower()))
    assert SECRET not in masked.data
    assert b"MakrModl" not in masked.data
    allowed = {
        "JPEG": {"e0 JFIF", "e2 ICC_PROFILE", "db", "c0", "c4", "picture"},
        "PNG": {"IHDR", "iCCP", "pHYs", "IDAT", "IEND"},
        "WEBP": {"VP8X", "ICCP", "VP8 "},
    }[out]  # fmt: skip
    assert set(parts_of(masked.data)) <= allowed
    again = Image.open(io.BytesIO(masked.data))
    assert not again.getexif()
    assert again.info["icc_profile"] == read.profile
    if out != "WEBP" and kind != "WEBP":
        assert [round(n) for n in again.info["dpi"]] == [300, 300]
    assert masked.figures["dropped"] == list(read.dropped)
    assert "colour profile" in masked.figures["kept"]


def test_pictures_behind_the_first_are_left_out(
    astronaut: Pixels, hopper: Pixels, masker: PhotoMasker
) -> None:
    data = mpo_of(astronaut, hopper)
    read = decode(data)
    assert read.size == Size(512, 512)
    assert "further pictures" in read.dropped
    masked = masker.mask(read, PhotoSettings.of({}))
    assert masked.data.count(b"\xff\xd8\xff") == 1


def test_a_profile_keeps_its_colours_and_loses_its_names() -> None:
    profile = telling_profile()
    plain = plain_profile(profile, b"RGB ")
    assert plain is not None
    assert SECRET not in plain
    assert b"MakrModl" not in plain
    assert len(plain) == struct.unpack_from(">I", plain)[0]
    shades = Image.fromarray(noise(64, 64, 3, 0, 255))
    lab = ImageCms.createProfile("LAB")
    before, after = (
        np.asarray(ImageCms.applyTransform(shades, ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(one)), lab, "RGB", "LAB")))
        for one in (profile, plain)
    )  # fmt: skip
    assert np.array_equal(before, after)
    assert len(np.unique(before)) > 50


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: p[:100],
        lambda p: p[:36] + b"spca" + p[40:],
        lambda p: p[:128] + struct.pack(">I", 1 << 30) + p[132:],
        lambda p: (
            p[:136] + struct.pack(">I", 1 << 30) + p[140:] if p[132:136] == b"rXYZ" else p[:140]
        ),
        lambda p: p + bytes(5 << 20),
        lambda p: b"",
    ],
)
def test_a_damaged_profile_is_dropped(spoil: object) -> None:
    assert plain_profile(spoil(telling_profile()), b"RGB ") is None  # type: ignore[operator]


@pytest.mark.parametrize("edition", [2, 4])
def test_a_plain_profile_is_whole_in_both_editions(edition: int) -> None:
    profile = bytearray(telling_profile())
    profile[8] = edition
    plain = plain_profile(bytes(profile), b"RGB ")
    assert plain is not None
    opened = ImageCms.ImageCmsProfile(io.BytesIO(plain))
    assert ImageCms.getProfileDescription(opened).strip() == "Colours"
    assert ImageCms.getProfileCopyright(opened).strip() == "Colours"
    (count,) = struct.unpack_from(">I", plain, 128)
    places = [struct.unpack_from(">II", plain, 136 + 12 * i) for i in range(count)]
    assert min(at for at, _ in places) == 132 + 12 * count
    assert all(at % 4 == 0 and at + size <= len(plain) for at, size in places)


def test_a_profile_for_other_colours_is_dropped() -> None:
    assert plain_profile(telling_profile(), b"GRAY") is None


# Masking.


@pytest.mark.parametrize("hide", list(Hide))
def test_every_face_changes_within_the_budget_and_nothing_else(
    astronaut: Pixels, still_faces: MediaPipeFaces, masker: PhotoMasker, portrait: Photo, hide: Hide
) -> None:
    settings = PhotoSettings.of({"hide": hide, "strength": 5})
    masked = masker.mask(portrait, settings)
    after = decode(masked.data).pixels
    change = np.abs(after.astype(int) - astronaut)
    (face,) = still_faces.find(astronaut)
    rows, columns = face.box.within(Size(512, 512)).slices()
    assert 3 <= change.max() <= 5
    assert (change[rows, columns] > 0).mean() > 0.3
    change[rows, columns] = 0
    assert not change.any()
    assert masked.figures["linf_levels"] <= masked.figures["budget_levels"] == 5
    assert masked.figures["mask_kept_share"] == 1
    assert (
        masker.mask(portrait, PhotoSettings.of({"hide": hide, "strength": 5})).data == masked.data
    )


def test_a_picture_is_masked_as_the_filter_masks_stills(
    astronaut: Pixels, still_faces: MediaPipeFaces, masker: PhotoMasker, surrogate: OnnxSurrogate
) -> None:
    settings = PhotoSettings.of({"chain_length": 6})
    faces = still_faces.find(astronaut)
    perturbation = Chain(surrogate, settings.chain).perturb_faces(astronaut, faces)
    expected = compose(astronaut, faces, perturbation, 6)
    masked = masker.mask(photo_of(astronaut), settings)
    assert np.array_equal(decode(masked.data).pixels, expected)


def test_what_is_reported_is_read_from_the_file(
    hopper: Pixels, masker: PhotoMasker, surrogate: OnnxSurrogate, still_faces: MediaPipeFaces
) -> None:
    masked = masker.mask(decode(file_of(hopper)), PhotoSettings.of({"quality": 80}), Kind.JPEG)
    (face,) = still_faces.find(hopper)
    shown = cv2.imdecode(np.frombuffer(masked.data, np.uint8), cv2.IMREAD_COLOR)
    logits = surrogate.read(cut_crop(np.asarray(shown, np.uint8), face, surrogate.size_px)[None])
    figures = masked.figures["faces"][0]["surrogates"]
    exact = np.exp(logits - logits.max())
    assert figures["after"]["confidence"] == pytest.approx(
        float((exact / exact.sum()).max()), abs=0.02
    )
    assert figures["changed"]
    assert figures["before"]["label"] == "neutral"
    assert masked.figures["standing"] == "good"
    assert 0.5 < masked.figures["mask_kept_share"] < 1.2


def group(hopper: Pixels, astronaut: Pixels) -> Pixels:
    """A large picture with one large face and four that are small in it."""
    whole = np.full((2400, 3600, 3), (120, 110, 90), np.uint8)
    whole[100:1300, 100:1124] = cv2.resize(hopper, (1024, 1200), interpolation=cv2.INTER_CUBIC)
    for x, y, picture in (
        (1700, 200, hopper), (3100, 300, astronaut), (2210, 1500, hopper), (3300, 2100, hopper),
    ):  # fmt: skip
        small = (104, 120) if picture is hopper else (200, 200)
        whole[y : y + small[1], x : x + small[0]] = cv2.resize(
            picture, small, interpolation=cv2.INTER_AREA
        )
    whole.flags.writeable = False
    return whole


def test_small_faces_in_a_large_picture_are_found_and_masked(
    hopper: Pixels, astronaut: Pixels, still_faces: MediaPipeFaces, masker: PhotoMasker
) -> None:
    whole = group(hopper, astronaut)
    plain, found = still_faces.find(whole), PhotoFaces(still_faces).find(whole)
    assert len(found) == 5
    assert len(plain) < 5
    masked = masker.mask(decode(file_of(whole, compress_level=1)), PhotoSettings.of({}))
    assert len(masked.figures["faces"]) == 5
    after = decode(masked.data).pixels
    for face in found:
        part = face.box.slices()
        assert (after[part] != whole[part]).mean() > 0.3
    assert np.abs(after.astype(int) - whole).max() <= 6


def test_parts_cover_a_picture_in_every_resolution_and_overlap() -> None:
    for size in (Size(1281, 700), Size(4000, 3000), Size(2240, 2240), Size(9000, 1400)):
        parts = tiles_of(size)
        side_px, expected = 1280, 0
        while side_px < max(size.width, size.height):
            seen = np.zeros((size.height, size.width), np.uint8)
            own = [p for p in parts if max(p.right - p.left, p.bottom - p.top) == side_px]
            for part in own:
                assert part == part.within(size)
                seen[part.slices()] += 1
            assert seen.all()
            # Any square of a quarter of the side lies in one part.
            for left in range(0, size.width - side_px // 4, 97):
                assert any(p.left <= left and left + side_px // 4 <= p.right for p in own)
            side_px, expected = 2 * side_px, expected + len(own)
        assert expected == len(parts)
    assert tiles_of(Size(1280, 1280)) == []


def test_a_face_found_twice_is_one_and_lies_where_it_is() -> None:
    whole = np.zeros((1400, 2000, 3), np.uint8)
    parts = len(tiles_of(Size(2000, 1400)))
    assert parts == 4
    left, top = tiles_of(Size(2000, 1400))[3].left, tiles_of(Size(2000, 1400))[3].top
    seen = [face_at(1000 - left, 700 - top, 80)]
    fake = FakeFaces([face_at(1000, 700, 82)], [], [], [], seen)
    assert len(PhotoFaces(fake).find(whole)) == 1
    fake = FakeFaces([], [], [], [], seen)
    (face,) = PhotoFaces(fake).find(whole)
    straight = face_at(1000, 700, 80)
    assert np.allclose(face.to_unit, straight.to_unit)
    assert np.allclose(face.outline, straight.outline, atol=1e-3)
    assert face.box == straight.box


def test_amplification_multiplies_what_was_found_and_the_budget() -> None:
    pixels = noise(120, 120)
    surrogate = LinearSurrogate(16)
    plain, times_3 = (
        PhotoChain(surrogate, PhotoSettings.of({"strength": 2, "amplification": alpha}))
        for alpha in (1, 3)
    )
    once, thrice = (chain.perturb_faces(pixels, bare()).delta for chain in (plain, times_3))
    assert np.allclose(3 * once, thrice)
    assert np.abs(once).max() == pytest.approx(2 / 255, rel=1e-3)
    assert (plain.settings.budget_levels, times_3.settings.budget_levels) == (2, 6)
    masked = PhotoMasker(FakeFaces(bare()), surrogate).mask(
        photo_of(pixels), PhotoSettings.of({"strength": 2, "amplification": 3})
    )
    assert 4 < masked.figures["linf_levels"] <= masked.figures["budget_levels"] == 6


def test_many_faces_are_masked_a_part_at_a_time() -> None:
    faces = [face_at(40 + 64 * (i % 8), 40 + 64 * (i // 8), 60) for i in range(40)]
    pixels = noise(8 * 64, 5 * 64 + 16)
    chain = PhotoChain(LinearSurrogate(16), PhotoSettings.of({}))
    found = chain.perturb_faces(pixels, faces)
    assert found.delta.shape == (40, 16, 16)
    alone = chain.perturb_faces(pixels, faces[37:38])
    assert np.allclose(found.delta[37], alone.delta[0], atol=1e-6)


# What is not proved does not leave.


def test_without_a_face_nothing_comes_out(masker: PhotoMasker) -> None:
    with pytest.raises(NoFace):
        masker.mask(photo_of(np.full((200, 300, 3), 128, np.uint8)), PhotoSettings.of({}))


class Broken(LinearSurrogate):
    """Gives directions that are no numbers, or none."""

    def __init__(self, value: float) -> None:
        super().__init__(16)
        self._value = value

    def take(self, stage):  # type: ignore[no-untyped-def]
        result = super().take(stage)
        broken = np.full_like(result.stepped, self._value) if self._value else stage.picture
        return dataclasses.replace(result, stepped=broken)


@pytest.mark.parametrize(("value", "why"), [(np.nan, "not finite"), (0.0, "unchanged")])
def test_a_face_that_was_not_changed_does_not_leave(value: float, why: str) -> None:
    masker = PhotoMasker(FakeFaces(bare()), Broken(value))
    with pytest.raises(FilterFault, match=why):
        masker.mask(photo_of(noise(120, 120)), PhotoSettings.of({}))


def test_a_chain_that_goes_too_far_is_held_to_the_budget() -> None:
    masker = PhotoMasker(FakeFaces(bare()), Broken(1.0))
    masked = masker.mask(photo_of(noise(120, 120)), PhotoSettings.of({}))
    assert masked.figures["linf_levels"] == 6


def test_a_filter_over_the_budget_is_refused(
    astronaut: Pixels, masker: PhotoMasker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_far(self: FaceFilter, raw):  # type: ignore[no-untyped-def]
        filtered = apply(self, raw)
        filtered.pixels[300, 300] ^= 64
        return filtered

    apply = FaceFilter.apply
    monkeypatch.setattr(FaceFilter, "apply", too_far)
    with pytest.raises(FilterFault, match="budget"):
        masker.mask(photo_of(astronaut), PhotoSettings.of({}))


def test_a_pixel_beside_the_faces_is_refused() -> None:
    raw, (face,) = noise(120, 120), bare()
    masked = raw.copy()
    masked[face.box.top, face.box.left] ^= 1
    refuse_spill(raw, masked, [face])
    masked[0, 0] ^= 1
    with pytest.raises(FilterFault, match="outside"):
        refuse_spill(raw, masked, [face])


def test_a_file_that_lost_the_mask_is_refused() -> None:
    masker = PhotoMasker(FakeFaces(bare()), LinearSurrogate(40))
    plain = photo_of(np.full((120, 120, 3), 128, np.uint8))
    with pytest.raises(FilterFault, match="At quality 1 only"):
        masker.mask(plain, PhotoSettings.of({"quality": 1, "strength": 3}), Kind.JPEG)
    assert masker.mask(plain, PhotoSettings.of({"strength": 3}), Kind.JPEG)


def test_what_a_file_keeps_of_the_mask_is_a_share() -> None:
    raw, (face,) = noise(120, 120), bare()
    masked = np.clip(raw.astype(int) + np.random.default_rng(1).choice((-6, 6), raw.shape), 0, 255)
    masked = masked.astype(np.uint8)
    middle = ((raw.astype(int) + masked) // 2).astype(np.uint8)
    assert least_kept(raw, masked, masked, [face]) == 1
    assert least_kept(raw, masked, raw, [face]) == 0
    assert least_kept(raw, masked, middle, [face]) == pytest.approx(0.5, abs=0.02)
    other = face_at(200, 60, 64)
    wide, wide_masked = np.hstack([raw, raw]), np.hstack([masked, masked])
    assert least_kept(wide, wide_masked, np.hstack([masked, raw]), [face, other]) == 0
    assert least_kept(raw, raw, masked, [face]) == 0
    with pytest.raises(FilterFault, match="size"):
        least_kept(raw, masked, masked[:-1], [face])


def test_only_the_guard_s_pictures_are_encoded(astronaut: Pixels) -> None:
    with pytest.raises(UnguardedFrame):
        encode(astronaut, photo_of(astronaut), Kind.PNG, 95)  # type: ignore[arg-type]


def test_transparency_and_gray_stay(astronaut: Pixels, masker: PhotoMasker) -> None:
    alpha = np.full(astronaut.shape[:2], 255, np.uint8)
    alpha[400:] = 90
    read = decode(file_of(np.dstack([astronaut, alpha])))
    again = decode(masker.mask(read, PhotoSettings.of({})).data)
    assert again.alpha is not None
    assert np.array_equal(again.alpha, alpha)
    webp = decode(masker.mask(read, PhotoSettings.of({"quality": 100}), Kind.WEBP).data)
    assert webp.alpha is not None
    assert np.array_equal(webp.pixels, again.pixels)
    with pytest.raises(SettingError, match="transparent"):
        masker.mask(read, PhotoSettings.of({}), Kind.JPEG)
    gray = decode(file_of(cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)))
    for kind in Kind:
        assert decode(masker.mask(gray, PhotoSettings.of({}), kind).data).gray == (kind != "webp")


def test_a_picture_too_large_for_its_format_is_one_line() -> None:
    masker = PhotoMasker(FakeFaces(bare()), LinearSurrogate(16))
    with pytest.raises(SinkError, match="cannot be a WEBP"):
        masker.mask(photo_of(noise(16400, 100)), PhotoSettings.of({}), Kind.WEBP)


# Identity.


def ball(pixels: Pixels, levels: int) -> np.ndarray:
    """A random change of the same size as a mask may have, on the same cells."""
    (face,) = bare()
    signs = np.random.default_rng(2).choice((-1, 1), (1, 48, 48)).astype(np.float32)
    return signs * outline_mask(face, 48) * np.float32(levels / 255)


def distance(embedder: LinearEmbedder, crop: np.ndarray, delta: np.ndarray) -> float:
    before = embedder.embed(resized(crop, embedder.size_px))
    after = embedder.embed(resized(crop + delta, embedder.size_px))
    return float(np.linalg.norm(after - before))


def test_identity_goes_far_in_every_embedder_and_chance_does_not() -> None:
    pixels, (face,) = noise(120, 120), bare()
    embedders = [LinearEmbedder(32, 5), LinearEmbedder(48, 6)]
    chain = PhotoChain(LinearSurrogate(16), PhotoSettings.of({"hide": "identity"}), embedders)
    delta = chain.perturb_faces(pixels, [face]).delta
    crop = cut_crop(pixels, face, 48)[None]
    assert np.abs(delta).max() <= 12 / 255 + 1e-6
    for embedder in embedders:
        assert distance(embedder, crop, delta) > 4 * distance(embedder, crop, ball(pixels, 12))
        assert embedder.asked == 12


def test_both_hides_both_within_one_budget() -> None:
    pixels, (face,) = noise(120, 120), bare()
    embedder, surrogate = LinearEmbedder(48, 6), LinearSurrogate(16)
    settings = PhotoSettings.of({"hide": "both", "chain_length": 8})
    delta = PhotoChain(surrogate, settings, [embedder]).perturb_faces(pixels, [face]).delta
    crop = cut_crop(pixels, face, 48)[None]
    assert np.abs(delta).max() <= 12 / 255 + 1e-6
    assert embedder.asked == 8
    assert len(surrogate.stages) == 8
    label = np.eye(8, dtype=np.float32)[surrogate.read(resized(crop, 16)).argmax(axis=1)]
    loss = [
        surrogate.loss(resized(x, 16), label)[0]
        for x in (crop, crop + delta, crop + ball(pixels, 12))
    ]
    assert loss[1] > loss[0] + 3 * abs(loss[2] - loss[0])
    assert distance(embedder, crop, delta) > 3 * distance(embedder, crop, ball(pixels, 12))


def test_a_stage_of_identity_is_the_gradient_s_sign() -> None:
    embedder = LinearEmbedder(24, 4)
    rng = np.random.default_rng(0)
    crop = rng.uniform(0.3, 0.7, (2, 24, 24)).astype(np.float32)
    moved = crop + rng.choice((-0.02, 0.02), crop.shape).astype(np.float32)
    leaving = Leaving(embedder, crop, reach=ViewRange(0, 0, 0, 0))
    found = leaving.direction(moved)
    step = 1e-3
    for _ in range(20):
        place = (rng.integers(2), rng.integers(24), rng.integers(24))
        up, down = moved.astype(np.float64), moved.astype(np.float64)
        up[place] += step
        down[place] -= step
        anchors = embedder.embed(crop)
        slope = (
            np.linalg.norm(embedder.embed(up)[place[0]] - anchors[place[0]])
            - np.linalg.norm(embedder.embed(down)[place[0]] - anchors[place[0]])
        ) / (2 * step)
        assert np.sign(found[place]) == np.sign(slope)
    assert np.abs(found).sum(axis=(1, 2)) == pytest.approx([1, 1], rel=1e-4)


def test_at_the_clean_face_there_is_a_way_all_the_same() -> None:
    crop = np.random.default_rng(0).uniform(0.3, 0.7, (1, 24, 24)).astype(np.float32)
    embedder = LinearEmbedder(24, 4)
    _, nowhere = embedder.gradient(crop, embedder.embed(crop))
    assert np.abs(nowhere).max() < 1e-3
    found = Leaving(embedder, crop).direction(crop)
    assert np.abs(found).sum() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize(
    ("emotion", "order"), [(True, "EaEbEaEb"), (False, "abababab")], ids=["both", "identity"]
)
def test_the_networks_take_turns(emotion: bool, order: str) -> None:
    asked: list[str] = []

    class Noting(LinearEmbedder):
        def gradient(self, crops, anchors):  # type: ignore[no-untyped-def]
            asked.append(self.name)
            return super().gradient(crops, anchors)

    class Reader(LinearSurrogate):
        def take(self, stage):  # type: ignore[no-untyped-def]
            asked.append("E")
            return super().take(stage)

    crop = np.random.default_rng(0).uniform(0.3, 0.7, (1, 24, 24)).astype(np.float32)
    leaving = [Leaving(Noting(24, seed, name), crop) for seed, name in enumerate("ab")]
    settings = PhotoSettings.of({"chain_length": 8}).chain
    Chain(Turns(Reader(24), leaving, emotion=emotion), settings).perturb(crop, np.ones_like(crop))
    assert "".join(asked) == order


@pytest.mark.parametrize("mode", ["untargeted", "neutral"])
def test_identity_is_left_whichever_way_expressions_go(mode: str) -> None:
    crop = np.random.default_rng(0).uniform(0.3, 0.7, (1, 24, 24)).astype(np.float32)
    embedder = LinearEmbedder(24, 4)
    turns = Turns(LinearSurrogate(24), [Leaving(embedder, crop)], emotion=False)
    settings = PhotoSettings.of({"hide": "both", "mode": mode}).chain
    delta = Chain(turns, settings).perturb(crop, np.ones_like(crop)).delta
    assert distance(embedder, crop, delta) > 0.05


def test_identity_needs_a_network(portrait: Photo, still_faces: MediaPipeFaces) -> None:
    masker = PhotoMasker(still_faces, LinearSurrogate(16))
    with pytest.raises(GraphRefused):
        masker.mask(portrait, PhotoSettings.of({"hide": "identity"}))
    with pytest.raises(ValueError, match="embedder"):
        PhotoChain(LinearSurrogate(16), PhotoSettings.of({"hide": "both"}))


@pytest.mark.skipif(
    not (graphs_folder() / EMBEDDINGS_FILE).exists(), reason="no embedder is shipped yet"
)
@pytest.mark.parametrize("hide", [Hide.IDENTITY, Hide.BOTH])
def test_real_networks_lose_the_person(
    hopper: Pixels, surrogate: OnnxSurrogate, hide: Hide
) -> None:
    finder = MediaPipeFaces(stills=True)
    attacked, judges = (open_embedders(held_out=held_out) for held_out in (False, True))
    masker = PhotoMasker(
        finder, surrogate, open_embedders=lambda: attacked, open_judges=lambda: judges
    )
    masked = masker.mask(photo_of(hopper), PhotoSettings.of({"hide": hide, "strength": 8}))
    (face,) = finder.find(hopper)
    finder.close()
    signs = np.random.default_rng(2).choice((-8, 8), hopper.shape[:2])[:, :, None]
    random = np.clip(hopper.astype(int) + signs, 0, 255).astype(np.uint8)
    readers = masked.figures["faces"][0]["identity"]["readers"]
    assert [(name, reader["attacked"]) for name, reader in readers.items()] == [
        *((embedder.name, True) for embedder in attacked),
        *((embedder.name, False) for embedder in judges),
    ]
    for embedder in (*attacked, *judges):
        crops = np.stack([cut_crop(p, face, embedder.size_px) for p in (hopper, random)])
        before, after = embedder.embed(crops)
        least = 2 if embedder in attacked else 1
        assert readers[embedder.name]["distance"] > least * np.linalg.norm(after - before)


class Far(LinearEmbedder):
    """Embeds what it sees second at a distance of its own from what it saw first."""

    def __init__(self, name: str, distance: float, threshold: float) -> None:
        super().__init__(name=name)
        self.threshold = threshold
        self._angles = iter((0.0, 2 * np.arcsin(distance / 2)))

    def embed(self, crops: Crops) -> np.ndarray:
        angle = next(self._angles)
        return np.tile(np.array([np.cos(angle), np.sin(angle)], np.float32), (len(crops), 1))


@pytest.mark.parametrize(
    ("attacked", "apart", "standing", "says"),
    [
        (1.2, 0.6, "good", "recognised by none of 2 that tell people apart "),
        (1.2, 0.4, "partly", "not recognised by 1 of 2 that tell people apart "),
        (0.9, 0.4, "not-yet", "still recognised by all 2 that tell people apart "),
    ],
)
def test_the_verdict_on_identity_is_of_all_networks(
    attacked: float, apart: float, standing: str, says: str
) -> None:
    pixels = noise(120, 120)
    (found,) = identity_figures(
        pixels, pixels, [bare()[0]], [Far("a", attacked, 1.0)], [Far("b", apart, 0.5)]
    )
    assert found == {
        "standing": standing,
        "readers": {
            "a": {"attacked": True, "distance": attacked, "threshold": 1.0,
                  "recognised": attacked < 1},
            "b": {"attacked": False, "distance": apart, "threshold": 0.5,
                  "recognised": apart < 0.5},
        },
    }  # fmt: skip
    line = identity_in_words([{"identity": found}])
    assert line == f"{says}(moved by {attacked:.2f} of 1.00, never attacked {apart:.2f} of 0.50)"


def test_a_picture_of_several_counts_those_nobody_recognises() -> None:
    faces = [
        {"identity": {"standing": standing, "readers": {"a": {}, "b": {}}}}
        for standing in ("good", "partly", "good")
    ]
    assert identity_in_words(faces) == "2 of 3 recognised by none of 2 that tell people apart"
    assert standing_of([face["identity"] for face in faces]) == "partly"


def test_what_is_hidden_decides_which_standings_there_are(
    hopper: Pixels, masker: PhotoMasker
) -> None:
    found = {
        hide: masker.mask(photo_of(hopper), PhotoSettings.of({"hide": hide, "chain_length": 2}))
        for hide in Hide
    }
    assert {hide: (one.figures["standing"] is None, one.figures["identity_standing"] is None)
            for hide, one in found.items()} == {
        Hide.EMOTION: (False, True), Hide.IDENTITY: (True, False), Hide.BOTH: (False, False),
    }  # fmt: skip
    assert found[Hide.EMOTION].figures["faces"][0]["identity"] is None
    line = in_one_line(found[Hide.IDENTITY].figures)
    assert "that tell people apart (moved by " in line
    assert ("a greater strength hides more" in line) is (
        found[Hide.IDENTITY].figures["identity_standing"] != "good"
    )


# Settings.


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"hide": "age"}, "age"),
        ({"strength": "much"}, "number"),
        ({"strength": "nan"}, "range"),
        ({"strength": -1}, "range"),
        ({"strength": 256}, "range"),
        ({"strength": 0.2}, "vanishes"),
        ({"amplification": 0.5}, "range"),
        ({"amplification": 9}, "range"),
        ({"quality": 0}, "range"),
        ({"quality": 101}, "range"),
        ({"mode": "loud"}, "Mode"),
        ({"mode": "targeted"}, "target"),
        ({"hide": "identity", "mode": "neutral"}, "emotions"),
        ({"chain_length": 0}, "Chain length"),
        ({"colour": 1}, "Colour"),
    ],
)
def test_settings_that_cannot_be_used(values: dict[str, object], why: str) -> None:
    with pytest.raises(SettingError, match=why):
        PhotoSettings.of(values)


def test_identity_takes_more_strength_unless_one_is_given() -> None:
    found = {hide: PhotoSettings.of({"hide": hide}).allowed.budget_levels for hide in Hide}
    assert found == {"emotion": 6, "identity": 12, "both": 12}
    assert PhotoSettings.of({"hide": "both", "strength": 5}).allowed.budget_levels == 5


def test_the_budget_is_the_strength_times_the_amplification() -> None:
    settings = PhotoSettings.of({"strength": "6 levels", "amplification": 2.5})
    assert settings.allowed.budget_levels == 15
    assert PhotoSettings.of({"strength": 0.4, "amplification": 4}).allowed.budget_levels == 2
    assert PhotoSettings.of({"strength": 200, "amplification": 8}).allowed.budget_levels == 255


@pytest.mark.parametrize(
    ("name", "kind"), [("a.JPG", "jpeg"), ("a.jpeg", "jpeg"), ("a.webp", "webp")]
)
def test_a_name_asks_for_a_format(name: str, kind: str) -> None:
    assert kind_of_name(Path(name)) == kind
    with pytest.raises(SinkError, match=r"\.png"):
        kind_of_name(Path("a.gif"))


# The command.


@pytest.fixture
def folder(tmp_path: Path, hopper: Pixels, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "in.jpg").write_bytes(told(hopper, "JPEG"))
    (tmp_path / "sky.png").write_bytes(file_of(np.full((90, 120, 3), 200, np.uint8)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_command_masks_and_says_so_in_one_line(folder: Path, capfd: Capture) -> None:
    words = ["photo", "in.jpg", "out.png", "--json", "f.json", "--surrogate", "plain48"]
    assert main(words) == 0
    (line,) = capfd.readouterr().out.splitlines()
    assert line.startswith("out.png: 1 face masked; surrogates read ")
    assert "one that is never attacked reads" in line
    assert "greatest change 6 of 6 levels" in line
    assert "the place (GPS)" in line
    figures = json.loads((folder / "f.json").read_text())
    assert figures["faces"][0]["held_out"]["before"]["label"] == "neutral"
    assert figures["surrogate"] == "plain48"
    assert SECRET not in (folder / "out.png").read_bytes()
    assert names(folder) == ["f.json", "in.jpg", "out.png", "sky.png"]


def test_without_a_face_nothing_is_written(folder: Path, capfd: Capture) -> None:
    (folder / "out.png").write_bytes(GOOD)
    assert main(["photo", "sky.png", "out.png", "--force"]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line == "camfilter: sky.png: No face was found. Nothing was written."
    assert (folder / "out.png").read_bytes() == GOOD
    assert names(folder) == ["in.jpg", "out.png", "sky.png"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["none.jpg", "out.png"], "no picture none.jpg"),
        (["in.jpg", "sky.png"], "there already"),
        (["in.jpg", "in.jpg"], "there already"),
        (["in.jpg", "out.gif"], "picture's name"),
        (["in.jpg", "no/out.png"], "cannot be written"),
        (["in.jpg", "out.png", "--strength", "0.1"], "vanishes"),
        (["in.jpg", "out.png", "--hide", "age"], "hide"),
        (["in.jpg", "out.png", "--provider", "abacus"], "provider"),
        (["in.jpg", "out.png", "--surrogate", "nobody"], "nobody"),
        (["in.jpg", "out.png", "--json", "no/f.json"], "cannot be written"),
        (["in.jpg", "out.png", "--json", "in.jpg"], "read or written"),
        (["in.jpg", "out.png", "--json", "./out.png"], "read or written"),
        (["in.jpg", "sky.png", "--force", "--json", "sky.png"], "read or written"),
        ([".", "out.png"], "cannot be read"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    folder: Path, capfd: Capture, words: list[str], why: str
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(["photo", *words]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert why in line
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_force_replaces(folder: Path) -> None:
    (folder / "out.webp").write_bytes(GOOD)
    assert main(["photo", "in.jpg", "out.webp", "--surrogate", "plain48", "--force"]) == 0
    assert decode((folder / "out.webp").read_bytes()).kind == "webp"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_that_is_damaged_in_the_middle_is_refused(kind: str) -> None:
    whole = file_of(noise(200, 200), kind)
    assert decode(whole).pixels.shape == (200, 200, 3)
    spoilt = bytearray(whole)
    middle, length = len(spoilt) // 2, 1 if kind == "PNG" else len(spoilt) // 10
    for place in range(middle, middle + length):
        spoilt[place] ^= 0x5A
    with pytest.raises(NotAPicture, match="damaged or cut short"):
        decode(bytes(spoilt))
