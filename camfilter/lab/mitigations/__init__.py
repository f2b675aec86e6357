"""Mitigations of attacks, one file each; `MITIGATIONS` finds them by name."""

from typing import Final

from camfilter.lab.mitigations.base import Lesson, Mitigation, Weights
from camfilter.lab.registry import Registry

__all__ = ["MITIGATIONS", "Lesson", "Mitigation", "Weights"]

MITIGATIONS: Final[Registry[Mitigation]] = Registry(
    "camfilter.lab.mitigations", "camfilter.mitigations", "mitigation"
)
