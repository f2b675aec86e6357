"""The fixed white-box chain that all arms are measured with, and its random control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from camfilter.lab.networks import size_of
from camfilter.lab.one_pass import seen
from camfilter.lab.transfer.arms import Trick
from camfilter.views import ViewRange

__all__ = ["STEP_LEVELS", "chained", "control", "rounded"]

STEP_LEVELS: Final = 1.0
_BATCH: Final = 64
_MASKS: Final = 6
_DROPPED: Final = 0.1
_ROUNDS: Final = 6

Press = Callable[[Tensor], Tensor]
"""Seen pictures to one number for each face, which stages make greater."""


def chained(
    network: nn.Module,
    pictures: NDArray[np.uint8],
    *,
    stages: Sequence[int],
    epsilon_levels: float,
    trick: Trick,
    seed: int,
) -> list[NDArray[np.uint8]]:
    """Faces after chains of some lengths: momentum, one random view a stage, steps of one level.

    MI-FGSM (Dong et al. 2018, decay 1) with views for input diversity (Xie et al. 2019), away from
    what the network itself reads.

    Args:
        network: in evaluation mode, perhaps with a trick's gradient.
        pictures: (N, 48, 48) luma.
        stages: lengths; the longest is run once, and the others are its beginnings.
        epsilon_levels: greatest change of a pixel.
        trick: decides what stages press.
        seed: of the views.

    Returns:
        (N, 48, 48) after each of those lengths, in whole levels.
    """
    network.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ends: list[list[NDArray[np.uint8]]] = [[] for _ in stages]
    for start in range(0, len(pictures), _BATCH):
        clean = torch.from_numpy(pictures[start : start + _BATCH])[:, None].float() / 255
        chance = torch.Generator().manual_seed(seed + start)
        press = _press(network, clean, trick, chance)
        change, momentum = torch.zeros_like(clean), torch.zeros_like(clean)
        for stage in range(1, max(stages) + 1):
            tried = change.clone().requires_grad_()
            view = seen((clean + tried).clamp(0, 1), chance, size_of(network), ViewRange())
            view = view.contiguous(memory_format=torch.channels_last)
            (gradient,) = torch.autograd.grad(press(view).sum(), tried)
            size = gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)
            momentum = momentum + gradient / size
            reach = epsilon_levels / 255
            change = (change + STEP_LEVELS / 255 * momentum.sign()).clamp(-reach, reach)
            change = (clean + change).clamp(0, 1) - clean
            for end, length in zip(ends, stages, strict=True):
                if length == stage:
                    end.append(rounded(clean + change))
    return [np.concatenate(end) for end in ends]


def rounded(pictures: Tensor) -> NDArray[np.uint8]:
    """(N, 1, S, S) in [0, 1] to (N, S, S) in whole levels."""
    return np.asarray((pictures[:, 0] * 255).round().clamp(0, 255).byte().numpy())


def control(
    clean: NDArray[np.uint8], after: NDArray[np.uint8], seed: int
) -> NDArray[np.uint8]:  # fmt: skip
    """Faces with a random change of equal energy, spectrum and greatest value.

    All phases of each change are shifted by random angles; what then goes beyond the change's own
    greatest value is cut, and the energy made equal again.
    """
    change = after.astype(np.float64) - clean
    noise = np.fft.rfft2(np.random.default_rng([seed, 4]).normal(size=change.shape))
    drawn = np.fft.irfft2(np.fft.rfft2(change) * noise / np.abs(noise), s=change.shape[1:])
    most = np.abs(change).max((1, 2), keepdims=True)
    energy = np.square(change).sum((1, 2), keepdims=True)
    for _ in range(_ROUNDS):
        now = np.square(drawn).sum((1, 2), keepdims=True)
        drawn = np.clip(drawn * np.sqrt(energy / np.maximum(now, 1e-9)), -most, most)
    return np.asarray(np.clip(np.rint(clean + drawn), 0, 255), np.uint8)


def _press(network: nn.Module, clean: Tensor, trick: Trick, chance: torch.Generator) -> Press:
    """What stages make greater: by default the cross-entropy with what is read in clean faces."""
    flat = seen(clean, chance, size_of(network), ViewRange(0, 0, 0, 0))
    with torch.no_grad():
        truths = network(flat).argmax(1)
    if trick == "margin in the stages":
        return lambda view: _margin(network(view), truths)
    if trick == "features in the stages":
        return _by_features(network, flat, truths, chance)
    return lambda view: F.cross_entropy(network(view), truths, reduction="none")


def _margin(logits: Tensor, truths: Tensor) -> Tensor:
    own = truths[:, None]
    return logits.scatter(1, own, -torch.inf).amax(1) - logits.gather(1, own)[:, 0]


def _by_features(
    network: nn.Module, flat: Tensor, truths: Tensor, chance: torch.Generator
) -> Press:
    """FIA (Wang et al. 2021): lower the middle features that speak for the label.

    Their weights are the mean gradient of the label's logit over pictures with dropped pixels.
    """
    layers: nn.Sequential = network.features  # type: ignore[assignment]
    middle = layers[len(layers) // 2]
    kept: list[Tensor] = []

    def of(pictures: Tensor) -> tuple[Tensor, Tensor]:
        hook = middle.register_forward_hook(lambda _m, _i, out: kept.append(out))
        logits = network(pictures)
        hook.remove()
        return kept.pop(), logits

    weights = torch.zeros(())
    for _ in range(_MASKS):
        mask = torch.rand(flat.shape, generator=chance) >= _DROPPED
        values, logits = of((flat * mask).requires_grad_())
        (gradient,) = torch.autograd.grad(logits.gather(1, truths[:, None]).sum(), values)
        weights = weights + gradient
    weights = weights / weights.square().sum((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
    return lambda view: -(weights * of(view)[0]).sum((1, 2, 3))
