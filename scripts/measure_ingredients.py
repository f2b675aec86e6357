"""What each ingredient of the chain over time gives, on validation identities.

A short form of `camfilter evaluate`, for many faces: clips are made and faces found once for all
chains, and the spy keeps to where it saw the face in the unfiltered clip.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from camfilter.assembly import open_surrogate
from camfilter.chain_recipe import Recipe
from camfilter.errors import CamfilterError
from camfilter.faces.base import Face
from camfilter.filter import FaceFilter
from camfilter.frames import Pixels
from camfilter.lab.evaluate.channels import CHANNELS, Outgoing
from camfilter.lab.evaluate.clips import make_clip
from camfilter.lab.evaluate.cropping import Sighting, SpyDetector, cut
from camfilter.lab.evaluate.filtering import (
    KnownFaces,
    attacked_families,
    filter_clip,
    filter_without,
)
from camfilter.lab.evaluate.measures import SURE, leakage
from camfilter.lab.evaluate.motion import MOTIONS
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.recognisers import Recogniser, load_recognisers
from camfilter.lab.evaluate.subjects import Subject, find_subjects
from camfilter.lab.evaluate.visibility import look_at
from camfilter.over_time import ChainOverTime
from camfilter.settings import ChainSettings
from camfilter.surrogate.provider import Provider
from camfilter.views import ViewRange

REPOSITORY = Path(__file__).resolve().parents[1]
ROUNDED, CODED = "u8", "h264-360p-500k"

Rows = NDArray[np.float32]
Readings = dict[tuple[str, str, str, str], Rows]
"""(n, classes) probabilities by variant, family left out, channel and recogniser."""

UNFILTERED: Final = "unfiltered"


@dataclass(frozen=True)
class Variant:
    """A chain that differs from the shipped one in one thing."""

    recipe: Recipe = field(default_factory=Recipe)
    settings: Mapping[str, Any] = field(default_factory=dict)


VARIANTS = {
    "as shipped": Variant(),
    "plain48 alone": Variant(settings={"surrogate": "plain48"}),
    "no decoy, only away from the truth": Variant(Recipe(decoys=False)),
    "the first decoy, whatever it leaves": Variant(Recipe(judged=False)),
    "one decoy for all faces": Variant(Recipe(drawn_by_face=False)),
    "no views": Variant(Recipe(reach=ViewRange(0, 0, 0, 0))),
    "views half as far": Variant(Recipe(reach=ViewRange(3.5, 0.05, 0.02, 0.05))),
    "views 1.5 times as far": Variant(Recipe(reach=ViewRange(10.5, 0.15, 0.06, 0.15))),
    "no masking": Variant(Recipe(masked=False)),
    "not pressed to the budget": Variant(Recipe(press=1.0)),
    "half of the energy": Variant(Recipe(radius=1.13)),
    "full steps, as in FGSM": Variant(Recipe(full_steps=True)),
    "all of the momentum kept": Variant(Recipe(kept=1.0)),
    "settled faces never rest": Variant(Recipe(rests=False)),
    "left in its cells when the skin moves": Variant(Recipe(on_skin=False)),
    "two stages a frame": Variant(settings={"stages_per_frame": 2}),
    "per frame, ten stages": Variant(settings={"chaining": "per-frame"}),
}


@cache
def readers(files: tuple[Path, ...]) -> list[Recogniser]:
    """All recognisers, opened once in each process."""
    return load_recognisers(files)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A clip that several chains filter.

    Attributes:
        frames: (height, width, 3) uint8, BGR.
        faces: of each frame, as the live filter finds them.
        seen: the spy's faces in the frames that it reads.
    """

    frames: list[Pixels]
    faces: list[tuple[Face, ...]]
    seen: list[Sighting]


