"""The networks of the summary, each with its defence, as attacks and measures see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import nn

from camfilter.expressions import EXPRESSIONS
from camfilter.lab.attacks.base import Classifier
from camfilter.lab.defences.base import Defended
from camfilter.lab.defences.distillation import Cooled
from camfilter.lab.defences.filters import FILTERS, Filtered
from camfilter.lab.defences.spheres import Refusing
from camfilter.lab.experiment.made import Made
from camfilter.lab.summary.training import build

__all__ = ["NAMES", "TRAINED", "UNDEFENDED", "defended_of", "subject"]

UNDEFENDED: Final = "undefended"

TRAINED: Final[Mapping[str, str]] = {
    UNDEFENDED: "no defence",
    "control": "no defence, trained on for as long as the defences",
    "distilled": "distillation at a high temperature, used at 1 (gradient masking)",
    "adversarial": "adversarial training, half of each batch attacked",
    "pcl": "prototype conformity loss on both hidden layers",
    "m-svdd": "m-SVDD: a sphere for each class, refuses what is in none",
}
"""Those that need a network of their own."""

NAMES: Final = (UNDEFENDED, "control", *FILTERS, *list(TRAINED)[2:])
"""All of them, in the order of the tables."""


def subject(name: str, order: dict[str, Any], given: dict[str, Made]) -> Defended:
    """One of NAMES.

    Args:
        name: of it.
        order: width, size_px and temperature.
        given: the trained networks by name.
    """
    trained = name if name in TRAINED else UNDEFENDED
    network = build(trained, given[trained], order["width"])
    return defended_of(name, network, order["size_px"], order["temperature"])


def defended_of(name: str, network: nn.Module, size_px: int, temperature: float) -> Defended:
    """One of NAMES around a trained network."""
    classes = len(EXPRESSIONS)

    def seen(module: nn.Module, outputs: int = classes) -> Classifier:
        return Classifier(module.eval(), outputs, size_px)

    if name in FILTERS:
        change, told = FILTERS[name]
        behind = seen(Filtered(network, change))
        return Defended(name, told, behind, behind, None)
    plain = seen(network)
    if name == "distilled":
        return Defended(name, TRAINED[name], plain, seen(Cooled(network, temperature)), plain)
    if name == "m-svdd":
        answers = seen(Refusing(network), classes + 1)
        return Defended(name, TRAINED[name], answers, plain, plain, rejects=True)
    return Defended(name, TRAINED[name], plain, plain, plain)
