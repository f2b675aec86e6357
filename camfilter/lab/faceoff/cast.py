"""Who is attacked, who is aimed at, and which pictures the service and the attacker have.

The paper lets the attacker use the very pictures that the service matches with. Here they are
different ones: the service's gallery, the attacker's anchors, and the pictures to be masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from camfilter.errors import SourceError
from camfilter.lab.experiment.made import Made
from camfilter.lab.faceoff.people import Part, Placed, load_part

__all__ = ["Cast", "place_cast"]

_PARTS: Final = ("gallery", "anchors", "probes")


@dataclass(frozen=True)
class Cast:
    """Unseen people with their pictures.

    Attributes:
        gallery: pictures that the service knows people by.
        anchors: pictures that the attacker has, as many of each person.
        probes: pictures to be masked.
        targets: (N,) who each probe shall pass for.
    """

    gallery: Placed
    anchors: Placed
    probes: Placed
    targets: NDArray[np.int64]

    @classmethod
    def of(cls, made: Made) -> Cast:
        """From what `place_cast` made."""
        arrays, names = made.arrays, made.figures["names"]
        gallery, anchors, probes = (
            Placed(arrays[f"{part}-frames"], arrays[f"{part}-to-unit"], arrays[f"{part}-people"],
                   names)
            for part in _PARTS
        )  # fmt: skip
        return cls(gallery, anchors, probes, arrays["targets"])

    def some(self, count: int) -> Cast:
        """The same, with some of the probes: one of each person before a second of any."""
        people, taken, order = self.probes.people, np.zeros(len(self.probes.names), int), []
        for person in people:
            order.append(taken[person])
            taken[person] += 1
        chosen = np.sort(np.argsort(order, kind="stable")[:count])
        return Cast(self.gallery, self.anchors, self.probes.part(chosen), self.targets[chosen])


def place_cast(order: dict[str, Any], _given: dict[str, Made]) -> Made:
    """Find the faces of unseen people and give each picture its role.

    Raises:
        SourceError: too few people have pictures enough.
    """
    sizes = [order["gallery"], order["anchors"], order["probes"]]
    everything = load_part(
        Path(order["data"]), Part.TEST, least_pictures=max(10, sum(sizes)),
        most_people=order["people"], most_pictures=sum(sizes) + 2,
    )  # fmt: skip
    random = np.random.default_rng(order["seed"])
    roles: tuple[list[int], list[int], list[int]] = ([], [], [])
    names = []
    for person, name in enumerate(everything.names):
        mine = random.permutation(np.flatnonzero(everything.people == person))
        if len(mine) < sum(sizes):  # too many of this person's faces were missed
            continue
        names.append(name)
        for role, part in zip(roles, np.split(mine, np.cumsum(sizes))[:3], strict=True):
            role.extend(part.tolist())
    if len(names) < 3:
        raise SourceError(
            f"Of the people for the test, {len(names)} have {sum(sizes)} pictures with a face.",
            "Add pictures, or ask for fewer of each.",
        )
    numbers = {everything.names.index(name): number for number, name in enumerate(names)}
    arrays: dict[str, NDArray[Any]] = {}
    for name, role in zip(_PARTS, roles, strict=True):
        placed = everything.part(role)
        arrays[f"{name}-frames"], arrays[f"{name}-to-unit"] = placed.frames, placed.to_unit
        arrays[f"{name}-people"] = np.array([numbers[int(p)] for p in placed.people], np.int64)
    probes = arrays["probes-people"]
    shifts = random.integers(1, len(names), len(probes))
    arrays["targets"] = np.asarray((probes + shifts) % len(names), np.int64)
    return Made({"names": names, "missed": everything.missed}, arrays)
