"""The losses that arms fine-tune with.

Each takes the network, its batch of pictures (B, 1, S, S) in [0, 1], their labels (B, 8), each a
distribution, and a strength whose meaning is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from camfilter.lab.transfer.arms import Learning

__all__ = ["LOSSES", "NOISE_LEVELS", "Loss", "alignment"]

Loss = Callable[[nn.Module, Tensor, Tensor, float], Tensor]

NOISE_LEVELS: Final = 8.0
"""Standard deviation of the noise for gradient alignment, in grey levels."""

_NOISE_OF_VIEW_LEVELS: Final = 6.0


def votes(network: nn.Module, pictures: Tensor, labels: Tensor, _strength: float) -> Tensor:
    """Cross-entropy with the distribution of the votes, as the surrogates were trained."""
    return F.cross_entropy(network(pictures), labels)


def margin(network: nn.Module, pictures: Tensor, labels: Tensor, strength: float) -> Tensor:
    """Hinge: the majority's logit shall stand `strength` above every other (Crammer, Singer)."""
    logits, own = network(pictures), labels.argmax(1, keepdim=True)
    best_other = logits.scatter(1, own, -torch.inf).amax(1)
    return F.relu(strength - logits.gather(1, own)[:, 0] + best_other).mean()


def distilled(network: nn.Module, pictures: Tensor, labels: Tensor, strength: float) -> Tensor:
    """Cross-entropy with a teacher's softened answer (Hinton et al. 2015).

    Args:
        network: that learns.
        pictures: of the batch.
        labels: softened answers of the teachers.
        strength: the temperature at which they were softened.
    """
    return strength**2 * F.cross_entropy(network(pictures) / strength, labels)


def features(network: nn.Module, pictures: Tensor, labels: Tensor, strength: float) -> Tensor:
    """Cross-entropy, and features of a picture and of a noisy copy shall point the same way."""
    noise = _NOISE_OF_VIEW_LEVELS / 255 * torch.randn_like(pictures)
    kept: list[Tensor] = []
    module = network.get_submodule("features")
    hook = module.register_forward_hook(lambda _m, _i, out: kept.append(out.flatten(1)))
    try:
        logits = network(torch.cat([pictures, (pictures + noise).clamp(0, 1)]))
    finally:
        hook.remove()
    first, second = kept[0].chunk(2)
    apart = 1 - F.cosine_similarity(first, second).mean()
    return F.cross_entropy(logits, labels.repeat(2, 1)) + strength * apart


def alignment(network: nn.Module, pictures: Tensor, labels: Tensor, strength: float) -> Tensor:
    """Cross-entropy, and the gradient of the log-probability follows the density of the data.

    Denoising score matching (Vincent 2011): the gradient at a noisy face shall point back to the
    face, as the gradient of the density does. DRA (Zhu et al. 2022) fine-tunes surrogates so, with
    sliced score matching; here the length of the gradient is free, and only its direction counts.
    """
    noise = torch.randn_like(pictures)
    noisy = (pictures + NOISE_LEVELS / 255 * noise).requires_grad_()
    logits = network(noisy)
    loss = F.cross_entropy(logits, labels)
    likely = (F.log_softmax(logits, 1) * labels).sum()
    (gradient,) = torch.autograd.grad(likely, noisy, create_graph=True)
    along = F.cosine_similarity(gradient.flatten(1), -noise.flatten(1)).mean()
    return loss + strength * (1 - along)


def adversarial(network: nn.Module, pictures: Tensor, labels: Tensor, strength: float) -> Tensor:
    """Cross-entropy of pictures after FGSM of `strength` levels (Goodfellow et al. 2015)."""
    network.eval()
    tried = pictures.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(network(tried), labels), tried)
    network.train()
    stepped = (pictures + strength / 255 * gradient.sign()).clamp(0, 1)
    return F.cross_entropy(network(stepped), labels)


LOSSES: Final[Mapping[Learning, Loss]] = {
    "votes": votes,
    "margin": margin,
    "distilled": distilled,
    "features": features,
    "alignment": alignment,
    "adversarial": adversarial,
}
"""By name."""
