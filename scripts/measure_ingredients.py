"""What each ingredient of the chain over time gives, on validation identities."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from camfilter.errors import CamfilterError
from camfilter.faces.base import FaceFinder
from camfilter.filter import FaceFilter, FrameFilter
from camfilter.lab.evaluate.collect import collect
from camfilter.lab.evaluate.filtering import filter_without
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.run import evaluate
from camfilter.over_time import ChainOverTime, Recipe
from camfilter.settings import ChainSettings
from camfilter.views import ViewRange

REPOSITORY = Path(__file__).resolve().parents[1]
CHANNELS = ("u8", "h264-360p-500k")
JUDGED = CHANNELS[-1]


@dataclass(frozen=True)
class Variant:
    """A chain that differs from the shipped one in one thing."""

    recipe: Recipe = field(default_factory=Recipe)
    settings: Mapping[str, Any] = field(default_factory=dict)


VARIANTS = {
    "as shipped": Variant(),
    "plain48 alone": Variant(settings={"surrogate": "plain48"}),
    "no decoy: only away from the truth": Variant(Recipe(decoys=False)),
    "no views": Variant(Recipe(reach=ViewRange(0, 0, 0, 0))),
    "views 1.5 times as far": Variant(Recipe(reach=ViewRange(10, 0.15, 0.06, 0.15))),
    "no masking": Variant(Recipe(masked=False)),
    "not pressed to the budget": Variant(Recipe(press=1.0)),
    "half of the energy": Variant(Recipe(radius=1.13)),
    "full steps, as in FGSM": Variant(Recipe(full_steps=True)),
    "all of the momentum kept": Variant(Recipe(kept=1.0)),
    "two stages a frame": Variant(settings={"stages_per_frame": 2}),
    "per frame, ten stages": Variant(settings={"chaining": "per-frame"}),
}


def filter_of(
    variant: Variant,
    settings: ChainSettings,
    excluded_family: str | None,
    seed: int,
    finder: FaceFinder | None = None,
) -> FrameFilter:
    """The filter that is evaluated."""
    made = filter_without(settings, excluded_family, seed, finder)
    if isinstance(made, FaceFilter) and isinstance(made.chain, ChainOverTime):
        surrogate = made.chain.surrogate
        made.chain = ChainOverTime(surrogate, settings, seed=seed, recipe=variant.recipe)
    return made


def measured(variant: Variant, name: str, values: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """The figures of one variant."""
    options = EvaluateOptions.of({**values, "settings": ChainSettings.of(variant.settings)})
    evaluation = evaluate(
        options, out, make_filter=partial(filter_of, variant), filter_name=f"{name} {variant}"
    )
    figures = collect(evaluation)
    seen = figures["visibility"]["filtered"]
    judged, rounded = figures["summary"][JUDGED], figures["summary"][CHANNELS[0]]
    return {
        "surrogates_fooled_u8": rounded["surrogates_fooled"],
        "surrogates_fooled": judged["surrogates_fooled"],
        "left_out": judged["unseen_own"],
        "foreign": judged["unseen_foreign"],
        "visibility": seen,
    }


def main(
    data: Annotated[
        Path, typer.Option(envvar="CAMFILTER_DATA", help="Folder with lfw_expressions.zip.")
    ] = REPOSITORY.parent / "shared" / "data",
    faces: Annotated[int, typer.Option(help="Clips.", min=2)] = 32,
    recogniser: Annotated[list[Path] | None, typer.Option(help="Foreign recognisers.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Variants whose name holds this.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for what can be resumed.")] = REPOSITORY
    / "runs/ingredients",
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure the shipped chain, and what each change of it costs or gives."""
    values = {
        "data": data,
        "part": "valid",
        "faces": faces,
        "channels": CHANNELS,
        "countermeasures": ("plain",),
        "recognisers": tuple(recogniser or ()),
    }
    table = Table(title=f"{faces} moving clips, fooled where sure at {JUDGED}")
    for column in (
        "",
        "surrogates",
        "left out",
        "foreign",
        "control",
        "leakage",
        "SSIM",
        "flicker",
    ):
        table.add_column(column, justify="left" if not column else "right")
    found = {}
    for name, variant in VARIANTS.items():
        if only and not any(part in name for part in only):
            continue
        try:
            found[name] = figures = measured(variant, name, values, out)
        except CamfilterError as error:
            Console(stderr=True).print(str(error), style="red", highlight=False)
            raise typer.Exit(1) from error
        table.add_row(name, *row_of(figures))
        Console(stderr=True).print(f"{name}: {'  '.join(row_of(figures))}", highlight=False)
        if file is not None:
            file.write_text(json.dumps(found, indent=2) + "\n")
    Console().print(table)


def row_of(figures: Mapping[str, Any]) -> list[str]:
    """One line of the table."""
    left_out, foreign, seen = figures["left_out"], figures["foreign"], figures["visibility"]
    shares = (
        figures["surrogates_fooled"],
        left_out["fooled_sure_mean"],
        foreign["fooled_sure_mean"],
        left_out["control_sure_mean"],
        left_out["leakage_ratio"],
    )
    return [
        *("-" if share is None else f"{share:.0%}" for share in shares),
        f"{seen['ssim']:.3f}",
        f"{seen['flicker_beyond_levels']:.2f}",
    ]


if __name__ == "__main__":
    typer.run(main)
