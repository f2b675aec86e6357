"""Options of the experiment on embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import Field, model_validator

from camfilter.errors import SettingError
from camfilter.lab.experiment.base import ExperimentOptions

__all__ = ["KAPPA_SCALE", "FaceOffOptions"]

KAPPA_SCALE: Final = 0.1
"""Margin on unit embeddings, whose distances end at 2, for a kappa of 1 in the paper."""


class FaceOffOptions(ExperimentOptions):
    """What decides the findings on embeddings.

    Attributes:
        networks: folders of `models/`, embeddings; each is attacked, and all match faces.
        main: the one that the sweeps attack; the best of them on unseen people.
        people: unseen ones, those with the most pictures; None takes all with enough.
        gallery: pictures of each person that the services have.
        anchors: others, that the attacker has.
        probes: others, that are masked.
        pairs: of source picture and target, at most, for PGD.
        cw_pairs: for C&W, which takes long.
        epsilon: PGD's L2 radius on a crop of 64 px, pixels in [0, 1].
        epsilon_linf: PGD's Linf radius.
        kappa: margin of the hinge loss, in the paper's figures; a tenth of it on unit embeddings.
        steps: of PGD; the paper's few.
        many_steps: of PGD; the paper's many.
        cw_steps: of each search of C&W.
        cw_searches: of C&W in L2.
        cw_searches_linf: of C&W in Linf.
        cw_many: steps and searches of the paper's large C&W, made smaller.
        alphas: amplifications of the sweep; the first and `alpha` are used elsewhere.
        alpha: amplification where only one is shown.
        kappas: margins of the sweep, in the paper's figures.
        cw_kappas: those of them that C&W is tried with.
        epsilons: radii of the sweep.
        qualities: of JPEG.
        ensembles: also attack pairs of networks and all at once.
        grid: also compare every attack, loss and norm.
        training_people: for adversarial training.
        training_pictures: of each of them, at most.
        training_steps: batches.
        training_attack_steps: of PGD on each batch.
    """

    QUICK: ClassVar[Mapping[str, Any]] = {
        "people": 6, "gallery": 3, "anchors": 2, "probes": 1, "pairs": 6, "cw_pairs": 3,
        "steps": 6, "many_steps": 12, "cw_steps": 8, "cw_searches": 2, "cw_searches_linf": 2,
        "cw_many": (16, 2), "alphas": (1.0, 3.0), "kappas": (0.0, 10.0), "cw_kappas": (5.0,),
        "epsilons": (0.1, 1.0), "qualities": (75,), "ensembles": False, "grid": False,
        "training_people": 4, "training_pictures": 4, "training_steps": 2,
        "training_attack_steps": 1,
    }  # fmt: skip

    data: Path = Path("data")
    networks: tuple[str, ...] = Field(
        default=("embed-branches64", "embed-residual56", "embed-plain48"), min_length=2
    )
    main: str = "embed-plain48"
    people: int | None = Field(default=None, ge=3)
    gallery: int = Field(default=5, ge=1)
    anchors: int = Field(default=3, ge=1)
    probes: int = Field(default=2, ge=1)
    pairs: int = Field(default=44, ge=1)
    cw_pairs: int = Field(default=30, ge=1)
    epsilon: float = Field(default=1.0, gt=0)
    epsilon_linf: float = Field(default=4 / 255, gt=0, le=1)
    kappa: float = Field(default=5.0, ge=0, le=20)
    steps: int = Field(default=20, ge=1)
    many_steps: int = Field(default=200, ge=1)
    cw_steps: int = Field(default=100, ge=1)
    cw_searches: int = Field(default=8, ge=1)
    cw_searches_linf: int = Field(default=10, ge=1)
    cw_many: tuple[int, int] = (300, 8)
    alphas: tuple[float, ...] = Field(default=(1, 1.5, 2, 3, 4, 6, 8), min_length=2)
    alpha: float = Field(default=3.0, ge=1, le=8)
    kappas: tuple[float, ...] = Field(default=(0, 2, 5, 10, 15), min_length=2)
    cw_kappas: tuple[float, ...] = (0, 5, 10)
    epsilons: tuple[float, ...] = Field(default=(0.1, 0.5, 1, 2), min_length=1)
    qualities: tuple[int, ...] = (95, 75, 50, 30)
    ensembles: bool = True
    grid: bool = True
    training_people: int = Field(default=50, ge=2)
    training_pictures: int = Field(default=12, ge=3)
    training_steps: int = Field(default=80, ge=1)
    training_attack_steps: int = Field(default=3, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> FaceOffOptions:
        if self.main not in self.networks:
            raise SettingError(f"The main network {self.main!r} is not one of networks.")
        for name, values in (("alphas", self.alphas), ("kappas", self.kappas)):
            if list(values) != sorted(set(values)):
                raise SettingError(f"The option {name} must grow from value to value.")
        return self
