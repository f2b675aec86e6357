"""Pictures that tell on people, and a network that tells them apart."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from camfilter.frames import Pixels
from camfilter.surrogate.base import Crops

SECRET = b"SECRET"


class LinearEmbedder:
    """A smooth linear map onto the unit sphere, whose gradient is known by hand."""

    provider = "cpu"
    threshold = 1.0

    def __init__(self, size_px: int = 32, seed: int = 5, name: str = "linear") -> None:
        self.size_px = size_px
        self.dimensions = 16
        self.name = name
        rng = np.random.default_rng(seed)
        rough = rng.normal(0, 1, (16, size_px, size_px)).astype(np.float32)
        smooth = [cv2.GaussianBlur(one, (0, 0), size_px / 12) for one in rough]
        self.weights = np.stack(smooth).reshape(16, -1) * np.float32(size_px / 6)
        self.asked = 0

    def embed(self, crops: Crops) -> NDArray[np.float32]:
        points = crops.reshape(len(crops), -1) @ self.weights.T
        return points / np.linalg.norm(points, axis=1, keepdims=True)

    def gradient(
        self, crops: Crops, anchors: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], Crops]:
        self.asked += 1
        points = crops.reshape(len(crops), -1) @ self.weights.T
        length = np.linalg.norm(points, axis=1, keepdims=True)
        unit = points / length
        away = unit - anchors
        distance = np.linalg.norm(away, axis=1, keepdims=True)
        toward = np.divide(away, distance, out=np.zeros_like(away), where=distance > 0)
        inward = (toward - (toward * unit).sum(axis=1, keepdims=True) * unit) / length
        return distance[:, 0], (inward @ self.weights).reshape(crops.shape).astype(np.float32)


def file_of(pixels: NDArray[np.uint8], kind: str = "PNG", **beside: Any) -> bytes:
    """A file of a BGR, gray or BGRA picture."""
    if pixels.ndim == 3:
        order = [2, 1, 0, 3][: pixels.shape[2]]
        pixels = pixels[:, :, order]
    return file_of_image(Image.fromarray(np.ascontiguousarray(pixels)), kind, **beside)


def file_of_image(image: Image.Image, kind: str = "PNG", **beside: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **beside)
    return written.getvalue()


def telling_exif(orientation: int = 1, thumbnail: Pixels | None = None) -> bytes:
    """EXIF with place, camera, maker's note, serial number and a thumbnail of the bare face."""
    exif = Image.Exif()
    exif[0x010F] = "SECRET camera"
    exif[0x0112] = orientation
    exif[0x013B] = "SECRET owner"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)})
    exif.get_ifd(0x8769).update({0x927C: b"SECRET maker note", 0xA431: "SECRET serial"})
    data = exif.tobytes()
    if thumbnail is None:
        return data
    return _with_thumbnail(data, file_of(thumbnail, "JPEG", quality=80, comment=b"SECRET small"))


def _with_thumbnail(exif: bytes, thumbnail: bytes) -> bytes:
    """EXIF with a second directory that holds a picture, as cameras write it."""
    head, body = exif[:6], bytearray(exif[6:])
    order = ">" if body[:2] == b"MM" else "<"
    (first,) = struct.unpack_from(f"{order}I", body, 4)
    (count,) = struct.unpack_from(f"{order}H", body, first)
    body += bytes(len(body) % 2)
    struct.pack_into(f"{order}I", body, first + 2 + 12 * count, len(body))
    at = len(body) + 2 + 3 * 12 + 4
    body += struct.pack(f"{order}H", 3)
    body += struct.pack(f"{order}HHIHH", 0x0103, 3, 1, 6, 0)
    body += struct.pack(f"{order}HHII", 0x0201, 4, 1, at)
    body += struct.pack(f"{order}HHII", 0x0202, 4, 1, len(thumbnail))
    body += struct.pack(f"{order}I", 0) + thumbnail
    return head + bytes(body)


def telling_profile() -> bytes:
    """An sRGB profile as a screen's: maker, model, words and a serial number."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[48:56] = b"MakrModl"
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(count)]
    content = [(name, bytes(profile[at : at + size])) for name, at, size in tags]
    content.append((b"mmod", b"mmod" + bytes(4) + b"SECRET serial of a screen"))
    table, data, at = b"", b"", 132 + 12 * len(content)
    for name, value in content:
        table += struct.pack(">4sII", name, at + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    whole = bytes(profile[:128]) + struct.pack(">I", len(content)) + table + data
    return struct.pack(">I", len(whole)) + whole[4:]


def parts_of(data: bytes) -> Iterator[str]:
    """Names of the segments or chunks that a JPEG, PNG or WebP consists of."""
    if data[:2] == b"\xff\xd8":
        at = 2
        while data[at + 1] != 0xDA:
            (size,) = struct.unpack_from(">H", data, at + 2)
            name = f"{data[at + 1]:02x}"
            if data[at + 1] & 0xF0 == 0xE0:
                name += f" {data[at + 4 : at + 2 + size].split(bytes(1))[0].decode('latin-1')}"
            yield name
            at += 2 + size
        yield "picture" if data.endswith(b"\xff\xd9") else "something behind the picture"
    elif data[:4] == b"\x89PNG":
        at = 8
        while at < len(data):
            (size,) = struct.unpack_from(">I", data, at)
            yield data[at + 4 : at + 8].decode("latin-1")
            at += 12 + size
    else:
        (size,) = struct.unpack_from("<I", data, 4)
        assert size + 8 == len(data)
        at = 12
        while at < len(data):
            (size,) = struct.unpack_from("<I", data, at + 4)
            yield data[at : at + 4].decode("latin-1")
            at += 8 + size + size % 2


def mpo_of(first: Pixels, second: Pixels) -> bytes:
    """A JPEG with another picture behind it, as phones write them."""
    images = [Image.fromarray(np.ascontiguousarray(p[:, :, ::-1])) for p in (first, second)]
    written = io.BytesIO()
    images[0].save(written, "MPO", save_all=True, append_images=images[1:])
    return written.getvalue()
