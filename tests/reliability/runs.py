"""Runs with faults: one alone, two together, or a random schedule of everything at once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final

import numpy as np

from reliability.faults import FAULTS, SILENT, Fault, raising
from reliability.raw_faults import raw_faults, silent_raw_faults
from reliability.world import World

HEAL_S: Final = 2.0
_WARM_UP_TICKS: Final = 32
_FAULT_TICKS: Final = 24
_FILTER_SEAMS: Final = ("faces", "chain", "reading", "filter")
_BROKEN = raising(RuntimeError("to begin with"))

COMPANIONS: Final[dict[str, tuple[str, Fault]]] = {
    "opening": ("source", _BROKEN),
    "opening the sink": ("sink", _BROKEN),
    "building": ("chain", _BROKEN),
    "card": ("chain", _BROKEN),
}
"""Seams that nothing passes while all is well, and what makes the run come by."""

Named = tuple[str, Fault]


@dataclass
class Outcome:
    """What came of one run.

    Attributes:
        broken: promises that were broken, one line each.
        heal_s: how long after the fault's end the newest frame was shown as it should be.
        struck: how often a fault took effect.
        steps: steps that were taken.
        looked_at: frames that reached the sink, by state.
    """

    broken: list[str]
    heal_s: float
    struck: int
    steps: int
    looked_at: Counter[str] = field(default_factory=Counter)

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return not self.broken and self.heal_s <= HEAL_S


def all_faults() -> list[Named]:
    """Every fault with its seam."""
    named = [(seam, fault) for seam, faults in FAULTS.items() for fault in faults]
    return named + [("around", fault) for fault in raw_faults()]


def silent_faults() -> list[Named]:
    """Faults of parts that say all is well."""
    named = [(seam, fault) for seam, faults in SILENT.items() for fault in faults]
    return named + [("around", fault) for fault in silent_raw_faults()]


def all_pairs() -> Iterator[tuple[Named, Named]]:
    """Every two faults at different seams."""
    yield from (
        pair for pair in combinations(all_faults() + silent_faults(), 2) if pair[0][0] != pair[1][0]
    )


def with_faults(*faults: Named, seed: int = 0, ticks: int = _FAULT_TICKS, **values: Any) -> Outcome:
    """A run in which the faults begin together, last for some frames, and end together."""
    world, healed = World(seed, values), []

    def schedule(world: World) -> None:
        world.ticks(_WARM_UP_TICKS)
        for seam, fault in faults:
            if seam in COMPANIONS and COMPANIONS[seam][0] not in dict(faults):
                companion, first = COMPANIONS[seam]
                world.seams.active[companion] = first
            world.seams.active[seam] = fault
        world.ticks(ticks)
        healed.append(world.heal())

    with np.errstate(all="ignore"):
        world.play(schedule)
    return _outcome(world, healed[0], _WARM_UP_TICKS + ticks)


def random_schedule(seed: int, steps: int = 400, dice: random.Random | None = None) -> Outcome:
    """A run of random steps: frames, faults, hangs, toggles, settings, requests, pauses.

    Args:
        seed: of the scene, and of the dice where none are given.
        steps: how many.
        dice: what the steps are drawn with; hypothesis' own make a failing schedule short.
    """
    dice = dice or random.Random(seed)
    modes = ("per-frame", "over-time")
    world, healed = World(seed, {"chaining": dice.choice(modes)}), []
    faults = all_faults()

    def schedule(world: World) -> None:
        for _ in range(steps):
            _random_step(world, dice, faults)
        healed.append(world.heal())

    with np.errstate(all="ignore"):
        world.play(schedule)
    return _outcome(world, healed[0], steps)


def _random_step(world: World, dice: random.Random, faults: list[Named]) -> None:
    (kind,) = dice.choices(tuple(_KINDS), tuple(_KINDS.values()))
    if kind == "frame":
        world.tick(dice.choice((15.0, 30.0, 60.0)))
    elif kind in ("read", "protect", "write"):
        getattr(world, kind)()
    elif kind == "time":
        world.pass_time(dice.choice((0.01, 0.1, 0.3, 0.6, 2.5)))
    elif kind == "fault":
        seam, fault = dice.choice(faults)
        if seam not in world.seams.active:
            world.seams.active[seam] = fault
    elif kind == "end" and world.seams.active:
        seam = dice.choice(sorted(world.seams.active))
        if not world.hangs_at(seam):
            del world.seams.active[seam]
    elif kind == "hang":
        seam = dice.choice(_FILTER_SEAMS)
        if seam not in world.seams.active:
            world.hang(seam)
    elif kind == "go":
        world.let_go()
    elif kind == "set":
        world.change(dice.choice(_SETTINGS))
    elif kind == "ask":
        world.ask(dice.choice(_LINES))
    elif kind == "edit":
        world.edit_config(dice.choice(_CONFIGS))


_KINDS: Final = {
    "frame": 40, "read": 12, "protect": 12, "write": 12, "time": 5, "fault": 7, "end": 12,
    "hang": 1, "go": 6, "set": 3, "ask": 3, "edit": 2,
}  # fmt: skip
"""What may happen in a step, and how often."""

_SETTINGS: Final[tuple[dict[str, Any], ...]] = (
    {"epsilon": "1 level"},
    {"epsilon": "12/255"},
    {"epsilon": "6/255", "chain_length": 3},
    {"epsilon": "0.0001"},
    {"on": False},
    {"on": True},
    {"on": True},
    {"on": True},
    {"surrogate": "nobody"},
    {"surrogate": ""},
    {"mode": "hide"},
    {"targets": "fear"},
    {"chaining": "per-frame"},
    {"chaining": "over-time"},
    {"chain_length": -1},
    {"colour": "red"},
    {"source": "1"},
    {"source": "0"},
    {"preview": True},
)

_LINES: Final = (
    b'{"request": "toggle"}',
    b'{"request": "on"}',
    b'{"request": "on"}',
    b'{"request": "off"}',
    b'{"request": "status"}',
    b'{"request": "set", "values": {"epsilon": "3/255"}}',
    b'{"request": "set", "values": {"epsilon": 1e999}}',
    b'{"request": "set", "values": {"chain_length": [[[]]]}}',
    b'{"request": ["on"]}',
    b"\xff\xfe\x00",
    b"[" * 5000,
    b'{"request": "set", "values": {"epsilon": ' + b"9" * 5000 + b"}}",
    b"",
)


_CONFIGS: Final = (
    None,
    b"",
    b'epsilon = "4/255"\n',
    b'epsilon = "9/255"\nchain_length = 5\n',
    b"on = false\n",
    b"epsilon = 0\n",
    b"epsilon = \n",
    b"threads = " + b"9" * 5000,
    b"\xff\xfe\x00\x01",
    b'mode = "targeted"\n',
    b"[[[[",
)


def _outcome(world: World, heal_s: float, steps: int) -> Outcome:
    looked_at = Counter(world.oracle.looked_at)
    return Outcome(world.oracle.broken, heal_s, world.seams.struck, steps, looked_at)
