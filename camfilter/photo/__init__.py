"""Masks the faces of a picture: the whole picture in, the same picture out, nothing else in it."""

from __future__ import annotations

from camfilter.photo.decoding import Photo, decode
from camfilter.photo.masking import Masked, PhotoMasker
from camfilter.photo.settings import Hide, PhotoSettings

__all__ = ["Hide", "Masked", "Photo", "PhotoMasker", "PhotoSettings", "decode"]
