"""One forward pass in place of a chain, or as the start of one: what each gives, frame by frame."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from camfilter.assembly import open_surrogate
from camfilter.chain_recipe import Recipe
from camfilter.decoy import DECOYS
from camfilter.errors import CamfilterError
from camfilter.expressions import EXPRESSIONS
from camfilter.faces.base import Box, Face
from camfilter.frames import Pixels
from camfilter.geometry import Crop
from camfilter.lab.data import hashed_part, load_faces
from camfilter.lab.identities import load_identities
from camfilter.lab.networks import SurrogateFolder, size_of
from camfilter.lab.one_pass import (
    EPSILON,
    Generator,
    OnePassTraining,
    UniversalTexture,
    at_limit,
    decoys_for,
    likeness,
    train,
)
from camfilter.over_time import ChainOverTime
from camfilter.settings import LEVELS, ChainSettings
from camfilter.surrogate.base import Surrogate
from camfilter.surrogate.manifest import Manifest, graphs_folder
from camfilter.surrogate.provider import Provider

REPOSITORY = Path(__file__).resolve().parents[1]
SIDE_PX: Final = 192
FRAMES: Final = (1, 4, 8, 15, 30)
FIRST_STAGES: Final = 24
FEW_STAGES: Final = 2
LENGTHS: Final = (1, 2, 3, 5, 10)
"""Chain lengths; a first frame gets 2.4 times as many stages."""
UNIVERSAL_STEPS: Final = 600
UNIVERSAL_LR: Final = 0.05
TIMED: Final = 30

Levels = NDArray[np.uint8]
Start = Callable[[Crop, int], Crop]
"""A clean face (48, 48) in [0, 1] and the index of its decoy to a texture in [0, 1] units."""

Found = dict[str, dict[int, dict[str, float]]]
"""Share of the faces fooled, by kind of start, frame and network."""


class StartedChain(ChainOverTime):
    """A chain over time whose new faces wear something before their first stage.

    Args:
        start: what.
        surrogate: as in `ChainOverTime`, like the rest.
    """

    def __init__(self, start: Start, surrogate: Surrogate, *args: Any, **more: Any) -> None:
        super().__init__(surrogate, *args, **more)
        self._start_texture = start

    @property
    def stages(self) -> int:
        """How many stages its faces have had."""
        return sum(state.stages for state in self._worn.values())

    def _start(self, crop: Crop, lost: Any) -> Any:
        state = super()._start(crop, lost)
        decoy = state.decoys.away_from(state.beliefs)
        if decoy is not None:
            clean = F.interpolate(torch.from_numpy(crop)[None, None], (48, 48), mode="area")
            state.texture = self._start_texture(clean[0, 0].numpy(), decoy)
        return state


def made_by(maker: nn.Module) -> Start:
    """A start texture by a trained maker; none for a decoy that it was not trained for."""

    def start(clean: Crop, decoy: int) -> Crop:
        name = EXPRESSIONS[decoy]
        if name not in DECOYS:
            return np.zeros_like(clean)
        with torch.no_grad():
            place = torch.tensor([DECOYS.index(name)])
            change = maker(torch.from_numpy(clean)[None, None], place)
        return np.asarray(change[0, 0].numpy().clip(-EPSILON, EPSILON), np.float32)

    return start


def by_chain(
    picture: Levels, seed: int, surrogate: Surrogate, start: Start | None, *, few: bool = False
) -> list[Crop]:
    """What the chain over time adds to a still face after each of FRAMES, without masking.

    Args:
        picture: (48, 48).
        seed: of views and decoys.
        surrogate: that is attacked.
        start: what a new face wears first; None is nothing.
        few: give the first frame FEW_STAGES stages, not FIRST_STAGES.
    """
    found = []
    length = min(LENGTHS) if few else max(LENGTHS)
    chain, pixels, face = a_still(picture, seed, surrogate, start, length)
    for frame in range(1, max(FRAMES) + 1):
        change = chain.perturb_faces(pixels, [face]).delta
        if frame == 1:
            chain.follow(ChainSettings())
        if frame in FRAMES:
            # The composition limits each pixel; a texture may ask for more.
            found.append(np.asarray(change[0].clip(-EPSILON, EPSILON)))
    return found


def a_still(
    picture: Levels, seed: int, surrogate: Surrogate, start: Start | None, chain_length: int
) -> tuple[StartedChain, Pixels, Face]:
    """A chain that has seen nothing yet, with a frame and its face; other arguments as `by_chain`.

    The shorter the chain, the larger its steps, so that a short one fills the budget, too.
    """
    corners = np.array([[0, 0], [SIDE_PX, 0], [SIDE_PX, SIDE_PX], [0, SIDE_PX]], np.float32)
    to_unit = np.array([[1 / SIDE_PX, 0, 0], [0, 1 / SIDE_PX, 0]])
    face = Face(corners, to_unit, Box(0, 0, SIDE_PX, SIDE_PX), track=0)
    large = np.kron(picture, np.ones((SIDE_PX // 48, SIDE_PX // 48), np.uint8))
    pixels = np.repeat(large[:, :, None], 3, axis=2)
    recipe = Recipe(masked=False, press=1.0)
    settings = ChainSettings(chain_length=chain_length)
    begin = start or (lambda clean, _decoy: np.zeros_like(clean))
    return StartedChain(begin, surrogate, settings, seed=seed, recipe=recipe), pixels, face


def first_frames(
    networks: Mapping[str, nn.Module], clean: Levels, surrogate: Surrogate
) -> dict[int, dict[str, float]]:
    """`fooled` in the first frame of chains of LENGTHS, by their number of stages in it."""
    found = {}
    for length in LENGTHS:
        changes, stages = [], 0
        for index, picture in enumerate(clean):
            chain, pixels, face = a_still(picture, index, surrogate, None, length)
            changes.append(chain.perturb_faces(pixels, [face]).delta.clip(-EPSILON, EPSILON))
            stages = chain.stages
        found[stages] = fooled(networks, clean, np.stack(changes))
    return found


def by_another_picture(pictures: Levels, surrogate: Surrogate) -> list[Start | None]:
    """For each face, the texture that another picture of the person ended with."""
    ended = [
        by_chain(picture, index, surrogate, None)[-1] for index, picture in enumerate(pictures)
    ]
    return [lambda _clean, _decoy, worn=worn: worn.copy() for worn in ended]  # type: ignore[misc]


def pairs_of_people(data: Path, count: int) -> tuple[Levels, Levels]:
    """Two pictures each of people of the validation part: (n, 48, 48) twice."""
    people = load_identities(data, 48, least_pictures=3)
    chosen = [
        np.flatnonzero(people.people == number)[:2]
        for number, name in enumerate(people.names)
        if hashed_part(name) == "valid"
    ][:count]
    first, second = np.array(chosen).T
    return people.pictures[first], people.pictures[second]


def read(network: nn.Module, faces: Tensor) -> Tensor:
    """What a network reads in (N, 1, 48, 48) faces: (N, 8) probabilities."""
    size_px = size_of(network)
    seen = F.interpolate(faces, (size_px, size_px), mode="bilinear", align_corners=False)
    with torch.no_grad():
        return torch.softmax(network(seen), 1)


def fooled(networks: Mapping[str, nn.Module], clean: Levels, change: Crop) -> dict[str, float]:
    """Share of the faces with another answer, where the answer was sure, for each network."""
    faces = torch.from_numpy(clean)[:, None].float() / LEVELS
    after = ((faces + torch.from_numpy(change)).clamp(0, 1) * LEVELS).round() / LEVELS
    row = {}
    for name, network in networks.items():
        before = read(network, faces)
        sure = before.max(1).values >= 0.5
        other = read(network, after).argmax(1) != before.argmax(1)
        row[name] = round(float(other[sure].float().mean()), 4)
    return row


def over_frames(
    networks: Mapping[str, nn.Module], clean: Levels, surrogate: Surrogate,
    starts: Mapping[str, Sequence[Start | None]],
) -> Found:  # fmt: skip
    """`fooled` after each of FRAMES for each kind of start, with all first stages and with few."""
    found: Found = {}
    for name, each in starts.items():
        for few in (False, True):
            changes = [
                by_chain(picture, index, surrogate, start, few=few)
                for index, (picture, start) in enumerate(zip(clean, each, strict=True))
            ]
            found[name if not few else f"{name}; {FEW_STAGES} stages at first"] = {
                frame: fooled(networks, clean, np.stack(change)[:, None])
                for frame, change in zip(FRAMES, zip(*changes, strict=True), strict=True)
            }
    return found


def shares(row: Mapping[str, float], held_out: Sequence[str]) -> str:
    """Mean share over the surrogates, then over networks that nobody attacked."""
    seen = [share for reader, share in row.items() if reader not in held_out]
    unseen = [share for reader, share in row.items() if reader in held_out]
    return f"{np.mean(seen):.0%}, {np.mean(unseen):.0%}"


def show(title: str, found: Found, held_out: Sequence[str]) -> None:
    """A table of `shares`."""
    table = Table(title=title, caption="Surrogates, unseen.")
    table.add_column("")
    for frame in FRAMES:
        table.add_column(f"frame {frame}", justify="right")
    for name, frames in found.items():
        table.add_row(name, *(shares(row, held_out) for row in frames.values()))
    Console().print(table)


def computing_ms(picture: Levels, surrogate: Surrogate, maker: nn.Module) -> dict[str, float]:
    """Computing time in milliseconds, median of TIMED: a pass, a stage, and a first frame."""
    clean, decoy = torch.from_numpy(picture)[None, None].float() / LEVELS, torch.tensor([0])

    def one_pass() -> float:
        begun = time.process_time()
        with torch.no_grad():
            maker(clean, decoy)
        return time.process_time() - begun

    def first_frame(*, few: bool) -> float:
        length = min(LENGTHS) if few else max(LENGTHS)
        chain, pixels, face = a_still(picture, 0, surrogate, None, length)
        begun = time.process_time()
        chain.perturb_faces(pixels, [face])
        return time.process_time() - begun

    # In turn, so that whatever else the machine does meets all of them alike.
    rounds = [(one_pass(), first_frame(few=True), first_frame(few=False)) for _ in range(TIMED)]
    once, few, all_stages = 1000 * np.median(rounds, axis=0)
    count = FIRST_STAGES - FEW_STAGES
    return {
        "one pass of the generator": round(once, 2),
        "one stage": round((all_stages - few) / count, 2),
        f"the {FIRST_STAGES} stages of a first frame, and its readings": round(all_stages, 1),
    }


def main(
    data: Annotated[
        Path, typer.Option(envvar="CAMFILTER_DATA", help="Folder of FER+ and LFW's expressions.")
    ] = REPOSITORY.parent / "shared" / "data",
    steps: Annotated[int, typer.Option(help="Training steps of the generator.", min=1)] = 2400,
    faces: Annotated[int, typer.Option(help="Validation faces that are asked about.", min=2)] = 96,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Train makers of textures, and compare them with the chain, alone and as its start."""
    try:
        found = measured(data, steps, faces)
    except CamfilterError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False)
        raise typer.Exit(1) from error
    if file is not None:
        file.write_text(json.dumps(found, indent=2) + "\n")