def scene_of(subject: Subject, options: EvaluateOptions) -> Scene | None:
    """The clip of a subject; None where a face is missing anywhere."""
    clip = make_clip(subject, options)
    if not clip.frames:
        return None
    # One stage a frame is the least a filter does; only its faces are wanted.
    found = filter_clip(clip.frames, clip.rate_hz, filter_without(ChainSettings(), None, 0))
    detector = SpyDetector()
    seen = detector.follow(clip.frames[:: options.read_every], patience=len(clip.frames))
    detector.close()
    if found.faults or not all(found.faces) or any(sighting is None for sighting in seen):
        return None
    return Scene(clip.frames, found.faces, [sighting for sighting in seen if sighting is not None])


def sent_and_read(
    frames: Sequence[Pixels], scene: Scene, options: EvaluateOptions, asked: Sequence[Recogniser]
) -> Iterator[tuple[str, str, Rows]]:
    """What each recogniser reads at the far end of each channel."""
    outgoing = Outgoing(frames, options.rate_hz)
    for channel in options.channels:
        received = outgoing.through(CHANNELS[channel], options.read_every).frames
        for reader in asked:
            pairs = zip(received, scene.seen, strict=True)
            crops = [cut(pixels, sighting, reader.rule) for pixels, sighting in pairs]
            yield channel, reader.name, reader.read([crop for crop in crops if crop is not None])


def measured(
    subject: Subject, options: EvaluateOptions, names: Sequence[str]
) -> tuple[Readings, dict[str, dict[str, float]]] | None:
    """All readings of one subject, and what can be seen of each variant."""
    scene = scene_of(subject, options)
    if scene is None:
        return None
    everybody = readers(options.recognisers)
    found: Readings = {
        (UNFILTERED, "", channel, name): rows
        for channel, name, rows in sent_and_read(scene.frames, scene, options, everybody)
    }
    visible = {}
    for variant_name in names:
        variant = VARIANTS[variant_name]
        settings = ChainSettings.of(variant.settings)
        families = attacked_families(settings)
        left_out = ["", *(families if len(families) > 1 else ())]
        for family in left_out:
            finder = KnownFaces(scene.faces)
            made = filter_without(settings, family or None, options.seed, finder)
            if isinstance(made, FaceFilter) and isinstance(made.chain, ChainOverTime):
                surrogate = open_surrogate(
                    "+".join(name for names in families.values() for name in names
                             if name != family), Provider.CPU
                )  # fmt: skip
                made.chain = ChainOverTime(
                    surrogate, settings, seed=options.seed, recipe=variant.recipe
                )
            filtered = filter_clip(scene.frames, options.rate_hz, made)
            if not family:
                visible[variant_name] = look_at(scene.frames, filtered, options.rate_hz, 10)
            asked = [reader for reader in everybody if family in ("", reader.family)]
            for channel, name, rows in sent_and_read(filtered.frames, scene, options, asked):
                found[variant_name, family, channel, name] = rows
    return found, visible


def fooled(before: Sequence[Rows], after: Sequence[Rows], *, sure: bool) -> float:
    """Share of the frames that are read otherwise, of all or of those read surely before."""
    clean, read = np.concatenate(before), np.concatenate(after)
    counted = clean.max(axis=1) >= SURE if sure else np.ones(len(clean), np.bool_)
    return float((clean.argmax(axis=1) != read.argmax(axis=1))[counted].mean())


def figures_of(
    variant: str, labels: Sequence[str], found: Sequence[Readings], options: EvaluateOptions
) -> dict[str, float]:
    """Fool rates and leakage of one variant over all clips."""
    figures: dict[str, float] = {}
    families = attacked_families(ChainSettings.of(VARIANTS[variant].settings))
    attacked = [name for names in families.values() for name in names]
    own = {reader.name for reader in readers(options.recognisers) if reader.kind is None}
    for channel in options.channels:
        groups = defaultdict(list)
        for reader in readers(options.recognisers):
            before = [clip[UNFILTERED, "", channel, reader.name] for clip in found]
            for family in ("", reader.family):
                if (variant, family, channel, reader.name) not in found[0]:
                    continue
                after = [clip[variant, family, channel, reader.name] for clip in found]
                if reader.name in attacked and not family:
                    groups["surrogates"].append((fooled(before, after, sure=False), 0.0, 0.0))
                    continue
                bits = [
                    leakage(labels, [rows.argmax(axis=1) for rows in clips], clips[0].shape[1], 0)
                    for clips in (before, after)
                ]
                group = "unseen" if reader.name in own else "foreign"
                rate = fooled(before, after, sure=True)
                groups[group].append((rate, bits[0].bits, bits[1].bits))
        for group, rows in groups.items():
            rates, told, left = np.array(rows).T
            figures[f"{group} fooled, {channel}"] = float(rates.mean())
            if group != "surrogates":
                figures[f"{group} least, {channel}"] = float(rates.min())
                figures[f"{group} bits left, {channel}"] = float(left.sum() / max(told.sum(), 1e-6))
    return figures


