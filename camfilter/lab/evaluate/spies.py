"""Spies that fight back: trained further on filtered pictures, or hardened against changes.

An adaptive spy knows the filter and learns from filtered faces with their true labels: what it
still reads, the filter leaves at least. One that learns from more of them may read more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from camfilter.assembly import build_chain
from camfilter.atomic import AtomicFile
from camfilter.compose import compose
from camfilter.expressions import EXPRESSIONS
from camfilter.faces.base import Box, Face
from camfilter.faces.template import OVAL
from camfilter.lab.augment import Augment
from camfilter.lab.data import Faces
from camfilter.lab.evaluate.channels import CHANNELS, send
from camfilter.lab.evaluate.clips import make_clip
from camfilter.lab.evaluate.cropping import CropRule, SpyDetector, cut
from camfilter.lab.evaluate.filtering import filter_clip, filter_without
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.subjects import Subject
from camfilter.lab.recipe import AugmentRecipe
from camfilter.lab.step_graph import graph_bytes
from camfilter.settings import LEVELS, ChainSettings
from camfilter.surrogate.base import Surrogate
from camfilter.surrogate.manifest import GraphKind

__all__ = ["SpyTraining", "filtered_clips", "filtered_stills", "joined", "save_spy", "train_spy"]

_FRAMES: Final = (4, 14)
"""How long the filter has followed a still face when its picture is taken, least and greatest."""

_CROP_EVERY: Final = 6
_AUGMENT: Final = AugmentRecipe(
    rotate_deg=8, log_scale=0.08, shift=0.04, flip=0.5, log_contrast=0.15, brightness=0.05,
    erase=0, erase_min_px=1, erase_max_px=1,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SpyTraining:
    """How a spy is trained further.

    Attributes:
        epochs: passes over all pictures.
        batch: pictures in a step.
        lr: greatest learning rate.
        adversarial: share of each batch that is attacked on the fly, against the spy itself.
        epsilon: greatest change of that attack, in [0, 1].
        seed: of all chance.
    """

    epochs: int = 3
    batch: int = 64
    lr: float = 0.02
    adversarial: float = 0.0
    epsilon: float = 6 / LEVELS
    seed: int = 0


def filtered_stills(
    faces: Faces,
    surrogate: Surrogate,
    settings: ChainSettings,
    seed: int,
    on_face: Callable[[], None] = lambda: None,
) -> Faces:
    """Faces after the filter, at 8 bits: the chain as in a call, on a face that holds still.

    Args:
        faces: clean crops, aligned as a surrogate sees them.
        surrogate: what the filter attacks.
        settings: of the chain.
        seed: of the chain and of the frame whose picture is taken.
        on_face: called after each.
    """
    random = np.random.default_rng([seed, 4])
    size_px = faces.pictures.shape[1]
    outline = np.array(OVAL, np.float32) * size_px
    to_unit = np.array([[1 / size_px, 0, 0], [0, 1 / size_px, 0]])
    face = Face(outline, to_unit, Box.around(outline), track=0)
    pictures = np.empty_like(faces.pictures)
    for index, luma in enumerate(faces.pictures):
        pixels = cv2.cvtColor(luma, cv2.COLOR_GRAY2BGR).view(np.uint8)
        chain = build_chain(settings, surrogate, stills=False, seed=seed + index)
        for _ in range(int(random.integers(_FRAMES[0], _FRAMES[1] + 1))):
            perturbation = chain.perturb_faces(pixels, [face])
        after = compose(pixels, [face], perturbation, settings.budget_levels)
        pictures[index] = after[:, :, 0]
        on_face()
    return Faces(pictures, faces.labels)


def filtered_clips(
    subjects: list[Subject],
    options: EvaluateOptions,
    size_px: int,
    channel: str,
    on_clip: Callable[[], None] = lambda: None,
) -> Faces:
    """Crops of labelled subjects that were filtered, moved, sent and found as in an evaluation."""
    detector = SpyDetector()
    pictures: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for subject in subjects:
        on_clip()
        clip = make_clip(subject, options)
        if not clip.frames or subject.label is None:
            continue
        made = filter_without(options.settings, None, options.seed)
        after = filter_clip(clip.frames, clip.rate_hz, made).frames
        received = send(after, CHANNELS[channel], clip.rate_hz).frames[::_CROP_EVERY]
        for frame, seen in zip(received, detector.follow(received, 1), strict=True):
            crop = None if seen is None else cut(frame, seen, CropRule(size_px))
            if crop is not None:
                pictures.append(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).view(np.uint8))
                labels.append(EXPRESSIONS.index(subject.label))
    detector.close()
    one_hot = np.eye(len(EXPRESSIONS), dtype=np.float32)
    empty = np.empty((0, size_px, size_px), np.uint8)
    return Faces(np.stack(pictures) if pictures else empty, one_hot[labels])


def joined(*parts: Faces) -> Faces:
    """Several sets of faces as one."""
    return Faces(
        np.concatenate([part.pictures for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def train_spy(
    network: nn.Module,
    faces: Faces,
    training: SpyTraining,
    on_batch: Callable[[float], None] = lambda _loss: None,
) -> nn.Module:
    """Train a network further.

    Args:
        network: is changed; maps (B, 1, S, S) to (B, 8).
        faces: what it learns from, labels as distributions.
        training: how.
        on_batch: is told the loss of each batch.

    Returns:
        The network, in evaluation mode.
    """
    torch.manual_seed(training.seed)
    augment = Augment(_AUGMENT)
    network.train().requires_grad_(True)
    optimiser = torch.optim.SGD(
        network.parameters(), training.lr, momentum=0.9, weight_decay=1e-4, nesterov=True
    )
    steps = training.epochs * (len(faces) // training.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, training.lr, max(2, steps))
    for picture, label in _batches(faces, training):
        seen = augment(picture)
        attacked = int(training.adversarial * len(seen))
        if attacked:
            seen[:attacked] = _attacked(network, seen[:attacked], label[:attacked], training)
        loss = F.cross_entropy(network(seen), label)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        on_batch(loss.item())
    return network.eval()


def save_spy(network: nn.Module, name: str, kind: str, size_px: int, folder: Path) -> Path:
    """Write a spy and its description, to be named with `--recogniser`.

    Raises:
        SinkError: the folder cannot be written.
    """
    classes = ", ".join(f'"{label}"' for label in EXPRESSIONS)
    description = (
        f'name = "{name}"\nfamily = "{name}"\nkind = "{kind}"\nsize_px = {size_px}\n'
        f'colour = "gray"\nlayout = "nchw"\nscale = {1 / LEVELS!r}\noffset = 0.0\n'
        f'margin = "template"\noutput = "logits"\nclasses = [{classes}]\n'
    )
    path = folder / f"{name}.onnx"
    AtomicFile(path.with_suffix(".toml")).write(description.encode())
    AtomicFile(path).write(graph_bytes(network, GraphKind.READ, 1))
    return path


def _batches(faces: Faces, training: SpyTraining) -> Iterator[tuple[Tensor, Tensor]]:
    """All epochs; a short last batch is left out."""
    for _ in range(training.epochs):
        order = torch.randperm(len(faces)).numpy()
        for start in range(0, len(order) - training.batch + 1, training.batch):
            chosen = order[start : start + training.batch]
            picture = torch.from_numpy(faces.pictures[chosen])[:, None].float() / LEVELS
            yield picture, torch.from_numpy(faces.labels[chosen])


def _attacked(network: nn.Module, picture: Tensor, label: Tensor, training: SpyTraining) -> Tensor:
    """One FGSM step from a random start against the spy itself, at most epsilon (Wong 2020)."""
    epsilon = training.epsilon
    start = torch.empty_like(picture).uniform_(-epsilon, epsilon).requires_grad_(True)
    loss = F.cross_entropy(network(picture + start), label)
    (gradient,) = torch.autograd.grad(loss, start)
    change = (start.detach() + 1.25 * epsilon * gradient.sign()).clamp(-epsilon, epsilon)
    return (picture + change).clamp(0, 1)
