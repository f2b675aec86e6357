"""A whole evaluation: plan, work, collect."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from camfilter.errors import SourceError
from camfilter.lab.evaluate.cache import Cache
from camfilter.lab.evaluate.filtering import FilterMaker, filter_without
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.plan import Plan
from camfilter.lab.evaluate.recognisers import load_recognisers
from camfilter.lab.evaluate.subjects import Subject, find_subjects
from camfilter.lab.evaluate.worker import Worker

__all__ = ["CACHE_FOLDER", "Evaluation", "evaluate"]

CACHE_FOLDER = "cache"


@dataclass(frozen=True)
class Evaluation:
    """An evaluation whose results lie in the cache.

    Attributes:
        plan: what was done.
        cache: where the results are.
        subjects: those that could be evaluated.
        left_out: why the others could not, by name.
    """

    plan: Plan
    cache: Cache
    subjects: list[Subject]
    left_out: dict[str, str] = field(default_factory=dict)


def evaluate(
    options: EvaluateOptions,
    folder: Path,
    *,
    jobs: int = 1,
    fresh: bool = False,
    make_filter: FilterMaker = filter_without,
    filter_name: str = "",
    on_start: Callable[[int], None] = lambda _clips: None,
    on_clip: Callable[[str], None] = lambda _name: None,
) -> Evaluation:
    """Evaluate all clips, but for what an earlier run in the same folder did already.

    Args:
        options: of the evaluation.
        folder: where the cache lies.
        jobs: processes.
        fresh: forget the cache first.
        make_filter: builds the filter to be evaluated; a function of a module.
        filter_name: names it in the cache where it is not the shipped one.
        on_start: is told the number of clips.
        on_clip: is told the name of each clip that is done.

    Raises:
        SourceError: no subject could be evaluated.
        SettingError: an option or a recogniser cannot be used.
        SinkError: the cache cannot be written.
    """
    plan = Plan(options, load_recognisers(options.recognisers), filter_name)
    cache = Cache(folder / CACHE_FOLDER, fresh=fresh)
    subjects = find_subjects(options)
    on_start(len(subjects))
    if jobs > 1 and len(subjects) > 1:
        reasons = _in_processes(subjects, plan, cache, make_filter, filter_name, jobs, on_clip)
    else:
        reasons = _here(subjects, plan, cache, make_filter, on_clip)
    left_out = {name: reason for name, reason in sorted(reasons.items()) if reason}
    kept = [subject for subject in subjects if subject.name not in left_out]
    if not kept:
        raise SourceError(
            f"None of {len(subjects)} pictures and videos could be used:",
            f"{next(iter(left_out.values()))}.".replace("..", "."),
        )
    return Evaluation(plan, cache, kept, left_out)


def _here(
    subjects: Sequence[Subject],
    plan: Plan,
    cache: Cache,
    make_filter: FilterMaker,
    on_clip: Callable[[str], None],
) -> dict[str, str]:
    worker = Worker(plan, cache, make_filter)
    reasons = {}
    try:
        for subject in subjects:
            reasons[subject.name] = worker.evaluate(subject)
            on_clip(subject.name)
    finally:
        worker.close()
    return reasons


@dataclass(frozen=True)
class _Order:
    """What a process needs to build its worker."""

    options: EvaluateOptions
    folder: Path
    make_filter: FilterMaker
    filter_name: str
    code: str


def _in_processes(
    subjects: Sequence[Subject],
    plan: Plan,
    cache: Cache,
    make_filter: FilterMaker,
    filter_name: str,
    jobs: int,
    on_clip: Callable[[str], None],
) -> dict[str, str]:
    order = _Order(plan.options, cache.folder, make_filter, filter_name, plan.code)
    # Spawned, as MediaPipe's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    reasons: dict[str, str] = {}
    with ProcessPoolExecutor(min(jobs, len(subjects)), context) as pool:
        waiting = {pool.submit(_in_process, order, subject): subject for subject in subjects}
        try:
            for future in as_completed(waiting):
                name = waiting[future].name
                reasons[name] = future.result()
                on_clip(name)
        except BrokenProcessPool as error:
            raise SourceError(
                "A process of the evaluation ended early.", "Run it again to go on."
            ) from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return reasons


def _in_process(order: _Order, subject: Subject) -> str:
    return _worker_of(order).evaluate(subject)


@lru_cache(maxsize=1)
def _worker_of(order: _Order) -> Worker:
    """The worker of this process: recognisers are loaded once."""
    plan = Plan(order.options, load_recognisers(order.options.recognisers), order.filter_name)
    if plan.code != order.code:
        raise SourceError("camfilter was changed while it was evaluated.", "Run it again.")
    return Worker(plan, Cache(order.folder), order.make_filter)
