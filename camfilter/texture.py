"""How a step moves the texture of a face, and how large a texture may be.

What SSIM and the eye notice is the energy of a change where little hides it, so a texture is held
in a ball of that energy, not cell by cell. Cells whose gradient is large take what others do not
need; and what earlier stages put where nobody looks any more shrinks away.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from camfilter.geometry import Crop

__all__ = ["RADIUS", "stepped"]

RADIUS: Final = 1.6
"""Root mean square of a texture, in budgets."""

_PEAK: Final = 4.0
"""Greatest size of a cell, in budgets; smooth skin takes a quarter of it."""
_MOST_STEPS: Final = 2.5
_COARSE_SHARE: Final = 0.5
_COARSE_CELLS: Final = 1.5


def stepped(
    texture: Crop,
    momentum: Crop,
    share: Crop,
    *,
    step: float,
    epsilon: float,
    radius: float = RADIUS,
    full_steps: bool = False,
) -> Crop:
    """The texture after a step along the momentum, brought back into its ball.

    A step follows the gradient's size, up to 2.5 times its root mean square, and half of the
    gradient is added once more without its finest detail: of two changes of the same energy, SSIM,
    which compares windows of a few pixels, sees the coarser one less. Then the texture shrinks
    into the ball, as in PGD with the L2 norm.

    Args:
        texture: (s, s) float32, before the share is taken.
        momentum: (s, s) float32, the direction that is good for the goal.
        share: (s, s) float32 share of the budget for each cell, 0 outside of the face.
        step: root mean square of the step, in units of [0, 1].
        epsilon: the budget, in units of [0, 1].
        radius: root mean square of the texture in budgets, cells weighed by their share.
        full_steps: every cell moves by the same step, as in FGSM.

    Returns:
        (s, s) float32; the same where the momentum vanishes.
    """
    face = share > 0
    moved = momentum * face
    moved = (
        moved + np.float32(_COARSE_SHARE) * cv2.GaussianBlur(moved, (0, 0), _COARSE_CELLS) * face
    )
    size = float(np.sqrt(np.square(moved).sum() / max(1, int(face.sum()))))
    if size == 0:
        return texture
    direction = np.clip(moved / np.float32(size), -_MOST_STEPS, _MOST_STEPS)
    if full_steps:
        direction = np.sign(moved)
    most = np.float32(_PEAK * epsilon)
    grown = np.clip(texture + np.float32(step) * direction, -most, most)
    energy = float((share * np.square(grown)).sum() / share.sum())
    shrink = min(1.0, radius * epsilon / max(1e-9, np.sqrt(energy)))
    return np.asarray(np.float32(shrink) * grown, np.float32)
