"""Where tasks are done: in this process, in several, or on a Ray cluster."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Protocol

from camfilter.atomic import one_line
from camfilter.batch.on_ray import joined
from camfilter.errors import SettingError, SourceError
from camfilter.lab.experiment.made import Made

__all__ = ["Here", "InProcesses", "OnRay", "Spreader", "spreader_for"]

_Task = Callable[[dict[str, Any], dict[str, Made]], Made]
_Done = Callable[[int, Made], None]


class Spreader(Protocol):
    """Does one task for each of some orders."""

    def spread(
        self, task: _Task, orders: Sequence[dict[str, Any]], given: dict[str, Made], done: _Done
    ) -> None:
        """Do them all.

        Args:
            task: a function of a module.
            orders: one for each result.
            given: handed to each.
            done: is told the index of an order and its result, in the order in which they come.
        """


class Here:
    """In this process, one after the other."""

    def spread(
        self, task: _Task, orders: Sequence[dict[str, Any]], given: dict[str, Made], done: _Done
    ) -> None:
        """Do them all; see `Spreader`."""
        for index, order in enumerate(orders):
            done(index, _alone(task, order, given))


@dataclass(frozen=True)
class InProcesses:
    """In some processes of this machine, one thread each."""

    jobs: int

    def spread(
        self, task: _Task, orders: Sequence[dict[str, Any]], given: dict[str, Made], done: _Done
    ) -> None:
        """Do them all; see `Spreader`.

        Raises:
            SourceError: a process was killed.
        """
        if len(orders) < 2:
            Here().spread(task, orders, given, done)
            return
        # Spawned, as threads of torch do not survive a fork.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(self.jobs, len(orders)), context) as pool:
            waiting = {
                pool.submit(_alone, task, order, given): index for index, order in enumerate(orders)
            }
            try:
                for future in as_completed(waiting):
                    done(waiting[future], future.result())
            except BrokenProcessPool as error:
                raise SourceError(
                    "A process of the experiment ended early.", "Run it again to go on."
                ) from error
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


@dataclass(frozen=True)
class OnRay:
    """On a Ray cluster whose machines have camfilter and see the same data.

    Attributes:
        address: of the cluster, "host:6379" or "auto".
        more_tries: of a task whose worker was killed, before the experiment is given up.
    """

    address: str
    more_tries: int = 3

    def spread(
        self, task: _Task, orders: Sequence[dict[str, Any]], given: dict[str, Made], done: _Done
    ) -> None:
        """Do them all; see `Spreader`. A task whose worker is killed is done again elsewhere.

        Raises:
            SettingError: Ray is not installed, or there is no cluster at the address.
            SourceError: a task lost its worker again and again.
            Exception: what a task raises.
        """
        if len(orders) < 2:  # joining a cluster takes seconds, and spreads nothing here
            Here().spread(task, orders, given, done)
            return
        ray = joined(self.address)
        try:
            remote = ray.remote(_alone).options(num_cpus=1, max_retries=self.more_tries)
            shared = ray.put(given)
            waiting = {
                remote.remote(task, order, shared): index for index, order in enumerate(orders)
            }
            while waiting:
                (ready,), _ = ray.wait(list(waiting), num_returns=1)
                done(waiting.pop(ready), _fetched(ray, ready))
        finally:
            ray.shutdown()


def _fetched(ray: Any, reference: Any) -> Made:
    """What a task made; what it raised there is raised here."""
    try:
        made: Made = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise SourceError(
            f"The cluster gave a task up: {one_line(error)[:120]}.", "Run it again to go on."
        ) from error
    return made


def spreader_for(jobs: int, ray: str | None) -> Spreader:
    """The spreader that a person asked for.

    Raises:
        SettingError: both were asked for.
    """
    if ray is not None and jobs > 1:
        raise SettingError("Choose --jobs for this machine or --ray for a cluster, not both.")
    if ray is not None:
        return OnRay(ray)
    return InProcesses(jobs) if jobs > 1 else Here()


def _alone(task: _Task, order: dict[str, Any], given: dict[str, Made]) -> Made:
    """One task on one thread: so it gives the same figures wherever it runs."""
    import torch  # noqa: PLC0415 - a process of its own may not have it yet

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return task(order, given)
    finally:
        torch.set_num_threads(threads)
