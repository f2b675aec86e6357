"""The tasks: choose faces, read them clean, and measure one arm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import nn

from camfilter.errors import SourceNotFound
from camfilter.lab.data import Faces, load_faces
from camfilter.lab.evaluate.measures import SURE
from camfilter.lab.evaluate.recognisers import Recogniser, load_recognisers
from camfilter.lab.experiment.made import Made
from camfilter.lab.networks import SurrogateFolder
from camfilter.lab.transfer.chain import chained, control
from camfilter.lab.transfer.tricks import with_trick
from camfilter.lab.transfer.tuning import LFW, Schedule, answers, tuned

__all__ = [
    "SIZE_PX",
    "accuracy_of",
    "choose_faces",
    "measure_arm",
    "read_clean",
    "read_faces",
    "readers_of",
    "sets_at",
]

SIZE_PX: Final = 48
"""Width and height of the faces that are changed."""


def sets_at(data: Path) -> dict[str, Path]:
    """Sets of faces at a place, by name: FER+, LFW's expressions, or the person's own.

    Raises:
        SourceNotFound: there is no such file or folder.
    """
    if not data.exists():
        raise SourceNotFound(f"There is no data at {data}.", "Name it with --data.")
    found = {"ferplus": data} if (data / "ferplus_test.npz").is_file() else {}
    if (data / LFW).is_file():
        found["lfw"] = data / LFW
    return found or {"yours": data}


def choose_faces(order: dict[str, Any], _given: dict[str, Made]) -> Made:
    """Validation faces of each set, as many of each label as there are.

    Args:
        order: data, faces (of each set), scored (of each set, for accuracy) and seed.

    Returns:
        Array `pictures` (N, 48, 48) uint8; and for each set a random sample to score accuracy
        on, `valid-SET` (M, 48, 48) uint8 with `majority-SET` (M,).

    Raises:
        CamfilterError: the data cannot be used.
    """
    chosen, counts = [], {}
    arrays: dict[str, NDArray[Any]] = {}
    for name, source in sets_at(Path(order["data"])).items():
        faces = load_faces(source, SIZE_PX).valid
        places = evenly(faces, order["faces"], order["seed"])
        chosen.append(faces.pictures[places])
        counts[name] = len(places)
        some = np.random.default_rng(order["seed"]).permutation(len(faces))[: order["scored"]]
        arrays |= {f"valid-{name}": faces.pictures[some], f"majority-{name}": faces.majority[some]}
    return Made({"counts": counts}, arrays | {"pictures": np.concatenate(chosen)})


def read_clean(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """What every recogniser reads in the clean faces.

    Args:
        order: recognisers (paths of foreign ones) and keys (of all).
        given: faces, of `choose_faces`.

    Returns:
        For each recogniser (N,) arrays `label-NAME` and `sure-NAME`; families in the figures.
    """
    arrays: dict[str, NDArray[Any]] = {}
    families = {}
    for reader in readers_of(order):
        read = read_faces(reader, given["faces"].arrays["pictures"])
        arrays[f"label-{reader.name}"] = read.argmax(axis=1)
        arrays[f"sure-{reader.name}"] = read.max(axis=1) >= SURE
        families[reader.name] = {"family": reader.family, "own": reader.kind is None}
    return Made({"readers": families}, arrays)


def measure_arm(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Make a chain on one network, fine-tuned or with a trick, and ask all the others.

    Args:
        order: network, arm (None: not fine-tuned), teachers, trick, data, recognisers, stages,
            epsilon_levels, seed, steps, batch and lr.
        given: faces and clean.

    Returns:
        Figures: accuracy on the validation part of each set. Arrays: `fooled-STAGES-NAME` and
        `control-NAME` (N,) bool for each recogniser of another family (foreign ones are asked
        after the longest chain alone), `white-fooled-STAGES` and `white-control` (N,) bool for
        the network itself, and its weights where it was tuned.
    """
    network, weights = _network_of(order)
    pictures = given["faces"].arrays["pictures"]
    ends = chained(
        with_trick(network, order["trick"]), pictures, stages=order["stages"],
        epsilon_levels=order["epsilon_levels"], trick=order["trick"], seed=order["seed"],
    )  # fmt: skip
    arrays: dict[str, NDArray[Any]] = dict(weights)
    names = [f"fooled-{length}" for length in order["stages"]]
    conditions = dict(zip(names, ends, strict=True))
    conditions["control"] = control(pictures, ends[-1], order["seed"])
    before = answers(network, pictures).argmax(1)
    for name, changed in conditions.items():
        after = answers(network, changed).argmax(1)
        arrays[f"white-{name}"] = (after != before).numpy()
    for reader in readers_of(order):
        if reader.family == order["network"]:
            continue
        label = given["clean"].arrays[f"label-{reader.name}"]
        for name, changed in conditions.items():
            if reader.kind is not None and name in names[:-1]:
                continue
            arrays[f"{name}-{reader.name}"] = read_faces(reader, changed).argmax(axis=1) != label
    change = ends[-1].astype(np.float64) - pictures
    psnr = 10 * np.log10(255**2 / np.square(change).mean())
    return Made({"accuracy": accuracy_of(network, given["faces"]), "psnr": float(psnr)}, arrays)


def evenly(faces: Faces, count: int, seed: int) -> NDArray[np.int64]:
    """Places of some faces, each label in turn until it has no more; sorted."""
    order = np.random.default_rng(seed).permutation(len(faces))
    majority = faces.majority[order]
    turn = np.zeros(len(faces), np.int64)
    for label in np.unique(majority):
        mine = majority == label
        turn[mine] = np.arange(mine.sum())
    return np.sort(order[np.argsort(turn, kind="stable")[:count]])


def _network_of(order: dict[str, Any]) -> tuple[nn.Module, dict[str, NDArray[Any]]]:
    if order["arm"] is None:
        return SurrogateFolder.named(order["network"]).load(), {}
    schedule = Schedule(order["steps"], order["batch"], order["lr"], order["seed"])
    network = tuned(
        order["network"], order["arm"], order["teachers"], Path(order["data"]), schedule
    )
    return network, {f"weight-{key}": value.numpy() for key, value in network.state_dict().items()}


def accuracy_of(network: nn.Module, faces: Made) -> dict[str, float]:
    """Share that a network reads right of each set's sample; faces are of `choose_faces`."""
    found = {}
    for name in faces.figures["counts"]:
        read = answers(network, faces.arrays[f"valid-{name}"]).argmax(1).numpy()
        found[name] = float((read == faces.arrays[f"majority-{name}"]).mean())
    return found


def readers_of(order: dict[str, Any]) -> list[Recogniser]:
    """All recognisers of an order: own networks, then the foreign ones that it names."""
    return load_recognisers([Path(file) for file in order["recognisers"]])


def read_faces(reader: Recogniser, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities (N, classes) that a recogniser gives faces (N, 48, 48) of luma."""
    crops: Sequence[Any] = [cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) for picture in pictures]
    return np.concatenate([reader.read(crops[i : i + 64]) for i in range(0, len(crops), 64)])
