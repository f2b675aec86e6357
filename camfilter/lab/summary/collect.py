"""What was measured, by network and by attack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from camfilter.lab.defences.filters import FILTERS
from camfilter.lab.experiment.made import Made
from camfilter.lab.summary.options import SummaryOptions
from camfilter.lab.summary.subjects import UNDEFENDED

__all__ = ["CONTROL", "TOLERANCE", "WAYS", "Gain", "Least", "Measured"]

CONTROL: Final = "control"
TOLERANCE: Final = 0.05
"""By which the greatest probability after k-A3 may be over 1/k."""

WAYS: Final = ("naive", "transfer", "knowing")
_DRAWS: Final = 1000


@dataclass(frozen=True)
class Least:
    """Least changes of the faces that a network reads right.

    Attributes:
        norms: (faces,) of all faces; infinite where none was found.
        right: (faces,) bool, which of them are read right.
        greatest: norm that was tried at most.
    """

    norms: NDArray[np.float32]
    right: NDArray[np.bool_]
    greatest: float

    @property
    def capped(self) -> NDArray[np.float32]:
        """(faces,) with what was never found as just the greatest that was tried."""
        return np.minimum(self.norms, np.float32(self.greatest))

    @property
    def median(self) -> float | None:
        """Over the faces that are read right."""
        return float(np.median(self.capped[self.right])) if self.right.any() else None

    @property
    def never(self) -> float | None:
        """Share of those that nothing deceived."""
        return float(np.isinf(self.norms[self.right]).mean()) if self.right.any() else None


@dataclass(frozen=True)
class Gain:
    """The least change with a defence over that without, on faces that both read right.

    Attributes:
        faces: number of them.
        ratio: median; above 1 the defence asks for more.
        low: of the 95 % bootstrap interval over the faces.
        high: of the same.
        more: share of faces for which it asks for more.
    """

    faces: int
    ratio: float
    low: float
    high: float
    more: float

    @property
    def told(self) -> str:
        """In words."""
        return f"{self.ratio:.2f} times ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Measured:
    """All of it.

    Attributes:
        options: of the experiment.
        attacks: orders and figures of `measure_attack`.
        hidden: orders and figures of `measure_anonymity`.
        read: figures of `read_all` by network.
        least: orders and arrays of `measure_least`.
    """

    options: SummaryOptions
    attacks: Sequence[tuple[dict[str, Any], Made]]
    hidden: Sequence[tuple[dict[str, Any], Made]]
    read: dict[str, dict[str, Any]]
    least: Sequence[tuple[dict[str, Any], Made]]

    def attack(self, name: str, *, targeted: bool = False) -> dict[str, Any]:
        """Figures of an attack on the undefended network."""
        return next(
            made.figures
            for order, made in self.attacks
            if order["attack"] == name and order["targeted"] == targeted
        )

    def natural(self, name: str) -> float:
        """Share of clean test faces that a network reads right."""
        return float(self.read[name]["natural"]["right"])

    def ways(self, name: str) -> list[str]:
        """In which faces for a network were attacked."""
        found = {key.split(" ", 1)[0] for key in self.read[name] if key != "natural"}
        return [
            way for way in WAYS if way in found and not (name == UNDEFENDED and way != "knowing")
        ]

    def worst(self, name: str, attack: str, bits: str = "float") -> float:
        """Least share that a network reads right under an attack, over the ways."""
        shares = [self.read[name][f"{way} {attack}"][bits]["right"] for way in self.ways(name)]
        return float(min(shares))

    def least_of(
        self, name: str, norm: str, way: str | None = None, kind: str = "float"
    ) -> Least | None:
        """Least changes for a network.

        Args:
            name: of the network.
            norm: linf or l2.
            way: of steering; None takes the least over all ways.
            kind: float or rounded.
        """
        found = [
            (order, made.arrays)
            for order, made in self.least
            if order["name"] == name and order["norm"] == norm and way in (None, order["way"])
        ]
        if not found:
            return None
        norms = np.min([arrays[kind] for _, arrays in found], axis=0)
        return Least(norms, found[0][1]["right"], found[0][0]["greatest"])

    def gain(self, name: str, norm: str, way: str | None = None) -> Gain | None:
        """A network against the one without its defence, at its weakest way or at one.

        A filter is compared with the undefended network behind it, a network that was trained on
        with the control, and the control with the undefended network.
        """
        base = UNDEFENDED if name in FILTERS or name == CONTROL else CONTROL
        mine, other = self.least_of(name, norm, way), self.least_of(base, norm)
        if mine is None or other is None:
            return None
        both = mine.right & other.right
        if not both.any():
            return None
        ratios = mine.capped[both] / np.maximum(other.capped[both], 1e-9)
        random = np.random.default_rng(self.options.seed)
        drawn = np.median(random.choice(ratios, (_DRAWS, len(ratios))), axis=1)
        low, high = np.quantile(drawn, (0.025, 0.975))
        return Gain(
            int(both.sum()), float(np.median(ratios)), float(low), float(high),
            float((ratios > 1).mean()),
        )  # fmt: skip
