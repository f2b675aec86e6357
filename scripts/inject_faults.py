"""Inject faults at every seam: each alone, in pairs, and in random schedules; print the figures.

A broken promise is named with the seed that repeats it. Every pair takes half an hour.
"""

from __future__ import annotations

import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import hypothesis
import typer
from hypothesis import strategies

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]

from reliability.runs import (  # noqa: E402
    HEAL_S,
    Outcome,
    all_faults,
    all_pairs,
    random_schedule,
    silent_faults,
    with_faults,
)

CHAININGS = ("over-time", "per-frame")
STEPS_PER_SCHEDULE = 400
STEPS_PER_EXAMPLE = 100


class Tally:
    """Figures of one kind of run."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.runs = self.steps = self.broken = 0
        self.worst_heal_s = 0.0
        self.frames: Counter[str] = Counter()

    def add(self, name: str, outcome: Outcome) -> None:
        """Count a run, and name it if it broke a promise."""
        self.runs += 1
        self.steps += outcome.steps
        self.frames += outcome.looked_at
        self.worst_heal_s = max(self.worst_heal_s, outcome.heal_s)
        if not outcome.kept:
            self.broken += 1
            why = outcome.broken[0] if outcome.broken else f"healed after {outcome.heal_s:.2f} s"
            print(f"BROKEN  {name}: {why}")

    def row(self) -> str:
        """A row of the table."""
        shown = ", ".join(f"{count:,} {state}" for state, count in sorted(self.frames.items()))
        return (
            f"| {self.kind} | {self.runs:,} | {self.steps:,} | {self.frames.total():,} "
            f"({shown}) | {self.broken} | {self.worst_heal_s:.2f} |"
        )


def tally(kind: str, runs: Iterable[tuple[str, Callable[[], Outcome]]]) -> Tally:
    """Do all runs of a kind."""
    figures = Tally(kind)
    for name, run in runs:
        figures.add(name, run())
    return figures


def single() -> Iterable[tuple[str, Callable[[], Outcome]]]:
    for chaining in CHAININGS:
        for number, named in enumerate([*all_faults(), *silent_faults()]):
            yield (
                f"{named[0]}: {named[1].name} ({chaining}, seed {number})",
                lambda n=number, c=chaining, f=named: with_faults(f, seed=n, chaining=c),
            )


def pairs(count: int) -> Iterable[tuple[str, Callable[[], Outcome]]]:
    chosen = list(all_pairs())
    if count:
        chosen = random.Random(count).sample(chosen, min(count, len(chosen)))
    for number, (first, second) in enumerate(chosen):
        yield (
            f"{first[0]}: {first[1].name} + {second[0]}: {second[1].name} (seed {number})",
            lambda n=number, a=first, b=second: with_faults(a, b, seed=n),
        )


def schedules(steps: int, start: int) -> Iterable[tuple[str, Callable[[], Outcome]]]:
    for seed in range(start, start + -(-steps // STEPS_PER_SCHEDULE)):
        yield f"schedule {seed}", lambda s=seed: random_schedule(s, STEPS_PER_SCHEDULE)


def drawn(steps: int, seed: int) -> Tally:
    """Schedules that hypothesis draws; it makes one that breaks a promise short, and shows it."""
    figures = Tally("schedules drawn by hypothesis")

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=-(-steps // STEPS_PER_EXAMPLE),
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(
        strategies.randoms(use_true_random=False, note_method_calls=False),
        strategies.integers(0, 999),
    )
    def look(dice: random.Random, scene: int) -> None:
        outcome = random_schedule(scene, STEPS_PER_EXAMPLE, dice)
        figures.add(f"drawn with scene {scene}", outcome)
        assert outcome.kept

    with suppress(AssertionError):
        look()
    return figures


def main(
    pair_count: Annotated[int, typer.Option("--pairs", min=0, help="0 for every pair.")] = 300,
    steps: Annotated[int, typer.Option(min=0, help="Steps of random schedules.")] = 20_000,
    drawn_steps: Annotated[int, typer.Option(min=100, help="Steps drawn by hypothesis.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Of the first schedule.")] = 1000,
) -> None:
    """Inject faults at every seam and print what came of it; exit status 1 if a promise broke."""
    warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, about the NaN that is put in
    start_s = time.monotonic()
    figures = [
        tally("one fault", single()),
        tally("two at once", pairs(pair_count)),
        tally("random schedules", schedules(steps, seed)),
        drawn(drawn_steps, seed),
    ]
    print("| | runs | steps | frames looked at | broken | longest healing, s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for part in figures:
        print(part.row())
    print(f"Healing allowed: {HEAL_S:g} s. Took {time.monotonic() - start_s:.0f} s.")
    if any(part.broken for part in figures):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
