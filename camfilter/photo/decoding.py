"""Pictures in: JPEG, PNG or WebP by their content, upright, without what tells on people."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import IFD

from camfilter.frames import Pixels, Size
from camfilter.photo.colour import plain_profile
from camfilter.photo.errors import NotAPicture, PictureTooLarge
from camfilter.sources.whole import refuse_several, verify_sums

__all__ = ["MOST_PIXELS", "Kind", "Photo", "decode"]

MOST_PIXELS: Final = 80_000_000
"""Below what Pillow itself takes for a bomb."""

_ORIENTATION: Final = 0x0112


_MAKER_NOTE: Final = 0x927C
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE: Final = (5, 6, 7, 8)
_MOST_DPI: Final = 10_000
_WIDE: Final = ("I;16", "I;16B", "I;16L", "I;16N", "I")


class Kind(StrEnum):
    """Formats of files."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A picture and what may stay with it.

    Attributes:
        pixels: (height, width, 3) uint8, BGR, upright, not to be written to.
        alpha: (height, width) uint8, 0 where nothing shows; None where all does.
        gray: whether the file had one channel of light.
        kind: format of the file.
        profile: colour profile without names, numbers and dates; or None.
        dpi: resolution across and down, in pixels an inch; or None.
        dropped: what the file held besides, in words.
    """

    pixels: Pixels = field(repr=False)
    alpha: NDArray[np.uint8] | None = field(repr=False)
    gray: bool
    kind: Kind
    profile: bytes | None = field(repr=False)
    dpi: tuple[float, float] | None
    dropped: tuple[str, ...]

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return Size.of(self.pixels)


def decode(data: bytes, name: str = "The file", most_pixels: int = MOST_PIXELS) -> Photo:
    """Read a picture.

    16 bits a channel become 8, colours under full transparency are dropped, and the orientation
    that the file names is applied.

    Args:
        data: the whole file.
        name: what a person calls it, for errors.
        most_pixels: greatest width times height; larger ones are refused before they are decoded.

    Raises:
        NotAPicture: no JPEG, PNG or WebP; damaged, animated, or in printing colours.
        PictureTooLarge: too many pixels.
    """
    try:
        # Pillow warns of damaged metadata, which is thrown away; what it warns of as a bomb is one.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=[kind.upper() for kind in Kind]) as image:
                _refuse(image, data, name, most_pixels)
                return _photo(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name, most_pixels) from error
    except (NotAPicture, PictureTooLarge):
        raise
    except UnidentifiedImageError as error:
        raise NotAPicture(f"{name} is no picture.", "JPEG, PNG and WebP are read.") from error
    except Exception as error:  # a damaged file makes the decoder raise nearly anything
        raise NotAPicture(
            f"{name} holds no readable picture.", "It may be damaged or cut short."
        ) from error


def _refuse(image: Any, data: bytes, name: str, most_pixels: int) -> None:
    """Refuse what cannot be masked, before it is decoded."""
    width, height = image.size
    if width * height > most_pixels:
        raise _too_large(name, most_pixels)
    refuse_several(image, name, NotAPicture)
    if image.mode in ("CMYK", "YCCK"):
        raise NotAPicture(f"{name} is in printing colours (CMYK).", "Save it as RGB first.")
    verify_sums(data, image)


def _photo(image: Any) -> Photo:
    kind = Kind.JPEG if image.format == "MPO" else Kind(image.format.lower())
    dropped = tuple(_dropped(image))
    dpi, profile = _dpi(image), image.info.get("icc_profile")
    orientation = _orientation(image)
    image.load()
    pixels, alpha, gray = _planes(image, orientation)
    kept = plain_profile(profile, b"GRAY" if gray else b"RGB ") if profile else None
    if dpi and orientation in _ON_ITS_SIDE:
        dpi = dpi[::-1]
    return Photo(pixels, alpha, gray, kind, kept, dpi, dropped)


def _too_large(name: str, most_pixels: int) -> PictureTooLarge:
    return PictureTooLarge(
        f"{name} has more than {most_pixels // 1_000_000} million pixels.", "Make it smaller first."
    )


def _planes(image: Any, orientation: int) -> tuple[Pixels, NDArray[np.uint8] | None, bool]:
    """Pixels in BGR, alpha and whether it was gray; all upright."""
    if image.mode in _WIDE:
        levels = np.asarray(image).astype(np.int64)
        image = Image.fromarray(np.clip((levels + 128) // 257, 0, 255).astype(np.uint8))
    clear = "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    gray = image.mode in ("1", "L", "LA", "La")
    image = image.convert(("LA" if clear else "L") if gray else ("RGBA" if clear else "RGB"))
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    planes = np.asarray(image, np.uint8)
    planes = planes[:, :, None] if planes.ndim == 2 else planes
    light = planes[:, :, :1].repeat(3, axis=2) if gray else planes[:, :, 2::-1]
    pixels = np.ascontiguousarray(light)
    alpha = np.ascontiguousarray(planes[:, :, -1]) if clear else None
    if alpha is not None and int(alpha.min()) == 255:
        alpha = None
    if alpha is not None:
        pixels[alpha == 0] = 0  # nobody sees these colours, and a program might read them
    pixels.flags.writeable = False
    return pixels, alpha, gray


def _orientation(image: Any) -> int:
    with suppress(Exception):  # damaged metadata names none
        return int(image.getexif().get(_ORIENTATION, 1))
    return 1


def _dpi(image: Any) -> tuple[float, float] | None:
    with suppress(Exception):
        across, down = (float(number) for number in image.info["dpi"])
        if 1 <= across <= _MOST_DPI and 1 <= down <= _MOST_DPI:
            return across, down
    return None


def _dropped(image: Any) -> list[str]:
    """What is beside the pixels and does not stay, in words."""
    info, found = image.info, list[str]()
    with suppress(Exception):
        exif = image.getexif()
        if len(exif):
            found.append("EXIF")
        if exif.get_ifd(IFD.GPSInfo):
            found.append("the place (GPS)")
        if _MAKER_NOTE in exif.get_ifd(IFD.Exif):
            found.append("the maker's notes")
        if exif.get_ifd(IFD.IFD1):
            found.append("a thumbnail")
    if "xmp" in info or "XML:com.adobe.xmp" in info:
        found.append("XMP")
    if "photoshop" in info:
        found.append("IPTC")
    if "comment" in info or getattr(image, "text", None):
        found.append("comments")
    if image.format == "MPO":
        found.append("further pictures")
    return found