def trained(
    pictures: Levels, networks: Sequence[nn.Module], steps: int, console: Console
) -> dict[str, nn.Module]:
    """Both makers of textures; says what their training took."""
    makers: dict[str, nn.Module] = {
        "generator": Generator(),
        "universal texture": UniversalTexture(),
    }
    plans = {
        "generator": OnePassTraining(steps=steps),
        "universal texture": OnePassTraining(steps=min(steps, UNIVERSAL_STEPS), lr=UNIVERSAL_LR),
    }
    for name, maker in makers.items():
        begun = time.process_time()
        losses = train(maker, pictures, networks, plans[name])
        minutes = (time.process_time() - begun) / 60
        tenth = max(1, len(losses) // 10)
        console.print(
            f"{name}: {len(losses)} steps in {minutes:.1f} minutes of computing, "
            f"loss {np.mean(losses[:tenth]):.2f} to {np.mean(losses[-tenth:]):.2f}"
        )
        maker.eval().requires_grad_(False)
    return makers


def measured(data: Path, steps: int, faces: int) -> dict[str, Any]:
    """All tables, shown as soon as they are known."""
    torch.manual_seed(0)
    console = Console()
    manifest = Manifest.load(graphs_folder())
    names = (*manifest.attackable, *manifest.held_out)
    networks = {name: SurrogateFolder.named(name).load().requires_grad_(False) for name in names}
    attacked = [networks[name] for name in manifest.attackable]
    parts = load_faces(data, 48)
    makers = trained(parts.train.pictures, attacked, steps, console)
    raw = parts.valid.pictures[np.random.default_rng(0).permutation(len(parts.valid))[:faces]]
    clean = torch.from_numpy(raw)[:, None].float() / LEVELS
    truths = torch.stack([read(network, clean) for network in attacked]).mean(0).argmax(1)
    decoys = decoys_for(truths, torch.Generator().manual_seed(1))
    alone: Found = {}
    for name, maker in makers.items():
        change = maker(clean, decoys)
        row = fooled(networks, raw, change.numpy())
        alone[f"{name} alone"] = {1: row}
        console.print(
            f"{name}: changes of different faces correlate by {likeness(change, decoys):.2f}, "
            f"{at_limit(change):.0%} of the cells are at the limit; alone it fools "
            + shares(row, manifest.held_out)
        )
    surrogate = open_surrogate(provider=Provider.CPU)
    costs = computing_ms(raw[0], surrogate, makers["generator"])
    for name, milliseconds in costs.items():
        console.print(f"{name}: {milliseconds} ms of computing")
    by_stages = first_frames(networks, raw, surrogate)
    for count, row in by_stages.items():
        console.print(f"a first frame of {count} stages fools {shares(row, manifest.held_out)}")
    made = {f"{name}, then chain": made_by(maker) for name, maker in makers.items()}
    begins: dict[str, Start | None] = {"chain": None, **made}
    starts = {name: [start] * len(raw) for name, start in begins.items()}
    chained = over_frames(networks, raw, surrogate, starts)
    title = f"Fooled where sure, 8 bits: {faces} validation faces of FER+, {steps} steps"
    show(title, chained, manifest.held_out)
    first, second = pairs_of_people(data, faces)
    starts = {name: [start] * len(second) for name, start in begins.items()}
    starts["another picture's texture, then chain"] = by_another_picture(first, surrogate)
    pairs = over_frames(networks, second, surrogate, starts)
    show(f"The same on {len(second)} people of LFW's validation part", pairs, manifest.held_out)
    return {
        "computing_ms": costs,
        "first_frame": by_stages,
        "ferplus": alone | chained,
        "lfw": pairs,
    }


if __name__ == "__main__":
    typer.run(main)
