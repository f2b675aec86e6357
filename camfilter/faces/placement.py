"""Where a face lies: how far two placements are apart, and the steadier one of two.

A finder places the same face anew in every picture it sees, a percent or two of its width beside
the time before. What a face wears would jump with it, off the features it was made for; the
face's own texture tells better how it moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from camfilter.faces.base import Face, Points

__all__ = ["apart", "steadied"]

_INSIDE: Final = np.array([[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]])
_SAME_PLACE: Final = 0.1
_TOWARDS_FOUND: Final = 0.25


def apart(one: Face, other: Face) -> float:
    """How far two placements are apart where they differ most, in widths of the first face.

    Four points of the face are compared, so that it tells of turning and growing, too.
    """
    apart_px = np.linalg.norm(_corners(one) - _corners(other), axis=1).max()
    return float(apart_px) / max(1, one.box.right - one.box.left)


def steadied(found: Face, carried: Sequence[Face]) -> Face:
    """A found face, placed where its texture was carried to and a quarter of the way to the find.

    So what it wears stays where it was made, and a carried placement that is wrong is right again
    after a few finds.

    Args:
        found: by a finder in this picture.
        carried: faces of the picture before, carried to this one.

    Returns:
        The found face itself where none was carried to within a tenth of its width.
    """
    near = min(carried, key=lambda face: apart(found, face), default=None)
    if near is None or apart(found, near) > _SAME_PLACE:
        return found
    to_unit = (1 - _TOWARDS_FOUND) * near.to_unit + _TOWARDS_FOUND * found.to_unit
    return replace(found, to_unit=to_unit)


def _corners(face: Face) -> Points:
    """Four points of the face in the frame, which tell how it is placed and turned."""
    inverse = cv2.invertAffineTransform(face.to_unit)
    return np.asarray(_INSIDE @ inverse[:, :2].T + inverse[:, 2], np.float32)
