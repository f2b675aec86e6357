"""Carry a perturbation from the surrogate's grid onto the face in the frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.chain import Perturbation
from camfilter.errors import FilterFault
from camfilter.faces.base import Face
from camfilter.frames import Pixels, Size
from camfilter.geometry import Crop, Similarity, frame_to_grid
from camfilter.settings import LEVELS

__all__ = ["compose"]

_COARSE_CELLS: Final = 0.25
"""Cells of the perturbation for each pixel of the frame."""


def compose(
    pixels: Pixels, faces: Sequence[Face], perturbation: Perturbation, budget_levels: int
) -> Pixels:
    """Add each face's change of luma to the frame, rounded to whole levels.

    The same whole number is added to blue, green and red, which changes luma
    and leaves colour alone. Faces that overlap share the budget.

    Args:
        pixels: (height, width, 3) uint8, BGR; not written to.
        faces: where each perturbation belongs.
        perturbation: one change for each face, on the surrogate's grid.
        budget_levels: greatest change of any pixel, in levels.

    Returns:
        A new picture of the same shape; outside the faces it is equal to `pixels`.

    Raises:
        FilterFault: the perturbation holds a number that is not finite, or does not fit the faces.
    """
    if len(perturbation.delta) != len(faces):
        raise FilterFault("The chain answered for another number of faces.")
    if not np.isfinite(perturbation.delta).all():
        raise FilterFault("The perturbation holds a number that is not finite.")
    composed = pixels.copy()
    done: list[Face] = []
    for face, delta in zip(faces, perturbation.delta, strict=True):
        box = face.box.within(Size.of(pixels))
        if box.area == 0:
            continue
        part = box.slices()
        levels = _levels_in_box(
            delta, face, box.left, box.top, (box.right - box.left, box.bottom - box.top)
        )
        _add(composed[part], levels, budget_levels)
        if any(face.box.common(other.box).area for other in done):
            _limit(composed[part], pixels[part], budget_levels)
        done.append(face)
    return composed


def _add(part: Pixels, levels: NDArray[np.float32], budget_levels: int) -> None:
    """Add a change to blue, green and red in place, rounded, within the budget and 0 to 255.

    Magnitude and sign apart: OpenCV adds bytes to bytes several times as fast as wider numbers.
    """
    magnitude = np.minimum(cv2.convertScaleAbs(levels), np.uint8(min(budget_levels, LEVELS)))
    brighter = np.multiply(magnitude, levels > 0)
    darker = cv2.subtract(magnitude, brighter)
    cv2.add(part, cv2.merge([brighter] * 3), dst=part)
    cv2.subtract(part, cv2.merge([darker] * 3), dst=part)


def _levels_in_box(
    delta: Crop, face: Face, left: int, top: int, size: tuple[int, int]
) -> NDArray[np.float32]:
    """The change in levels for each pixel of a box of the frame, before it is rounded."""
    matrix = frame_to_grid(face.to_unit, delta.shape[0], left, top)
    levels = delta * np.float32(LEVELS)
    if float(np.hypot(matrix[0, 0], matrix[1, 0])) > _COARSE_CELLS:
        return _warped(levels, matrix, size)
    # Cells are so large that half of the pixels tell all, in a third of the time.
    half = np.column_stack([2 * matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ (0.5, 0.5)])
    rough = _warped(levels, half, ((size[0] + 1) // 2, (size[1] + 1) // 2))
    doubled = (2 * rough.shape[1], 2 * rough.shape[0])
    native = np.asarray(cv2.resize(rough, doubled, interpolation=cv2.INTER_LINEAR), np.float32)
    return native[: size[1], : size[0]]


def _warped(levels: Crop, matrix: Similarity, size: tuple[int, int]) -> Crop:
    return np.asarray(
        cv2.warpAffine(
            levels,
            matrix,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
        ),
        np.float32,
    )


def _limit(composed: Pixels, pixels: Pixels, budget_levels: int) -> None:
    """Bring a part where faces overlap back within the budget, in place."""
    low = cv2.subtract(pixels, np.full(pixels.shape, budget_levels, np.uint8))
    high = cv2.add(pixels, np.full(pixels.shape, budget_levels, np.uint8))
    np.clip(composed, low, high, out=composed)
