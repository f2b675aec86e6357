"""The task of the experiment: one chain on one set of faces, measured at some lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import torch
from torch import Tensor

from camfilter.lab.attacks import ATTACKS, Classifier
from camfilter.lab.caa.chain import Chain, with_epsilon
from camfilter.lab.caa.measures import FORMS, MEASURES, PerFace, entropy_bits, rounded, summary
from camfilter.lab.experiment.made import Made
from camfilter.lab.networks import SurrogateFolder, size_of

__all__ = ["Curve", "Plan", "measured_chain"]

_BATCH: Final = 64


@dataclass(frozen=True)
class Plan:
    """What decides one curve.

    Attributes:
        set: of faces.
        network: attacked.
        attack: chained.
        targets: schedule of a targeted chain; empty for an untargeted one.
        epsilon: of a stage in [0, 1]; None for attacks that have none.
        lengths: of the chains that are measured.
        radius: of the ball; None for no projection.
        relabel: whether each stage takes the label anew.
        seed: of all chance.
        form: in words, where it differs from the paper's.
    """

    set: str
    network: str
    attack: str
    targets: Sequence[str]
    epsilon: float | None
    lengths: Sequence[int]
    radius: float | None = None
    relabel: bool = False
    seed: int = 0
    form: str = field(default="", compare=False)

    @property
    def chain(self) -> str:
        """CTA or CUA; one stage of it is the paper's PTA or PUA."""
        return "CTA" if self.targets else "CUA"

    @property
    def size(self) -> float | None:
        """The epsilon that a person chose: the radius of the ball, or the size of a stage."""
        return self.radius if self.radius is not None else self.epsilon

    def as_order(self) -> dict[str, Any]:
        """Plain values for the workbench; the words for people decide nothing."""
        return {name: value for name, value in asdict(self).items() if name != "form"}


@dataclass(frozen=True)
class Curve:
    """What a chain gave, by its length.

    Attributes:
        plan: what decided it.
        figures: as `measured_chain` makes them.
    """

    plan: Plan
    figures: dict[str, Any]

    def series(self, measure: str, form: str = "float") -> list[float | None]:
        """A figure of MEASURES at each length.

        Args:
            measure: its name.
            form: of FORMS.
        """
        values: list[float | None] = self.figures[form][measure]
        return values

    def at(self, length: int, measure: str, form: str = "float") -> float:
        """A figure at one length; not a number where it has no meaning."""
        value = self.series(measure, form)[list(self.plan.lengths).index(length)]
        return float("nan") if value is None else value

    def first(self, measure: str, form: str = "float") -> float:
        """A figure of the plain attack, or of the shortest chain."""
        return self.at(self.plan.lengths[0], measure, form)

    def last(self, measure: str, form: str = "float") -> float:
        """A figure of the longest chain."""
        return self.at(self.plan.lengths[-1], measure, form)


def measured_chain(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Task: attack faces by chains of some lengths, and measure.

    Args:
        order: a `Plan` as plain values.
        given: `faces`, with arrays `pictures` and `labels`.

    Returns:
        Figures `faces` (how many), `accuracy` and `entropy_bits` of the clean ones, and for each
        of FORMS a list of each of MEASURES, one entry a length.
    """
    network = SurrogateFolder.named(order["network"]).load()
    classifier = Classifier(network, classes=8, size_px=size_of(network))
    chain = Chain(
        with_epsilon(ATTACKS.named(order["attack"]), order["epsilon"]),
        tuple(order["targets"]), order["radius"], order["relabel"], order["seed"],
    )  # fmt: skip
    arrays = given["faces"].arrays
    pictures = torch.from_numpy(arrays["pictures"]).float()[:, None] / 255
    true = torch.from_numpy(arrays["labels"])
    lengths = tuple(order["lengths"])
    logits = classifier.read(pictures)
    parts: dict[tuple[int, str], list[PerFace]] = {
        (length, form): [] for length in lengths for form in FORMS
    }
    for part in torch.split(torch.arange(len(pictures)), _BATCH):
        clean, read = pictures[part], logits[part].argmax(dim=1)
        for link in chain.links(classifier, clean, lengths):
            for form in FORMS:
                seen: Tensor = link.pictures if form == "float" else rounded(link.pictures)
                parts[link.length, form].append(
                    PerFace.of(clean, seen, classifier.read(seen), link.goal, read, true[part])
                )
    size = pictures[0].numel()
    by_form: dict[str, Any] = {}
    for form in FORMS:
        rows = [summary(PerFace.joined(parts[length, form]), size) for length in lengths]
        by_form[form] = {measure: [row[measure] for row in rows] for measure in MEASURES}
    return Made(
        {
            "faces": len(pictures),
            "accuracy": float((logits.argmax(dim=1) == true).double().mean()),
            "entropy_bits": float(entropy_bits(logits).double().mean()),
            **by_form,
        }
    )
