"""Pictures out: what the guard let through, its colour profile and its resolution, nothing else."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from camfilter.errors import SettingError, SinkError
from camfilter.guard import ProtectedFrame
from camfilter.photo.decoding import Kind, Photo
from camfilter.sinks.base import pixels_of

__all__ = ["encode", "kind_of_name"]

_SUFFIXES: Final = {
    ".jpg": Kind.JPEG, ".jpeg": Kind.JPEG, ".png": Kind.PNG, ".webp": Kind.WEBP,
}  # fmt: skip
_BEST: Final = 100


def kind_of_name(path: Path) -> Kind:
    """The format that a file's name asks for.

    Raises:
        SinkError: none that is written.
    """
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise SinkError(
            f"{path.name} is not a picture's name.", f"Pictures end in {', '.join(_SUFFIXES)}."
        )
    return kind


def encode(frame: ProtectedFrame, photo: Photo, kind: Kind, quality: int) -> bytes:
    """Make a file of a protected picture.

    Args:
        frame: of the guard.
        photo: that it was made of; its alpha, profile and resolution stay.
        kind: format to write.
        quality: of JPEG and WebP, 1 to 100; WebP loses nothing at 100.

    Raises:
        UnguardedFrame: the frame was not made by the guard.
        SettingError: the format cannot hold the picture's transparency.
        SinkError: the format cannot hold a picture of this size.
    """
    if kind is Kind.JPEG and photo.alpha is not None:
        raise SettingError("A JPEG cannot hold transparent parts.", "Write a .png or a .webp.")
    image = _image(frame, photo)
    kept: dict[str, Any] = {} if photo.profile is None else {"icc_profile": photo.profile}
    if photo.dpi is not None and kind is not Kind.WEBP:  # WebP has no place for it
        kept["dpi"] = photo.dpi
    if kind is Kind.JPEG:
        kept |= {"quality": quality, "subsampling": 0, "optimize": True}
    if kind is Kind.WEBP:
        kept |= {"quality": quality, "lossless": quality == _BEST}
    written = io.BytesIO()
    try:
        image.save(written, kind.upper(), **kept)
    except (OSError, ValueError) as error:
        raise SinkError(
            f"A picture of {photo.size} cannot be a {kind.upper()} file.", "Write a .png."
        ) from error
    return written.getvalue()


def _image(frame: ProtectedFrame, photo: Photo) -> Image.Image:
    """A new image, which holds no metadata of the old one."""
    pixels = pixels_of(frame)
    planes = pixels[:, :, :1] if photo.gray else pixels[:, :, ::-1]
    if photo.alpha is not None:
        planes = np.concatenate([planes, photo.alpha[:, :, None]], axis=2)
    if planes.shape[2] == 1:
        planes = planes[:, :, 0]
    return Image.fromarray(np.ascontiguousarray(planes))
