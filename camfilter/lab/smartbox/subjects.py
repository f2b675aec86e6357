"""What is read from faces: who it is, or which expression; with data in three parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from camfilter.expressions import EXPRESSIONS
from camfilter.lab.attacks import Classifier
from camfilter.lab.data import Faces, load_faces
from camfilter.lab.experiment.made import Made
from camfilter.lab.identities import Identities, load_identities
from camfilter.lab.mitigations.base import filled, weights_of
from camfilter.lab.networks import SurrogateFolder, size_of
from camfilter.lab.smartbox.network import FaceNetwork
from camfilter.lab.smartbox.options import BenchOptions, SubjectName

__all__ = [
    "classifier_from",
    "expressions_in",
    "people_in",
    "subjects_in",
    "trained_expression_network",
]

_BOTH: Final = ("identity", "expression")
_LFW: Final = "lfw_expressions.zip"
_FERPLUS: Final = "ferplus_test.npz"


def subjects_in(data: Path) -> tuple[SubjectName, ...]:
    """What the data has labels for; where it is not to be had, the loading says so."""
    if data.is_dir():
        if (data / _LFW).is_file():
            return _BOTH
        folders = {place.name for place in data.iterdir() if place.is_dir()}
        read = (data / _FERPLUS).is_file() or folders & {*EXPRESSIONS, "train"}
        return ("expression",) if read else ("identity",)
    if data.suffix == ".zip":
        try:
            with ZipFile(data) as archive:
                table = next(name for name in archive.namelist() if name.endswith(".csv"))
                columns = archive.read(table).decode("utf-8-sig").partition("\n")[0]
        except (BadZipFile, OSError, StopIteration, UnicodeDecodeError):
            return ("identity",)
        named: list[SubjectName] = ["identity"] if "identity" in columns else []
        return (*named, "expression") if "emotion" in columns else ("identity",)
    return ("expression",) if data.suffix == ".csv" else ("identity",)


def people_in(options: BenchOptions) -> Made:
    """Pictures of people in three parts, each person's 80, 10 and 10 percent at random.

    Returns:
        Arrays `train`, `valid`, `test` (N, S, S) uint8 and their `_labels` (N,) int64.

    Raises:
        CamfilterError: there are none.
    """
    everyone = load_identities(options.data, options.size_px, most_people=options.people)
    random = np.random.default_rng(options.seed)
    chosen = [
        random.permutation(np.flatnonzero(everyone.people == person))[: options.most_pictures]
        for person in range(len(everyone.names))
    ]
    split = everyone.part(np.sort(np.concatenate(chosen))).split(options.seed)
    parts: dict[str, Identities] = {
        "train": split.train, "valid": split.valid,
        "test": split.test.part(_some(len(split.test), options.probes, random)),
    }  # fmt: skip
    arrays: dict[str, NDArray[Any]] = {}
    for name, part in parts.items():
        arrays |= {name: part.pictures, f"{name}_labels": part.people}
    return Made({"classes": len(everyone.names), "size_px": options.size_px}, arrays)


def expressions_in(options: BenchOptions) -> Made:
    """Pictures of expressions in three parts, some of each; see `people_in`.

    Raises:
        CamfilterError: there are none, or there is no such network.
    """
    size = size_of(SurrogateFolder.named(options.expression_network).build())
    source = options.data
    if source.is_dir() and (source / _LFW).is_file() and not (source / _FERPLUS).is_file():
        source = source / _LFW
    faces = load_faces(source, size)
    random = np.random.default_rng(options.seed)
    arrays: dict[str, NDArray[Any]] = {}
    most = {
        "train": options.expression_training, "valid": options.expression_training,
        "test": options.expression_probes,
    }  # fmt: skip
    for name, count in most.items():
        part: Faces = getattr(faces, name)
        some = _some(len(part), count, random)
        arrays |= {name: part.pictures[some], f"{name}_labels": part.majority[some]}
    return Made({"classes": len(EXPRESSIONS), "size_px": size}, arrays)


def trained_expression_network(name: str) -> Made:
    """Weights of a network in `models`.

    Raises:
        SurrogateError: there is none.
    """
    return Made({"kind": name}, weights_of(SurrogateFolder.named(name).load()))


def classifier_from(network: Made, faces: Made) -> Classifier:
    """The classifier whose weights were kept.

    Args:
        network: weights; its figure `kind` is "face" or the name of a folder in `models`.
        faces: what it reads.
    """
    classes, size = int(faces.figures["classes"]), int(faces.figures["size_px"])
    kind = str(network.figures["kind"])
    with torch.random.fork_rng(devices=[]):
        if kind == "face":
            empty: nn.Module = FaceNetwork(classes, size)
        else:
            empty = SurrogateFolder.named(kind).build()
    return Classifier(filled(empty, network.arrays), classes, size)


def _some(count: int, most: int, random: np.random.Generator) -> NDArray[np.int64]:
    return np.asarray(np.sort(random.permutation(count)[:most]), np.int64)
