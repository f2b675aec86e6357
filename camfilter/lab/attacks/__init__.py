"""Attacks on classifiers in torch, one file each; `ATTACKS` finds them by name."""

from typing import Final

from camfilter.lab.attacks.base import Attack, Classifier, Goal, clipped, labels_of
from camfilter.lab.registry import Registry

__all__ = ["ATTACKS", "Attack", "Classifier", "Goal", "clipped", "labels_of"]

ATTACKS: Final[Registry[Attack]] = Registry("camfilter.lab.attacks", "camfilter.attacks", "attack")
