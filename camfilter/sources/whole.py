"""Whether a picture file is whole, and holds one picture alone.

Pillow is asked, as OpenCV fills what is damaged with anything and shows the first of several.
"""

from __future__ import annotations

import io
import warnings
from typing import Any, Final

from PIL import Image, UnidentifiedImageError

from camfilter.errors import UnreadableSource

__all__ = ["refuse_damaged", "refuse_several", "verify_sums"]

_ASKED: Final = ("GIF", "JPEG", "PNG", "TIFF", "WEBP")
_DECODED: Final = ("JPEG", "MPO")


def refuse_damaged(data: bytes, name: str) -> None:
    """Refuse a picture that is damaged, or one of several; what Pillow does not know passes.

    Args:
        data: the whole file.
        name: what a person calls it, for errors.

    Raises:
        UnreadableSource: it is damaged or cut short, or it holds several pictures.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata, which is not read
            with Image.open(io.BytesIO(data), formats=_ASKED) as image:
                refuse_several(image, name)
                verify_sums(data, image)
                if image.format in _DECODED:  # it has no sums: only who decodes it knows
                    image.load()
    except UnreadableSource:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return  # OpenCV reads more formats, and larger pictures
    except Exception as error:  # a damaged file makes the decoder raise nearly anything
        raise UnreadableSource(
            f"{name} holds no readable picture.", "It may be damaged or cut short."
        ) from error


def refuse_several(
    image: Any, name: str, refusal: type[UnreadableSource] = UnreadableSource
) -> None:
    """Refuse a file whose first picture is not all of it.

    A JPEG may carry others behind it (maps of depth or light); they are left out.

    Args:
        image: of Pillow, open.
        name: what a person calls it, for errors.
        refusal: error to raise.

    Raises:
        UnreadableSource: it is animated, or has several pages.
    """
    if image.format in _DECODED or getattr(image, "n_frames", 1) < 2:
        return
    what = "holds several pages" if image.format == "TIFF" else "is animated"
    raise refusal(f"{name} {what}.", "Save one picture of it as PNG.")


def verify_sums(data: bytes, image: Any) -> None:
    """Check the sums of a PNG; Pillow reads past a wrong one. Other formats pass.

    Args:
        data: the whole file.
        image: of Pillow, opened from it. It stays usable, as another one is opened for this.

    Raises:
        Exception: nearly any, where the file is damaged.
    """
    if image.format == "PNG":
        with Image.open(io.BytesIO(data), formats=["PNG"]) as again:
            again.verify()
