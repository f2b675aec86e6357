"""How soon the chain over time hides an expression that has just come.

People of LFW's validation part with two pictures of different expressions: in a moving clip the
one turns into the other in five frames, or they come and go all the time. A spy reads the filtered
clip and the bare one, at 8 bits; a frame is fooled where the two answers differ.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from camfilter.assembly import open_surrogate
from camfilter.chain_recipe import Recipe
from camfilter.compose import compose
from camfilter.errors import CamfilterError, SettingError
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels, Size
from camfilter.governor import FULL_EFFORT, Effort
from camfilter.lab.evaluate.changes import (
    Change,
    changing_clip,
    pairs_of,
    since_change_s,
    to_and_fro,
)
from camfilter.lab.evaluate.cropping import Sighting, SpyDetector, cut
from camfilter.lab.evaluate.filtering import filter_clip, filter_without
from camfilter.lab.evaluate.recognisers import Recogniser, load_recognisers
from camfilter.lab.evaluate.subjects import Subject, people, read_still
from camfilter.over_time import ChainOverTime
from camfilter.settings import ChainSettings
from camfilter.surrogate.ensemble import members_of
from camfilter.surrogate.provider import Provider

REPOSITORY = Path(__file__).parents[1]
SIZE: Final = Size(640, 360)
RATE_HZ: Final = 30
READ_EVERY: Final = 2
SEED: Final = 3
CHAINS: Final = {
    "as shipped": (Recipe(), FULL_EFFORT),
    "what is new is hidden from the next frame on": (Recipe(at_once=False), FULL_EFFORT),
    "left in its cells when the skin moves": (Recipe(on_skin=False), FULL_EFFORT),
    "one surrogate reads now and then": (Recipe(alert=False), FULL_EFFORT),
    "eased to half of the stages": (Recipe(), Effort(0.5)),
    "eased to a quarter": (Recipe(), Effort(0.25)),
    "eased to a fifth": (Recipe(), Effort(0.2)),
}
"""What each chain is made of, and what a machine that is short of time spends on it."""

SPANS_S: Final = {
    "before": (-10.0, 0.0),
    "to 0.2 s": (0.0, 0.2),
    "to 0.4 s": (0.2, 0.4),
    "to 0.8 s": (0.4, 0.8),
    "later": (0.8, 10.0),
}
"""Since the first frame that shows something of the new expression."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """How the expression goes in a clip.

    Attributes:
        seconds: length of the clip.
        shares: of the second picture, by time and by chance.
    """

    seconds: float
    shares: Callable[[Floats, np.random.Generator], Floats]

    @property
    def times_s(self) -> Floats:
        """Time of each frame."""
        return np.arange(round(self.seconds * RATE_HZ)) / RATE_HZ


COURSES: Final = {
    "once": Course(2.0, lambda times_s, _: Change().shares(times_s)),
    "to-and-fro": Course(4.0, to_and_fro),
}


@dataclass
class Measured:
    """What was measured in one clip.

    Attributes:
        since_s: time since the newest change, in the frames that are read.
        fooled: whether each of them is fooled, by chain and recogniser.
        chain_ms: computing time of the chain for a frame, mean, by chain.
    """

    since_s: Floats
    fooled: dict[tuple[str, str], NDArray[np.bool_]] = field(default_factory=dict)
    chain_ms: dict[str, float] = field(default_factory=dict)


@cache
def readers(files: tuple[Path, ...]) -> list[Recogniser]:
    """All recognisers, opened once in each process."""
    return load_recognisers(files)


def answers(
    frames: list[Pixels], seen: list[Sighting], files: tuple[Path, ...]
) -> dict[str, NDArray[np.intp]]:
    """What each recogniser says in the frames that are read."""
    said = {}
    for reader in readers(files):
        crops = [cut(pixels, at, reader.rule) for pixels, at in zip(frames, seen, strict=True)]
        said[reader.name] = reader.read([each for each in crops if each is not None]).argmax(axis=1)
    return said


def measured(
    indexed: tuple[int, tuple[Subject, Subject]], course_name: str, files: tuple[Path, ...]
) -> Measured | None:
    """What each chain makes of the clip of two pictures; None without faces."""
    index, (before, after) = indexed
    course = COURSES[course_name]
    shares = course.shares(course.times_s, np.random.default_rng(SEED + index))
    finder = MediaPipeFaces(stills=True)
    stills = (read_still(before), read_still(after))
    frames = changing_clip(stills, SIZE, course.times_s, SEED + index, finder, shares)
    finder.close()
    if not frames:
        return None
    found = filter_clip(frames, RATE_HZ, filter_without(ChainSettings(), None, 0))
    detector = SpyDetector()
    seen = [at for at in detector.follow(frames[::READ_EVERY], len(frames)) if at is not None]
    detector.close()
    if found.faults or not all(found.faces) or len(seen) < len(frames[::READ_EVERY]):
        return None
    bare = answers(frames[::READ_EVERY], seen, files)
    result = Measured(since_change_s(course.times_s, shares)[::READ_EVERY])
    for name, (recipe, effort) in CHAINS.items():
        surrogate = open_surrogate(ChainSettings().surrogate, Provider.CPU)
        chain = ChainOverTime(surrogate, effort.applied(ChainSettings()), recipe=recipe)
        filtered, spent_s = [], 0.0
        for pixels, faces in zip(frames, found.faces, strict=True):
            start_s = time.process_time()
            change = chain.perturb_faces(pixels, faces)
            chain.catch_up()
            spent_s += time.process_time() - start_s
            filtered.append(compose(pixels, faces, change, ChainSettings().budget_levels))
        result.chain_ms[name] = 1e3 * spent_s / len(frames)
        for reader, said in answers(filtered[::READ_EVERY], seen, files).items():
            result.fooled[name, reader] = said != bare[reader]
    return result


def main(
    data: Annotated[
        Path, typer.Option(envvar="CAMFILTER_DATA", help="Folder with lfw_expressions.zip.")
    ] = REPOSITORY.parent / "shared" / "data",
    course: Annotated[str, typer.Option(help=f"How it goes: {', '.join(COURSES)}.")] = "once",
    faces: Annotated[int, typer.Option(help="People, at most.", min=1)] = 60,
    recogniser: Annotated[list[Path] | None, typer.Option(help="Foreign recognisers.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes.", min=1)] = 1,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure how soon a new expression is hidden."""
    files = tuple(recogniser or ())
    try:
        if course not in COURSES:
            raise SettingError(f"No course {course!r}.", f"Choose of: {', '.join(COURSES)}.")
        everybody = people(data / "lfw_expressions.zip", "valid")
        pairs = pairs_of(everybody, faces, np.random.default_rng(SEED))
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            work = partial(measured, course_name=course, files=files)
            asked = pool.map(work, enumerate(pairs))
            console = Console(stderr=True)
            done = [each for each in track(asked, "clips", len(pairs), console=console) if each]
    except CamfilterError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False)
        raise typer.Exit(1) from error
    figures = figures_of(done, files)
    if file is not None:
        file.write_text(json.dumps({"clips": len(done), "rows": figures}, indent=2) + "\n")
    table = Table(title=f"{len(done)} people whose expression changes, {course}: fooled")
    for column in ("chain", "recognisers", *SPANS_S, "all"):
        table.add_column(column)
    for row in figures:
        table.add_row(*(f"{cell:.0%}" if isinstance(cell, float) else cell for cell in row))
    Console().print(table)
    for name in CHAINS:
        chain_ms = np.mean([clip.chain_ms[name] for clip in done])
        print(f"{name}: {chain_ms:.1f} ms of computing a frame by the chain, mean")


def figures_of(done: list[Measured], files: tuple[Path, ...]) -> list[list[str | float]]:
    """Rows of the table: chain, group of recognisers, the share fooled in each span and in all."""
    attacked = {
        member.name
        for member in members_of(open_surrogate(ChainSettings().surrogate, Provider.CPU))
    }
    groups: dict[str, list[str]] = {"surrogates": [], "never attacked": [], "foreign": []}
    for reader in readers(files):
        foreign = "foreign" if reader.kind is not None else "never attacked"
        groups["surrogates" if reader.name in attacked else foreign].append(reader.name)
    since_s = np.concatenate([clip.since_s for clip in done])
    rows: list[list[str | float]] = []
    for chain in CHAINS:
        for group, names in groups.items():
            if not names:
                continue
            shares = np.concatenate(
                [np.mean([clip.fooled[chain, name] for name in names], axis=0) for clip in done]
            )
            spans = [
                float(shares[(since_s >= start) & (since_s < end)].mean())
                for start, end in SPANS_S.values()
            ]
            rows.append([chain, group, *spans, float(shares.mean())])
    return rows


if __name__ == "__main__":
    typer.run(main)
