"""Where the faces come from: the test parts of what is found, sampled by class."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from camfilter.errors import SettingError, SourceNotFound
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.data import ferplus_part, load_faces
from camfilter.lab.experiment.made import Made

__all__ = ["SET_NAMES", "found_sets", "sample", "sampled_faces"]

SET_NAMES: Final = {"ferplus": "FER+", "lfw": "LFW", "yours": "your faces"}
_FERPLUS: Final = "ferplus_test.npz"
_LFW: Final = "lfw_expressions.zip"


def found_sets(data: Path, wanted: tuple[str, ...]) -> dict[str, Path]:
    """The sets of faces at a place, by name.

    Args:
        data: a folder with FER+, with LFW's expressions, or with both; or anything else that
            `load_faces` reads, which is called "yours".
        wanted: names of them; empty takes all.

    Raises:
        SourceNotFound: there is no such file or folder.
        SettingError: a wanted set is not there.
    """
    if not data.exists():
        raise SourceNotFound(f"There is no data at {data}.", "Name it with --data.")
    known = {"ferplus": data / _FERPLUS, "lfw": data / _LFW}
    found = {name: file for name, file in known.items() if file.is_file()} or {"yours": data}
    for name in wanted:
        if name not in found:
            raise SettingError(f"{data} has no set {name!r}.", f"Choose from: {', '.join(found)}.")
    return {name: found[name] for name in wanted or found}


def sampled_faces(order: dict[str, Any], _given: dict[str, Made]) -> Made:
    """Task: sample the test part of a set.

    Args:
        order: `set`, `source`, `size_px`, `faces` and `seed`; `stamp` decides with them.

    Returns:
        Arrays `pictures` (N, S, S) uint8 and `labels` (N,) int64; figure `classes`, how many of
        each expression.
    """
    source = Path(order["source"])
    size_px = order["size_px"]
    if order["set"] == "ferplus":
        faces = ferplus_part(source, size_px)
    else:
        faces = load_faces(source, size_px).test
    labels = faces.majority
    chosen = sample(labels, order["faces"], order["seed"])
    counts = np.bincount(labels[chosen], minlength=len(EXPRESSIONS)).tolist()
    return Made(
        {"classes": dict(zip(EXPRESSIONS, counts, strict=True))},
        {"pictures": faces.pictures[chosen], "labels": labels[chosen]},
    )


def sample(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Indices of a sample whose classes have the proportions of the whole, sorted.

    Args:
        labels: (N,) class of each.
        count: how many; all where there are fewer.
        seed: of the chance.
    """
    if count >= len(labels):
        return np.arange(len(labels), dtype=np.int64)
    random = np.random.default_rng(seed)
    numbers = np.bincount(labels)
    shares = numbers * (count / len(labels))
    taken = np.floor(shares).astype(np.int64)
    # The places that rounding down left free go to the classes that lost most by it.
    taken[np.argsort(taken - shares, kind="stable")[: count - taken.sum()]] += 1
    parts = [
        random.permutation(np.flatnonzero(labels == label))[:number]
        for label, number in enumerate(taken)
    ]
    return np.sort(np.concatenate(parts)).astype(np.int64)
