"""Views of a face: the small changes of pose and light under which a stage sees it.

A perturbation that holds under many views holds for recognisers that crop, turn and
light the face in their own way (input diversity, DI-FGSM).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.geometry import BILINEAR_SHRINK, Crop, Similarity

__all__ = ["MOST_DEVIATIONS", "View", "ViewRange", "draw_view"]

_ENLARGED: Final = 2
"""A face of 100 px or more in the frame flattens its change as much as this does."""
MOST_DEVIATIONS: Final = 2.5


@dataclass(frozen=True, slots=True)
class ViewRange:
    """How far views stray from the crop: standard deviations.

    The default is about how far the crops of two finders stray from each other: a recogniser cuts
    the face in its own way.

    Attributes:
        rotate_deg: rotation in degrees.
        log_scale: natural logarithm of the zoom.
        shift: of the crop's width.
        log_gain: natural logarithm of the contrast.
    """

    rotate_deg: float = 7.0
    log_scale: float = 0.1
    shift: float = 0.04
    log_gain: float = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One way to look at a face.

    Attributes:
        unit_to_view: (2, 3) similarity transform from the unit square of the face to that of
            the view.
        gain: contrast around the middle grey.
    """

    unit_to_view: Similarity
    gain: float

    def see(self, picture: Crop, size_px: int) -> Crop:
        """A picture of the face, as the view shows it.

        Args:
            picture: (s, s) float32 on the unit square of the face.
            size_px: width and height of the result; parts outside repeat the edge.
        """
        return _warp(picture, self.unit_to_view, size_px, cv2.BORDER_REPLICATE)

    def see_change(self, change: Crop, size_px: int, most: float) -> Crop:
        """A change of the face, as the view shows it once a frame has carried it; 0 outside.

        A frame has more pixels than the change has cells, and a crop fewer: enlarging, limiting
        and shrinking flatten it, and so it is done here, too.

        Args:
            change: (s, s) float32 on the unit square of the face.
            size_px: width and height of the result.
            most: greatest change of a pixel in the frame.
        """
        enlarged_px, shrunk_px = _ENLARGED * change.shape[0], round(BILINEAR_SHRINK * size_px)
        carried = cv2.resize(change, (enlarged_px, enlarged_px), interpolation=cv2.INTER_LINEAR)
        limited: Crop = np.asarray(np.clip(carried, -most, most), np.float32)
        if shrunk_px < enlarged_px:
            size = (shrunk_px, shrunk_px)
            limited = np.asarray(
                cv2.resize(limited, size, interpolation=cv2.INTER_AREA), np.float32
            )
        return _warp(limited, self.unit_to_view, size_px, cv2.BORDER_CONSTANT)

    def light(self, picture: Crop) -> Crop:
        """A picture with the view's contrast, in [0, 1]."""
        return np.clip((picture - np.float32(0.5)) * np.float32(self.gain) + np.float32(0.5), 0, 1)

    def carry_back(self, gradient: Crop, size_px: int) -> Crop:
        """A gradient of the view on the face's own grid; 0 where the view does not reach.

        Args:
            gradient: (s, s) float32 on the unit square of the view.
            size_px: width and height of the face's grid.
        """
        inverse = np.asarray(cv2.invertAffineTransform(self.unit_to_view), np.float64)
        return _warp(gradient, inverse, size_px, cv2.BORDER_CONSTANT)


def draw_view(random: np.random.Generator, reach: ViewRange) -> View:
    """A random view, normally distributed, and nowhere beyond 2.5 standard deviations."""
    draw = np.clip(random.normal(size=5), -MOST_DEVIATIONS, MOST_DEVIATIONS)
    angle, scale, right, down, gain = draw
    angle = np.radians(reach.rotate_deg) * angle
    scale = np.exp(reach.log_scale * scale)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    centre = np.array([0.5, 0.5])
    shift = centre - linear @ centre + reach.shift * np.array([right, down])
    return View(np.column_stack([linear, shift]), float(np.exp(reach.log_gain * gain)))


def _warp(picture: Crop, unit_map: NDArray[np.float64], size_px: int, border: int) -> Crop:
    """Resample from the grid of one unit square to the grid of another."""
    size_from = picture.shape[0]
    linear = unit_map[:, :2] * (size_px / size_from)
    half = np.array([0.5, 0.5])
    shift = linear @ half + unit_map[:, 2] * size_px - half
    matrix = np.column_stack([linear, shift])
    return np.asarray(
        cv2.warpAffine(
            picture, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=border
        ),
        np.float32,
    )
