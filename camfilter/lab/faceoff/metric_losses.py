"""What embedding networks are trained with: triplet, centre and margin loss.

All three see embeddings of length 1. The centre and the margin loss hold a vector for each
person; it is learnt with the network and thrown away afterwards.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

__all__ = ["CentreLoss", "MarginLoss", "TripletLoss"]


class TripletLoss(nn.Module):
    """[d2(x, x1) - d2(x, x2) + margin]+ over all triplets of a batch that it is not 0 for.

    Face-Off, section II-A; Schroff et al. 2015.

    Args:
        margin: gamma of the paper; of squared distances, so at most 4.
    """

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, people: Tensor) -> Tensor:
        """Mean over the triplets that are still wrong.

        Args:
            embeddings: (B, D) of length 1.
            people: (B,) int64.
        """
        squared = (2 - 2 * embeddings @ embeddings.T).clamp_min(0)
        same = people[:, None] == people[None, :]
        itself = torch.eye(len(people), dtype=torch.bool)
        valid = (same & ~itself)[:, :, None] & ~same[:, None, :]
        losses = (squared[:, :, None] - squared[:, None, :] + self.margin).clamp_min(0) * valid
        return losses.sum() / (losses > 0).sum().clamp_min(1)


class CentreLoss(nn.Module):
    """Cross-entropy over people, plus weight / 2 * ||x - centre of the person||^2.

    Wen et al. 2016, equation 5; here on embeddings of length 1, scaled before the softmax.

    Args:
        people: number of them.
        dimensions: of the embeddings.
        weight: lambda of the paper.
        scale: of the embeddings before the softmax.
    """

    def __init__(self, people: int, dimensions: int, weight: float, scale: float) -> None:
        super().__init__()
        self.classes = nn.Linear(dimensions, people)
        self.centres = nn.Parameter(F.normalize(torch.randn(people, dimensions), dim=1))
        self.weight, self.scale = weight, scale

    def forward(self, embeddings: Tensor, people: Tensor) -> Tensor:
        """Mean over the batch; see `TripletLoss.forward`."""
        softmax = F.cross_entropy(self.classes(self.scale * embeddings), people)
        away = (embeddings - self.centres[people]).square().sum(dim=1)
        return softmax + self.weight / 2 * away.mean()


class MarginLoss(nn.Module):
    """Cross-entropy of scaled cosines, that of the right person less a margin.

    CosFace, Wang et al. 2018, equation 4.

    Args:
        people: number of them.
        dimensions: of the embeddings.
        margin: m of the paper.
        scale: s of the paper.
    """

    def __init__(self, people: int, dimensions: int, margin: float, scale: float) -> None:
        super().__init__()
        self.classes = nn.Parameter(torch.randn(people, dimensions) * 0.1)
        self.margin, self.scale = margin, scale

    def forward(self, embeddings: Tensor, people: Tensor) -> Tensor:
        """Mean over the batch; see `TripletLoss.forward`."""
        cosines = embeddings @ F.normalize(self.classes, dim=1).T
        less = F.one_hot(people, len(self.classes)) * self.margin
        return F.cross_entropy(self.scale * (cosines - less), people)
