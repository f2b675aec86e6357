"""What can be wrong with a picture, told apart for those who must answer differently."""

from __future__ import annotations

from camfilter.errors import NothingProtected, UnreadableSource

__all__ = ["NoFace", "NotAPicture", "PictureTooLarge"]


class NotAPicture(UnreadableSource):
    """It is no JPEG, PNG or WebP, or not one that can be masked."""


class PictureTooLarge(UnreadableSource):
    """It has more pixels than are read."""


class NoFace(NothingProtected):
    """No face was found, so nothing can be masked."""
