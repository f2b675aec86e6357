"""Changes to training pictures that `camfilter.lab.augment` has not: resizing, JPEG, side light."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

__all__ = ["changed", "lit_from_a_side", "resized", "through_jpeg"]

_ENLARGED = 2
"""A face in a call is larger than 48 px, so blocks of 8 pixels cover less of it."""


def changed(pictures: Tensor, arm: dict[str, Any]) -> Tensor:
    """Pictures (B, 1, S, S) in [0, 1] with what an arm asks for; see `Arm`."""
    if arm["side_light"]:
        pictures = lit_from_a_side(pictures, arm["side_light"])
    if arm["shrink_px"]:
        pictures = _half(pictures, resized(pictures, arm["shrink_px"]))
    if arm["jpeg"]:
        pictures = _half(pictures, through_jpeg(pictures, *arm["jpeg"]))
    return pictures


def resized(pictures: Tensor, least_px: int) -> Tensor:
    """The batch shrunk to one random side from `least_px` on, and enlarged again."""
    size_px = pictures.shape[-1]
    side_px = int(torch.randint(least_px, size_px, ()))
    small = F.interpolate(pictures, (side_px, side_px), mode="area")
    return F.interpolate(small, (size_px, size_px), mode="bilinear", align_corners=False)


def through_jpeg(pictures: Tensor, worst: int, best: int) -> Tensor:
    """Each picture after JPEG of a random quality, at twice its size."""
    size_px = pictures.shape[-1]
    levels = (pictures[:, 0] * 255).round().byte().numpy()
    out = np.empty_like(levels)
    qualities = torch.randint(worst, best + 1, (len(levels),)).tolist()
    for index, (picture, quality) in enumerate(zip(levels, qualities, strict=True)):
        large = cv2.resize(picture, None, fx=_ENLARGED, fy=_ENLARGED)
        coded = cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        decoded = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
        out[index] = cv2.resize(decoded, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(out)[:, None].float() / 255


def lit_from_a_side(pictures: Tensor, reach: float) -> Tensor:
    """Each picture with a ramp of light from a random side, up to half of `reach` either way."""
    count, size_px = len(pictures), pictures.shape[-1]
    angle, strength = 2 * math.pi * torch.rand(count), reach * torch.rand(count)
    place = torch.linspace(-0.5, 0.5, size_px)
    right, down = (strength * angle.cos(), strength * angle.sin())
    ramp = right[:, None, None] * place[None, None, :] + down[:, None, None] * place[None, :, None]
    return (pictures + ramp[:, None]).clamp(0, 1)


def _half(pictures: Tensor, others: Tensor) -> Tensor:
    chosen = torch.rand(len(pictures), 1, 1, 1) < 0.5
    return torch.where(chosen, others, pictures)
