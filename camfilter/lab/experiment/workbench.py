"""Does the tasks of an experiment: what was done before is kept, the rest is spread.

So an experiment that was interrupted goes on where it stopped, and one whose options change
repeats only what the change touches.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camfilter.lab.experiment.made import Keeper, Made
from camfilter.lab.experiment.spreading import Spreader

__all__ = ["Progress", "Task", "Workbench"]

Task = Callable[[dict[str, Any], dict[str, Made]], Made]
"""A function of a module: an order of plain values, and what earlier tasks made, to a result."""


@dataclass(frozen=True)
class Progress:
    """Who is told how far an experiment is.

    Attributes:
        on_start: the name of a stage, and how many tasks it has.
        on_task: one more task is done.
    """

    on_start: Callable[[str, int], None] = lambda _name, _tasks: None
    on_task: Callable[[], None] = lambda: None


class Workbench:
    """Keeps what tasks made, and spreads those that are left.

    Args:
        folder: where it is kept.
        code: hash of the experiment's code.
        spreader: does tasks; here, in processes, or on a Ray cluster.
        progress: who is told.
        fresh: do everything again.
    """

    def __init__(
        self,
        folder: Path,
        code: str,
        spreader: Spreader,
        *,
        progress: Progress | None = None,
        fresh: bool = False,
    ) -> None:
        self._keeper = Keeper(folder)
        self._code = code
        self._spreader = spreader
        self._progress = progress or Progress()
        self._fresh = fresh

    def do(
        self, name: str, task: Task, order: dict[str, Any], given: dict[str, Made] | None = None
    ) -> Made:
        """Do one task; see `do_all`."""
        return self.do_all(name, task, [order], given)[0]

    def do_all(
        self,
        name: str,
        task: Task,
        orders: Sequence[dict[str, Any]],
        given: dict[str, Made] | None = None,
    ) -> list[Made]:
        """Do a task once for each order, or find what it made before.

        Args:
            name: of the stage, for people and for files.
            task: a function of a module; must not depend on anything but its two arguments.
            orders: plain values, as JSON has them; each decides one result.
            given: what earlier tasks made and these need, by name; decides, too.

        Returns:
            One result for each order, in their order.
        """
        given = given or {}
        inputs = {key: _digest_of(made) for key, made in sorted(given.items())}
        names = [self._name(name, task, order, inputs) for order in orders]
        results = [None if self._fresh else self._keeper.find(key) for key in names]
        self._progress.on_start(name, len(orders))
        missing = [index for index, made in enumerate(results) if made is None]
        for _ in range(len(orders) - len(missing)):
            self._progress.on_task()

        def done(place: int, made: Made) -> None:
            index = missing[place]
            self._keeper.keep(names[index], made)
            results[index] = made
            self._progress.on_task()

        self._spreader.spread(task, [orders[index] for index in missing], given, done)
        return [made for made in results if made is not None]

    def _name(self, name: str, task: Task, order: dict[str, Any], inputs: dict[str, str]) -> str:
        what = [self._code, task.__module__, task.__qualname__, order, inputs]
        text = json.dumps(what, sort_keys=True, default=str)
        return f"{name.replace(' ', '-')}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def _digest_of(made: Made) -> str:
    content = hashlib.sha256(json.dumps(made.figures, sort_keys=True).encode())
    for key, array in sorted(made.arrays.items()):
        content.update(f"{key} {array.dtype} {array.shape}".encode() + array.tobytes())
    return content.hexdigest()[:20]
