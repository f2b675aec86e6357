"""Random changes to a batch of training pictures, drawn from torch's own generator."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from camfilter.lab.recipe import AugmentRecipe

__all__ = ["Augment", "mixed"]


class Augment:
    """Rotation, zoom, shift, mirroring, light and erased rectangles.

    Args:
        recipe: ranges of all of them.
    """

    def __init__(self, recipe: AugmentRecipe) -> None:
        self._recipe = recipe

    def __call__(self, picture: Tensor) -> Tensor:
        """Change a batch.

        Args:
            picture: (B, 1, S, S) in [0, 1].

        Returns:
            (B, 1, S, S) in [0, 1].
        """
        return self._erased(self._lit(self._moved(picture)))

    def _moved(self, picture: Tensor) -> Tensor:
        recipe, count = self._recipe, len(picture)
        angle = spread(count, math.radians(recipe.rotate_deg))
        zoom = torch.exp(spread(count, recipe.log_scale))
        mirror = torch.where(torch.rand(count) < recipe.flip, -1.0, 1.0)
        # A grid spans 2 units, so a shift of the width is twice as many of them.
        right, down = spread(count, 2 * recipe.shift), spread(count, 2 * recipe.shift)
        cosine, sine = zoom * angle.cos(), zoom * angle.sin()
        rows = (
            torch.stack([mirror * cosine, -sine, right], dim=1),
            torch.stack([mirror * sine, cosine, down], dim=1),
        )
        grid = F.affine_grid(torch.stack(rows, dim=1), list(picture.shape), align_corners=False)
        return F.grid_sample(picture, grid, padding_mode="reflection", align_corners=False)

    def _lit(self, picture: Tensor) -> Tensor:
        recipe, shape = self._recipe, (len(picture), 1, 1, 1)
        mean = picture.mean(dim=(1, 2, 3), keepdim=True)
        contrast = torch.exp(spread(len(picture), recipe.log_contrast)).view(shape)
        offset = spread(len(picture), recipe.brightness).view(shape)
        return ((picture - mean) * contrast + mean + offset).clamp(0, 1)

    def _erased(self, picture: Tensor) -> Tensor:
        recipe, count, size = self._recipe, len(picture), picture.shape[-1]
        erased = torch.rand(count) < recipe.erase
        rows, columns = (
            stripe(count, size, recipe.erase_min_px, recipe.erase_max_px) for _ in range(2)
        )
        area = rows[:, :, None] & columns[:, None, :] & erased[:, None, None]
        return torch.where(area[:, None], torch.rand(count, 1, 1, 1), picture)


def spread(count: int, reach: float) -> Tensor:
    """(count,) uniform between -reach and reach."""
    return (torch.rand(count) * 2 - 1) * reach


def stripe(count: int, size: int, shortest: int, longest: int) -> Tensor:
    """(count, size) bool, true along one random run in each row."""
    length = torch.randint(shortest, longest + 1, (count, 1))
    start = torch.randint(0, max(1, size - shortest + 1), (count, 1))
    position = torch.arange(size)
    return (position >= start) & (position < start + length)


def mixed(picture: Tensor, label: Tensor, concentration: float) -> tuple[Tensor, Tensor]:
    """Mixup: each picture and label blended with another of the batch.

    Args:
        picture: (B, 1, S, S).
        label: (B, 8).
        concentration: a of Beta(a, a); 0 changes nothing.

    Returns:
        Both, blended with the same weight for the whole batch.
    """
    if concentration == 0:
        return picture, label
    weight = torch.distributions.Beta(concentration, concentration).sample()
    other = torch.randperm(len(picture))
    return torch.lerp(picture[other], picture, weight), torch.lerp(label[other], label, weight)
