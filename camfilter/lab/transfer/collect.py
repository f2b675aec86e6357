"""Figures of the arms: shares over faces with their intervals, and gains over the control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from camfilter.lab.experiment.made import Made
from camfilter.lab.transfer.arms import AS_IT_IS, CONTROL

__all__ = ["Measured", "Rate", "Row"]

_DRAWS: Final = 2000
_WITHIN: Final = (2.5, 97.5)
_DIGITS: Final = 6


@dataclass(frozen=True)
class Rate:
    """A share or a difference of shares.

    Attributes:
        value: over all faces.
        low: where the 95 % interval begins when faces are drawn anew.
        high: where it ends.
    """

    value: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether the interval does not hold zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Row:
    """One arm on one network.

    Attributes:
        network: whose gradient the chain follows; several take turns, joined by "+".
        arm: name of the arm; empty where nothing was fine-tuned.
        trick: how the gradient is taken.
    """

    network: str
    arm: str
    trick: str

    @property
    def name(self) -> str:
        """In tables."""
        return self.arm or self.trick

    @property
    def joint(self) -> bool:
        """Whether several networks take turns."""
        return "+" in self.network

    @property
    def baseline(self) -> Row:
        """What its gain is over."""
        return Row(self.network, CONTROL if self.arm else "", AS_IT_IS)


class Measured:
    """All that was measured.

    Args:
        orders: of `measure_arm`.
        made: what each gave.
        clean: of `read_clean`.
        stages: lengths of the chain.
        seed: of drawing faces anew.
    """

    def __init__(
        self, orders: Sequence[dict[str, Any]], made: Sequence[Made], clean: Made,
        stages: Sequence[int], seed: int,
    ) -> None:  # fmt: skip
        self._folds: dict[Row, list[tuple[frozenset[str], Made]]] = {}
        for order, one in zip(orders, made, strict=True):
            arm = order["arm"]["name"] if order["arm"] else ""
            row = Row(order["network"], arm, order["trick"])
            self._folds.setdefault(row, []).append((frozenset(order["teachers"]), one))
        self._clean, self.stages = clean.arrays, tuple(stages)
        self._readers: Mapping[str, Any] = clean.figures["readers"]
        faces = len(next(iter(clean.arrays.values())))
        drawn = np.random.default_rng([seed, 5]).integers(0, faces, (_DRAWS, faces))
        self._counts = np.stack([np.bincount(draw, minlength=faces) for draw in drawn])
        self._all = np.ones((1, faces))

    @property
    def rows(self) -> list[Row]:
        """All arms, in order."""
        return list(self._folds)

    @property
    def faces(self) -> int:
        """How many faces were changed."""
        return self._all.shape[1]

    def readers(self, network: str, *, own: bool) -> list[str]:
        """Recognisers of other families than a network's, the project's own or foreign ones."""
        return [
            name for name, told in self._readers.items()
            if told["own"] is own and told["family"] not in network.split("+")
        ]  # fmt: skip

    def share(self, row: Row, what: str, readers: Sequence[str]) -> Rate | None:
        """Fooled where sure, mean over families; None without readers.

        Args:
            row: the arm.
            what: "fooled-20" after 20 stages, or "control".
            readers: names; those of a family count as one.
        """
        if not readers:
            return None
        return _rate(*(self._means(row, what, readers, counts) for counts in self._both))

    def gain(self, row: Row, what: str, readers: Sequence[str]) -> Rate | None:
        """Share of an arm less that of its baseline, over the same faces."""
        if not readers or row.baseline not in self._folds:
            return None
        return _rate(*(
            self._means(row, what, readers, counts)
            - self._means(row.baseline, what, readers, counts)
            for counts in self._both
        ))  # fmt: skip

    def white(self, row: Row, what: str) -> Rate:
        """Share of faces in which the network itself is fooled."""
        return _rate(*(self._white(row, what, counts) for counts in self._both))

    def white_gain(self, row: Row, what: str) -> Rate | None:
        """The same less that of the baseline."""
        if row.baseline not in self._folds:
            return None
        return _rate(*(
            self._white(row, what, counts) - self._white(row.baseline, what, counts)
            for counts in self._both
        ))  # fmt: skip

    def accuracy(self, row: Row, name: str) -> float | None:
        """Of the network on a set's validation part, mean over its folds."""
        found = [made.figures["accuracy"].get(name) for _, made in self._folds[row]]
        return None if None in found else float(np.mean(found))

    def psnr(self, row: Row) -> float:
        """Of the longest chain's change, in dB."""
        return float(np.mean([made.figures["psnr"] for _, made in self._folds[row]]))

    @property
    def _both(self) -> tuple[NDArray[Any], NDArray[Any]]:
        return self._all, self._counts

    def _means(
        self, row: Row, what: str, readers: Sequence[str], counts: NDArray[Any]
    ) -> NDArray[np.float64]:
        families: dict[str, list[NDArray[np.float64]]] = {}
        for name in readers:
            sure = self._clean[f"sure-{name}"].astype(float)
            fooled = self._fooled(row, what, name)
            shares = (counts @ (fooled * sure)) / np.maximum(counts @ sure, 1)
            families.setdefault(self._readers[name]["family"], []).append(shares)
        each = [np.mean(members, axis=0) for members in families.values()]
        return np.asarray(np.mean(each, axis=0))

    def _fooled(self, row: Row, what: str, reader: str) -> NDArray[np.float64]:
        """By folds in which the reader taught nothing."""
        folds = [
            made.arrays[f"{what}-{reader}"] for teachers, made in self._folds[row]
            if reader not in teachers
        ]  # fmt: skip
        return np.asarray(np.mean(folds, axis=0, dtype=float))

    def _white(self, row: Row, what: str, counts: NDArray[Any]) -> NDArray[np.float64]:
        folds = [made.arrays[f"white-{what}"] for _, made in self._folds[row]]
        return np.asarray(counts @ np.mean(folds, axis=0, dtype=float) / counts.sum(1))


def _rate(whole: NDArray[np.float64], draws: NDArray[np.float64]) -> Rate:
    low, high = np.percentile(draws, _WITHIN)
    # The last digits depend on how memory lies, and a run that is resumed shall find the same.
    return Rate(*(round(float(value), _DIGITS) for value in (whole[0], low, high)))