def main(
    data: Annotated[
        Path, typer.Option(envvar="CAMFILTER_DATA", help="Folder with lfw_expressions.zip.")
    ] = REPOSITORY.parent / "shared" / "data",
    faces: Annotated[int, typer.Option(help="Clips.", min=2)] = 100,
    seconds: Annotated[float, typer.Option(help="Length of a clip.", min=0.2)] = 1.0,
    recogniser: Annotated[list[Path] | None, typer.Option(help="Foreign recognisers.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Variants whose name holds this.")] = None,
    motion: Annotated[str, typer.Option(help=f"How heads move: {', '.join(MOTIONS)}.")] = "calm",
    jobs: Annotated[int, typer.Option(help="Processes.", min=1)] = 1,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure the shipped chain, and what each change of it costs or gives."""
    names = [name for name in VARIANTS if not only or any(part in name for part in only)]
    try:
        options = EvaluateOptions.of(
            {
                "data": data, "part": "valid", "faces": faces, "seconds": seconds, "height_px": 360,
                "motion": motion, "channels": (ROUNDED, CODED),
                "recognisers": tuple(recogniser or ()), "seed": 11,
            }
        )  # fmt: skip
        subjects = find_subjects(options)
        work = partial(measured, options=options, names=names)
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            console = Console(stderr=True)
            done = list(track(pool.map(work, subjects), "clips", len(subjects), console=console))
    except CamfilterError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False)
        raise typer.Exit(1) from error
    kept = [(subject, *each) for subject, each in zip(subjects, done, strict=True) if each]
    labels = [subject.label or "" for subject, _, _ in kept]
    result: dict[str, dict[str, float]] = {}
    for name in names:
        result[name] = figures_of(name, labels, [found for _, found, _ in kept], options)
        for shown in ("ssim", "flicker_beyond_levels", "linf_levels"):
            values = [visible[name][shown] for _, _, visible in kept]
            result[name][shown] = max(values) if "linf" in shown else float(np.mean(values))
    if file is not None:
        file.write_text(json.dumps({"clips": len(kept), "variants": result}, indent=2) + "\n")
    Console().print(table_of(result, len(kept)))


def table_of(result: Mapping[str, Mapping[str, float]], clips: int) -> Table:
    """The figures after the codec, but for the first."""
    columns = {
        "surrogates, 8 bits": f"surrogates fooled, {ROUNDED}",
        "surrogates": f"surrogates fooled, {CODED}",
        "left out": f"unseen fooled, {CODED}",
        "least": f"unseen least, {CODED}",
        "bits left": f"unseen bits left, {CODED}",
        "foreign": f"foreign fooled, {CODED}",
        "their bits left": f"foreign bits left, {CODED}",
    }
    table = Table(title=f"{clips} moving clips through {CODED}")
    for column in ("", *columns, "SSIM", "flicker"):
        table.add_column(column, justify="right" if column else "left")
    for name, figures in result.items():
        shares = [figures.get(key) for key in columns.values()]
        cells = ["-" if share is None else f"{share:.1%}" for share in shares]
        table.add_row(
            name, *cells, f"{figures['ssim']:.3f}", f"{figures['flicker_beyond_levels']:.2f}"
        )
    return table


if __name__ == "__main__":
    typer.run(main)
