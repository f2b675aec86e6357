"""Detectors of attacked pictures, one file each; `DETECTORS` finds them by name."""

from typing import Final

from camfilter.lab.detectors.base import Detector, Evidence, Judge
from camfilter.lab.registry import Registry

__all__ = ["DETECTORS", "Detector", "Evidence", "Judge"]

DETECTORS: Final[Registry[Detector]] = Registry(
    "camfilter.lab.detectors", "camfilter.detectors", "detector"
)
