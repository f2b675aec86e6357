"""Which attacks the experiment makes, and in which sections its findings show them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any, Final

from camfilter.lab.experiment.made import Made
from camfilter.lab.faceoff.judging import CHANNELS, JPEG
from camfilter.lab.faceoff.losses import Loss
from camfilter.lab.faceoff.networks import EmbeddingFolder
from camfilter.lab.faceoff.optimisers import Norm, Optimiser
from camfilter.lab.faceoff.options import KAPPA_SCALE, FaceOffOptions
from camfilter.lab.intervals import wilson

__all__ = ["ARRIVING", "Attacked", "Section", "Wish", "wishes"]

ARRIVING: Final = "uncropped 8 bit"
"""The channel that a real service has: the whole picture in 8 bits."""


class Section(StrEnum):
    """What is compared."""

    TRANSFER = "transfer"
    AMPLIFY = "amplify"
    KAPPA = "kappa"
    EPSILON = "epsilon"
    CHANNEL = "channel"
    GRID = "grid"


@dataclass(frozen=True)
class Wish:
    """One attack, and what it is for.

    Attributes:
        section: of the findings.
        label: of its rows.
        order: of the task `attack_and_judge`.
    """

    section: Section
    label: str
    order: dict[str, Any]


@dataclass(frozen=True)
class Attacked:
    """A wish with what came of it."""

    wish: Wish
    made: Made

    @property
    def surrogates(self) -> list[str]:
        """Networks that the masks were made with."""
        names: list[str] = self.wish.order["surrogates"]
        return names

    def rates(
        self, figure: str, alpha: float, channel: str = ARRIVING, *, own: bool | None = None
    ) -> list[float]:
        """A figure of each judge.

        Args:
            figure: targeted, untargeted, hidden, top3 or away.
            alpha: amplification.
            channel: how the picture arrives.
            own: only judges that were attacked (True), or that were not (False).
        """
        return [row[figure] for row in self._rows(figure, alpha, channel, own)]

    def rate(
        self, figure: str, alpha: float, channel: str = ARRIVING, *, own: bool | None = None
    ) -> float | None:
        """Mean of `rates`; None where there is no such judge."""
        found = self.rates(figure, alpha, channel, own=own)
        return sum(found) / len(found) if found else None

    def interval(
        self, figure: str, alpha: float, channel: str = ARRIVING, *, own: bool | None = None
    ) -> tuple[float, float] | None:
        """95 % interval of `rate` (Wilson), as if on the faces of one judge.

        All judges read the same faces, so a second one makes the mean no surer.
        """
        rate = self.rate(figure, alpha, channel, own=own)
        if rate is None:
            return None
        rows = self._rows(figure, alpha, channel, own)
        counts = [
            row["known"] if figure == "hidden" else self.made.figures["pairs"] for row in rows
        ]
        faces = sum(counts) / len(counts)
        return wilson(rate * faces, faces)

    def change(self, alpha: float) -> dict[str, float]:
        """Mean sizes of the change at an amplification."""
        sizes = next(each for each in self.made.figures["changes"] if each["alpha"] == alpha)
        return {key: value for key, value in sizes.items() if key != "alpha"}

    def _rows(
        self, figure: str, alpha: float, channel: str, own: bool | None
    ) -> list[dict[str, Any]]:
        """Those of some judges in which a figure stands."""
        return [
            row for row in self.made.figures["rows"]
            if row["alpha"] == alpha and row["channel"] == channel and row[figure] is not None
            and (own is None or (row["judge"] in self.surrogates) is own)
        ]  # fmt: skip


class _Orders:
    """Makes orders that differ from a common one."""

    def __init__(self, options: FaceOffOptions) -> None:
        self._options = options
        # New weights make old results worthless.
        self._weights = {
            name: hashlib.sha256(EmbeddingFolder.named(name).checkpoint.read_bytes()).hexdigest()
            for name in options.networks
        }

    def __call__(self, **changed: Any) -> dict[str, Any]:
        options = self._options
        order: dict[str, Any] = {
            "surrogates": [options.main], "loss": Loss.HINGE, "kappa": options.kappa,
            "optimiser": Optimiser.PGD, "norm": Norm.L2, "steps": options.steps, "searches": 1,
            "epsilon": options.epsilon, "pairs": options.pairs, "control": False,
            "alphas": sorted({options.alphas[0], options.alpha}), "channels": [ARRIVING],
            "networks": list(options.networks), "seed": options.seed, "weights": self._weights,
        }  # fmt: skip
        order |= changed
        order["kappa"] = round(order["kappa"] * KAPPA_SCALE, 6)
        return order

    def cw(self, *, norm: Norm = Norm.L2, **changed: Any) -> dict[str, Any]:
        options = self._options
        searches = options.cw_searches if norm is Norm.L2 else options.cw_searches_linf
        usual = {"optimiser": Optimiser.CW, "norm": norm, "steps": options.cw_steps,
                 "searches": searches, "pairs": options.cw_pairs}  # fmt: skip
        return self(**(usual | changed))


def wishes(options: FaceOffOptions) -> list[Wish]:
    """All attacks of the experiment, section by section."""
    orders = _Orders(options)
    return [
        *_transfer(options, orders),
        *_amplify(options, orders),
        *_kappa(options, orders),
        *_epsilon(options, orders),
        *_channel(options, orders),
        *(_grid(options, orders) if options.grid else ()),
    ]


def _transfer(options: FaceOffOptions, orders: _Orders) -> list[Wish]:
    sizes = range(1, len(options.networks) + 1) if options.ensembles else (1,)
    groups: list[Sequence[str]] = [g for n in sizes for g in combinations(options.networks, n)]
    return [
        Wish(Section.TRANSFER, " + ".join(group), orders(surrogates=list(group)))
        for group in groups
    ]


def _amplify(options: FaceOffOptions, orders: _Orders) -> list[Wish]:
    wide: dict[str, Any] = {"alphas": list(options.alphas)}
    made = [
        Wish(Section.AMPLIFY, f"PGD {loss}", orders(loss=loss, **wide))
        for loss in (Loss.HINGE, Loss.TARGET, Loss.UNTARGETED)
    ]
    made.append(Wish(Section.AMPLIFY, "C&W hinge", orders.cw(**wide)))
    made.append(Wish(Section.AMPLIFY, "control", orders(control=True, **wide)))
    return made


def _kappa(options: FaceOffOptions, orders: _Orders) -> list[Wish]:
    wide: dict[str, Any] = {"alphas": list(options.alphas)}
    pgd = [Wish(Section.KAPPA, "PGD", orders(kappa=kappa, **wide)) for kappa in options.kappas]
    cw = [Wish(Section.KAPPA, "C&W", orders.cw(kappa=kappa, **wide)) for kappa in options.cw_kappas]
    return [*pgd, *cw]


def _epsilon(options: FaceOffOptions, orders: _Orders) -> list[Wish]:
    return [
        Wish(Section.EPSILON, f"{epsilon:g}", orders(epsilon=epsilon))
        for epsilon in options.epsilons
    ]


def _channel(options: FaceOffOptions, orders: _Orders) -> list[Wish]:
    channels = [*CHANNELS, *(f"{JPEG}{quality}" for quality in options.qualities)]
    return [Wish(Section.CHANNEL, "PGD hinge", orders(channels=channels))]


def _grid(options: FaceOffOptions, orders: _Orders) -> list[Wish]:
    """All on the main network; on the others PGD in L2 with each loss."""
    losses = (Loss.TARGET, Loss.HINGE, Loss.UNTARGETED)
    made = [orders(loss=loss) for loss in losses]
    made += [orders(loss=loss, norm=Norm.LINF, epsilon=options.epsilon_linf) for loss in losses]
    made += [orders(loss=loss, steps=options.many_steps) for loss in losses[:2]]
    made += [orders.cw(loss=loss) for loss in losses]
    made += [orders.cw(loss=loss, norm=Norm.LINF) for loss in losses[:2]]
    steps, searches = options.cw_many
    few = max(1, options.cw_pairs // 2)
    made.append(orders.cw(steps=steps, searches=searches, pairs=few))
    made.append(orders(loss=Loss.HINGE_FARTHEST))
    made += [
        orders(surrogates=[name], loss=loss)
        for name in options.networks if name != options.main
        for loss in losses
    ]  # fmt: skip
    return [Wish(Section.GRID, "", order) for order in made]
