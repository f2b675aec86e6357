"""Adversarial training: each batch is learnt clean and attacked (Goodfellow et al. 2015)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from camfilter.lab.defences.network import SmallNet

__all__ = ["OnAttacked"]


@dataclass(frozen=True)
class OnAttacked:
    """Mean of the cross-entropy of clean pictures and of attacked ones.

    The attack is FGSM from a random start in the cube (Wong et al. 2020): without the start, a
    network learns to fool FGSM alone.

    Attributes:
        epsilon: greatest change of a pixel, in [0, 1].
    """

    epsilon: float

    def __call__(self, network: SmallNet, pictures: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of a batch; see `Loss`."""
        start = torch.empty_like(pictures).uniform_(-self.epsilon, self.epsilon)
        leaf = (pictures + start).clamp(0, 1).requires_grad_(True)
        (gradient,) = torch.autograd.grad(functional.cross_entropy(network(leaf), labels), leaf)
        moved = start + 1.25 * self.epsilon * gradient.sign()
        attacked = (pictures + moved.clamp(-self.epsilon, self.epsilon)).clamp(0, 1).detach()
        both = network(torch.cat([pictures, attacked]))
        return functional.cross_entropy(both, torch.cat([labels, labels]))
