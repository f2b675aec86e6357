"""One forward pass in place of a chain: how a generator and a universal texture compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from camfilter.assembly import open_surrogate
from camfilter.decoy import DECOYS
from camfilter.expressions import EXPRESSIONS
from camfilter.faces.base import Box, Face
from camfilter.lab.data import load_faces
from camfilter.lab.networks import SurrogateFolder, size_of
from camfilter.lab.one_pass import (
    Generator,
    OnePassTraining,
    UniversalTexture,
    decoys_for,
    train,
)
from camfilter.over_time import ChainOverTime, Recipe
from camfilter.settings import LEVELS, ChainSettings
from camfilter.surrogate.manifest import Manifest, graphs_folder
from camfilter.surrogate.provider import Provider

REPOSITORY = Path(__file__).resolve().parents[1]
SIDE_PX = 192


def read(network: nn.Module, faces: Tensor) -> Tensor:
    """What a network reads in (N, 1, 48, 48) faces: (N, 8) probabilities."""
    size_px = size_of(network)
    seen = F.interpolate(faces, (size_px, size_px), mode="bilinear", align_corners=False)
    with torch.no_grad():
        return torch.softmax(network(seen), 1)


def rounded(faces: Tensor, change: Tensor) -> Tensor:
    """Faces after the change, in whole levels."""
    return ((faces + change).clamp(0, 1) * LEVELS).round() / LEVELS


def by_chain(faces: np.ndarray[Any, Any], frames: int) -> Tensor:
    """The change that the chain over time makes after some frames, without masking."""
    corners = np.array([[0, 0], [SIDE_PX, 0], [SIDE_PX, SIDE_PX], [0, SIDE_PX]], np.float32)
    to_unit = np.array([[1 / SIDE_PX, 0, 0], [0, 1 / SIDE_PX, 0]])
    face = Face(corners, to_unit, Box(0, 0, SIDE_PX, SIDE_PX), track=0)
    surrogate = open_surrogate(provider=Provider.CPU)
    changes = []
    for index, picture in enumerate(faces):
        large = np.kron(picture, np.ones((SIDE_PX // 48, SIDE_PX // 48), np.uint8))
        pixels = np.repeat(large[:, :, None], 3, axis=2)
        recipe = Recipe(masked=False, press=1.0)
        chain = ChainOverTime(surrogate, ChainSettings(), seed=index, recipe=recipe)
        for _ in range(frames):
            found = chain.perturb_faces(pixels, [face])
        changes.append(found.delta)
    return torch.from_numpy(np.stack(changes))


def main(
    data: Annotated[
        Path, typer.Option(envvar="CAMFILTER_DATA", help="Folder of FER+.")
    ] = REPOSITORY.parent / "shared" / "data",
    steps: Annotated[int, typer.Option(help="Training steps of each.", min=1)] = 600,
    faces: Annotated[int, typer.Option(help="Validation faces that are asked about.")] = 128,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Train both against the surrogates, and compare them with the chain on validation faces."""
    torch.manual_seed(0)
    manifest = Manifest.load(graphs_folder())
    names = (*manifest.attackable, *manifest.held_out)
    networks = {name: SurrogateFolder.named(name).load().eval() for name in names}
    for network in networks.values():
        network.requires_grad_(False)
    parts = load_faces(data, 48)
    makers = {"generator": Generator(), "universal texture": UniversalTexture()}
    for maker in makers.values():
        attacked = [networks[name] for name in manifest.attackable]
        train(maker, parts.train.pictures, attacked, OnePassTraining(steps=steps))
    chosen = np.random.default_rng(0).permutation(len(parts.valid))[:faces]
    raw = parts.valid.pictures[chosen]
    clean = torch.from_numpy(raw)[:, None].float() / LEVELS
    truths = torch.stack([read(networks[name], clean) for name in manifest.attackable])
    decoys = decoys_for(truths.mean(0).argmax(1), torch.Generator().manual_seed(1))
    changes = {}
    for name, maker in makers.items():
        with torch.no_grad():
            changes[name] = maker(clean, decoys)
    for frames in (1, 15, 45):
        changes[f"chain over time, frame {frames}"] = by_chain(raw, frames)
    found = {}
    table = Table(title=f"Fooled where sure: {faces} validation faces, 8 bits, {steps} steps")
    table.add_column("")
    for name in names:
        table.add_column(f"{name}{' (unseen)' if name in manifest.held_out else ''}")
    for name, change in changes.items():
        after = rounded(clean, change)
        row = {}
        for reader in names:
            before = read(networks[reader], clean)
            sure = before.max(1).values >= 0.5
            fooled = read(networks[reader], after).argmax(1) != before.argmax(1)
            row[reader] = round(float(fooled[sure].float().mean()), 4)
        found[name] = row
        table.add_row(name, *(f"{share:.0%}" for share in row.values()))
    Console().print(table)
    Console().print(f"Decoys: {', '.join(DECOYS)} of {len(EXPRESSIONS)}.", highlight=False)
    if file is not None:
        file.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
