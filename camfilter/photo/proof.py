"""What a masked picture must prove besides what the guard asks of every frame."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from camfilter.errors import FilterFault
from camfilter.faces.base import Face
from camfilter.frames import Pixels, Size

__all__ = ["least_kept", "refuse_spill"]


def refuse_spill(raw: Pixels, masked: Pixels, faces: Sequence[Face]) -> None:
    """Refuse a picture that changed outside of the boxes of its faces.

    Args:
        raw: (height, width, 3) uint8, BGR.
        masked: the same after the change.
        faces: that were to be changed.

    Raises:
        FilterFault: it did.
    """
    change = cv2.absdiff(raw, masked)
    for face in faces:
        change[face.box.within(Size.of(raw)).slices()] = 0
    if change.any():
        raise FilterFault("A pixel outside of the faces changed.")


def least_kept(raw: Pixels, masked: Pixels, shown: Pixels, faces: Sequence[Face]) -> float:
    """Share of the mask that a file still shows: of the face where it is least.

    The error that encoding adds has little to do with the mask, so what the file's change and
    the mask have in common, <shown - raw, mask> / <mask, mask>, is what is left of it.

    Args:
        raw: (height, width, 3) uint8, BGR.
        masked: the same after the change.
        shown: the masked picture, decoded from its file.
        faces: one or more.

    Raises:
        FilterFault: the file shows a picture of another size.
    """
    if shown.shape != raw.shape:
        raise FilterFault("The file shows a picture of another size.")
    shares = []
    for face in faces:
        part = face.box.within(Size.of(raw)).slices()
        before = raw[part].astype(np.float32)
        mask = masked[part] - before
        size = float((mask * mask).sum(dtype=np.float64))
        common = float(((shown[part] - before) * mask).sum(dtype=np.float64))
        shares.append(common / size if size else 0.0)
    return min(shares)
