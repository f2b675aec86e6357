"""One forward pass in place of a chain, or as the start of one: what each gives, frame by frame."""

from __future__ import annotations

import json
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
from camfilter.decoy import DECOYS
from camfilter.errors import CamfilterError
from camfilter.expressions import EXPRESSIONS
from camfilter.faces.base import Box, Face
from camfilter.geometry import Crop
from camfilter.lab.data import hashed_part, load_faces
from camfilter.lab.identities import load_identities
from camfilter.lab.networks import SurrogateFolder, size_of
from camfilter.lab.one_pass import (
    EPSILON,
    Generator,
    OnePassTraining,
    UniversalTexture,
    decoys_for,
    train,
)
from camfilter.over_time import ChainOverTime, Recipe
from camfilter.settings import LEVELS, ChainSettings
from camfilter.surrogate.base import Surrogate
from camfilter.surrogate.manifest import Manifest, graphs_folder
from camfilter.surrogate.provider import Provider

REPOSITORY = Path(__file__).resolve().parents[1]
SIDE_PX: Final = 192
FRAMES: Final = (1, 4, 8, 15, 30)
FEW_STAGES: Final = 2

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
    picture: Levels, seed: int, surrogate: Surrogate, start: Start | None, first_stages: int | None
) -> list[Crop]:
    """What the chain over time adds to a still face after each of FRAMES, without masking.

    Args:
        picture: (48, 48).
        seed: of views and decoys.
        surrogate: that is attacked.
        start: what a new face wears first; None is nothing.
        first_stages: of the first frame; None takes the chain's own twelve.
    """
    corners = np.array([[0, 0], [SIDE_PX, 0], [SIDE_PX, SIDE_PX], [0, SIDE_PX]], np.float32)
    to_unit = np.array([[1 / SIDE_PX, 0, 0], [0, 1 / SIDE_PX, 0]])
    face = Face(corners, to_unit, Box(0, 0, SIDE_PX, SIDE_PX), track=0)
    large = np.kron(picture, np.ones((SIDE_PX // 48, SIDE_PX // 48), np.uint8))
    pixels = np.repeat(large[:, :, None], 3, axis=2)
    recipe = Recipe(masked=False, press=1.0)
    settings = ChainSettings()
    if first_stages is not None:
        settings = settings.model_copy(update={"chain_length": first_stages})
    begin = start or (lambda clean, _decoy: np.zeros_like(clean))
    chain = StartedChain(begin, surrogate, settings, seed=seed, recipe=recipe)
    found = []
    for frame in range(1, max(FRAMES) + 1):
        change = chain.perturb_faces(pixels, [face]).delta
        if frame == 1:
            chain.follow(ChainSettings())
        if frame in FRAMES:
            # The composition limits each pixel; a texture may ask for more.
            found.append(np.asarray(change[0].clip(-EPSILON, EPSILON)))
    return found


def by_another_picture(pictures: Levels, surrogate: Surrogate) -> list[Start | None]:
    """For each face, the texture that another picture of the person ended with."""
    ended = [
        by_chain(picture, index, surrogate, None, None)[-1]
        for index, picture in enumerate(pictures)
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
        for few in (None, FEW_STAGES):
            changes = [
                by_chain(picture, index, surrogate, start, few)
                for index, (picture, start) in enumerate(zip(clean, each, strict=True))
            ]
            found[name if few is None else f"{name}; {few} stages at first"] = {
                frame: fooled(networks, clean, np.stack(change)[:, None])
                for frame, change in zip(FRAMES, zip(*changes, strict=True), strict=True)
            }
    return found


def show(title: str, found: Found, held_out: Sequence[str]) -> None:
    """A table of shares: mean over the surrogates, then over networks that nobody attacked."""
    table = Table(title=title, caption="Surrogates, unseen.")
    table.add_column("")
    for frame in FRAMES:
        table.add_column(f"frame {frame}", justify="right")
    for name, frames in found.items():
        cells = []
        for row in frames.values():
            seen = [share for reader, share in row.items() if reader not in held_out]
            unseen = [share for reader, share in row.items() if reader in held_out]
            cells.append(f"{np.mean(seen):.0%}, {np.mean(unseen):.0%}")
        table.add_row(name, *cells)
    Console().print(table)


def main(
    data: Annotated[
        Path, typer.Option(envvar="CAMFILTER_DATA", help="Folder of FER+ and LFW's expressions.")
    ] = REPOSITORY.parent / "shared" / "data",
    steps: Annotated[int, typer.Option(help="Training steps of each.", min=1)] = 600,
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


def measured(data: Path, steps: int, faces: int) -> dict[str, Found]:
    """Both tables, shown as soon as they are known."""
    torch.manual_seed(0)
    manifest = Manifest.load(graphs_folder())
    names = (*manifest.attackable, *manifest.held_out)
    networks = {name: SurrogateFolder.named(name).load().requires_grad_(False) for name in names}
    attacked = [networks[name] for name in manifest.attackable]
    parts = load_faces(data, 48)
    makers = {"generator": Generator(), "universal texture": UniversalTexture()}
    for maker in makers.values():
        train(maker, parts.train.pictures, attacked, OnePassTraining(steps=steps))
    raw = parts.valid.pictures[np.random.default_rng(0).permutation(len(parts.valid))[:faces]]
    clean = torch.from_numpy(raw)[:, None].float() / LEVELS
    truths = torch.stack([read(network, clean) for network in attacked]).mean(0).argmax(1)
    decoys = decoys_for(truths, torch.Generator().manual_seed(1))
    alone: Found = {}
    for name, maker in makers.items():
        with torch.no_grad():
            alone[f"{name} alone"] = {1: fooled(networks, raw, maker(clean, decoys).numpy())}
    surrogate = open_surrogate(provider=Provider.CPU)
    made = {f"{name}, then chain": made_by(maker) for name, maker in makers.items()}
    begins: dict[str, Start | None] = {"chain": None, **made}
    starts = {name: [start] * len(raw) for name, start in begins.items()}
    alone |= over_frames(networks, raw, surrogate, starts)
    title = f"Fooled where sure, 8 bits: {faces} validation faces of FER+, {steps} steps"
    show(title, alone, manifest.held_out)
    first, second = pairs_of_people(data, faces)
    starts = {name: [start] * len(second) for name, start in begins.items()}
    starts["another picture's texture, then chain"] = by_another_picture(first, surrogate)
    pairs = over_frames(networks, second, surrogate, starts)
    show(f"The same on {len(second)} people of LFW's validation part", pairs, manifest.held_out)
    return {"ferplus": alone, "lfw": pairs}


if __name__ == "__main__":
    typer.run(main)
