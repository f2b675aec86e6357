"""Pictures for the page."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from skimage import data

from camfilter.frames import Pixels
from camfilter.sources.demo import portrait_path
from camfilter.sources.pictures import read_picture

__all__ = ["telling_jpeg", "two_people", "without_faces"]


def telling_jpeg(pixels: Pixels) -> bytes:
    """A JPEG that tells where and by whom it was made, of (height, width, 3) uint8, BGR."""
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))
    exif = Image.Exif()
    exif[0x010F] = "SECRET camera"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)})
    exif.get_ifd(0x8769)[0xA431] = "SECRET serial number"
    written = io.BytesIO()
    image.save(
        written, "JPEG", quality=92, exif=exif, comment=b"SECRET comment",
        xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET</x:xmpmeta>",
    )  # fmt: skip
    return written.getvalue()


def without_faces() -> bytes:
    """A PNG of a sky."""
    sky = np.linspace(120, 220, 320, dtype=np.uint8)[:, None, None].repeat(480, 1).repeat(3, 2)
    written = io.BytesIO()
    Image.fromarray(sky).save(written, "PNG")
    return written.getvalue()


def two_people() -> bytes:
    """A PNG of two people side by side."""
    left, right = data.astronaut(), read_picture(portrait_path())[:512, :, ::-1]
    written = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.hstack([left, right]))).save(written, "PNG")
    return written.getvalue()
