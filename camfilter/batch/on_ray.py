"""A batch on a Ray cluster whose machines see the same folders."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final

from camfilter.atomic import one_line
from camfilter.batch.local import TRIES
from camfilter.batch.tasks import Task
from camfilter.batch.work import Outcome, Worker
from camfilter.errors import SettingError
from camfilter.settings import ChainSettings
from camfilter.surrogate.provider import Provider
from camfilter.thread_limits import thread_variables

__all__ = ["joined", "run_on_ray"]

_SILENT: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Ray sends usage figures to its makers unless it is told not to."""

_PATIENCE_S: Final = 5.0


def run_on_ray(
    tasks: Sequence[Task],
    settings: ChainSettings,
    provider: Provider,
    address: str,
    on_done: Callable[[Outcome], None],
) -> None:
    """Protect recordings on a cluster, one worker for each of its CPUs.

    A worker that dies is started again on any machine that is left, and its recording with it;
    what is finished lies in place and is not touched again.

    Args:
        tasks: what to do.
        settings: of the chain.
        provider: hardware to run on.
        address: of the cluster, "host:6379" or "auto".
        on_done: called with each outcome, in the order in which they come.

    Raises:
        SettingError: Ray is not installed, or there is no cluster at the address.
    """
    ray = joined(address)
    try:
        _spread(ray, tasks, settings, provider, on_done)
    finally:
        ray.shutdown()


def joined(address: str) -> Any:
    """The module ray, once this process is part of a cluster; shut it down when done.

    Raises:
        SettingError: Ray is not installed, or there is no cluster at the address.
    """
    os.environ.update(_SILENT)
    try:
        ray = import_module("ray")
    except ImportError as error:
        raise SettingError("Ray is not installed.", "Install camfilter[ray].") from error
    try:
        _knock(address)
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="ERROR",
            configure_logging=True,
            ignore_reinit_error=False,
            runtime_env={"env_vars": {**thread_variables(1), **_SILENT}},
        )
    except Exception as error:
        raise SettingError(
            f"There is no Ray cluster at {address}: {one_line(error)[:120]}.",
            "Start one with ray start --head, and give its address.",
        ) from error
    return ray


def _knock(address: str) -> None:
    """Ray itself tries an address where nobody listens for seven minutes.

    Raises:
        OSError: nobody answers.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():  # "auto" and "local" are Ray's own words
        socket.create_connection((host, int(port)), _PATIENCE_S).close()


def _spread(
    ray: Any,
    tasks: Sequence[Task],
    settings: ChainSettings,
    provider: Provider,
    on_done: Callable[[Outcome], None],
) -> None:
    remote = ray.remote(num_cpus=1, max_restarts=0)(Worker)
    waiting = deque((task, 1) for task in tasks)
    hands = min(len(tasks), max(1, int(ray.cluster_resources().get("CPU", 1))))
    idle = [remote.remote(settings, provider) for _ in range(hands)]
    busy: dict[Any, tuple[Any, Task, int]] = {}
    while waiting or busy:
        while waiting and idle:
            worker = idle.pop()
            task, tries = waiting.popleft()
            busy[worker.protect.remote(task)] = (worker, task, tries)
        (ready, *_), _rest = ray.wait(list(busy), num_returns=1)
        worker, task, tries = busy.pop(ready)
        try:
            outcome = ray.get(ready)
        except ray.exceptions.RayError as error:
            # The worker or its machine is gone: another one, wherever there is room.
            idle.append(remote.remote(settings, provider))
            if tries < TRIES:
                waiting.appendleft((task, tries + 1))
            else:
                on_done(Outcome(task, f"Its worker died {tries} times: {_said(error)}", {}))
            continue
        idle.append(worker)
        on_done(outcome)
    for worker in idle:
        ray.kill(worker)


def _said(error: Exception) -> str:
    return one_line(error).split(". ")[0][:160] + "."
