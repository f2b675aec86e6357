"""The chain over any attack: each stage starts where the stage before it ended.

CUA: x_i = A(x_{i-1}) that leaves y_0; CTA: x_i = A(x_{i-1}) that approaches t_i. One stage is the
plain attack (PUA, PTA). With FGSM as A and no projection this is the paper's algorithm 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from camfilter.chain import scheduled_target
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.attacks import Attack, Classifier, Goal, clipped
from camfilter.settings import LEAST_LIKELY

__all__ = ["Chain", "Link", "has_epsilon", "with_epsilon"]


@dataclass(frozen=True)
class Link:
    """The pictures after a chain of some length.

    Attributes:
        length: of the chain, 1 or more.
        pictures: (B, C, S, S) float32 in [0, 1].
        goal: what its last stage wanted; untargeted, always to leave the clean picture's label.
    """

    length: int
    pictures: Tensor
    goal: Goal


@dataclass(frozen=True)
class Chain:
    """A chain of one attack.

    Attributes:
        attack: of each stage.
        targets: schedule of a targeted chain, "least-likely" or names of expressions; empty for
            an untargeted one.
        radius: of the ball around the clean picture, pixels in [0, 1]; None for no projection.
        relabel: whether each stage takes the label, or the least likely one, from its own input
            and not from the clean picture.
        seed: of the attack's chance.
    """

    attack: Attack
    targets: tuple[str, ...] = ()
    radius: float | None = None
    relabel: bool = False
    seed: int = 0

    def links(
        self, classifier: Classifier, pictures: Tensor, lengths: tuple[int, ...]
    ) -> Iterator[Link]:
        """The pictures after chains of some lengths.

        A chain with one target is the beginning of every longer one. With a schedule of several
        targets each length is a chain of its own, as each ends with the last target.

        Args:
            classifier: attacked.
            pictures: (B, C, S, S) float32 in [0, 1], clean.
            lengths: rising.

        Raises:
            SettingError: a target is given, and the attack cannot aim.
        """
        if len(self.targets) > 1:
            for length in lengths:
                *_, last = self._stages(classifier, pictures, length)
                yield last
            return
        for link in self._stages(classifier, pictures, max(lengths)):
            if link.length in lengths:
                yield link

    def _stages(self, classifier: Classifier, clean: Tensor, length: int) -> Iterator[Link]:
        logits = classifier.read(clean)
        left = Goal(logits.argmax(dim=1))
        pictures = clean
        for stage in range(length):
            if self.relabel and stage:
                logits = classifier.read(pictures)
            goal = Goal(self._labels(logits, stage, length), bool(self.targets), self.seed + stage)
            pictures = self.attack.perturb(classifier, pictures, goal)
            if self.radius is not None:
                near = (pictures - clean).clamp(-self.radius, self.radius)
                pictures = clipped(clean + near)
            yield Link(stage + 1, pictures, goal if self.targets else left)

    def _labels(self, logits: Tensor, stage: int, length: int) -> Tensor:
        if not self.targets:
            return logits.argmax(dim=1)
        target = scheduled_target(self.targets, stage, length)
        least = logits.argmin(dim=1)
        if target == LEAST_LIKELY:
            return least
        return least.new_full(least.shape, EXPRESSIONS.index(target))


def with_epsilon(attack: Attack, epsilon: float | None) -> Attack:
    """An attack with another epsilon; the attack itself where it has none."""
    if epsilon is None or not has_epsilon(attack):
        return attack
    return cast(Attack, dataclasses.replace(cast(Any, attack), epsilon=epsilon))


def has_epsilon(attack: Attack) -> bool:
    """Whether an attack has a field `epsilon`, the greatest change of a pixel."""
    return dataclasses.is_dataclass(attack) and any(
        field.name == "epsilon" for field in dataclasses.fields(attack)
    )
