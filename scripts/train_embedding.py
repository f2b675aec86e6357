"""Train an embedding network of models/ on people of LFW, or on faces with names of your own."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console

from camfilter.errors import CamfilterError
from camfilter.lab.experiment.made import Made, digest_of_lab
from camfilter.lab.experiment.spreading import Here
from camfilter.lab.experiment.workbench import Workbench
from camfilter.lab.faceoff.cards import with_figures
from camfilter.lab.faceoff.learning import EmbeddingRecipe, learn
from camfilter.lab.faceoff.networks import EmbeddingFolder, embedded_by, embedding_names
from camfilter.lab.faceoff.people import Part, load_part
from camfilter.lab.faceoff.verification import (
    centroids_of,
    gallery_split,
    pairs_of,
    rank_of,
    verified,
)
from camfilter.lab.networks import save_weights, size_of

REPOSITORY = Path(__file__).resolve().parents[1]
GALLERY = 5


def crops_of_part(order: dict[str, Any], _given: dict[str, Made]) -> Made:
    """Crops of all faces of a part, in every size that a network wants."""
    placed = load_part(Path(order["data"]), Part(order["part"]))
    crops = {
        f"crops-{size}": np.rint(placed.crops(size) * 255).astype(np.uint8)
        for size in order["sizes"]
    }
    counted = {"people": len(placed.names), "pictures": len(placed), "missed": placed.missed}
    return Made(counted, {**crops, "people": placed.people})


def score(network: torch.nn.Module, valid: Made, test: Made) -> dict[str, Any]:
    """What the network gives on people it never saw; thresholds come from the validation part."""
    size = size_of(network)
    embedded = {
        name: embedded_by(network, part.arrays[f"crops-{size}"].astype(np.float32) / 255)
        for name, part in (("valid", valid), ("test", test))
    }
    pairs = {
        name: pairs_of(embedded[name], part.arrays["people"], seed=0)
        for name, part in (("valid", valid), ("test", test))
    }
    figures: dict[str, Any] = {
        "valid_auc": pairs["valid"].auc,
        **verified(pairs["valid"], pairs["test"]),
        "pairs": len(pairs["test"].same),
    }
    people = test.arrays["people"]
    counts = np.bincount(people)
    enough = np.flatnonzero(np.isin(people, np.flatnonzero(counts >= 2 * GALLERY)))
    _, numbers = np.unique(people[enough], return_inverse=True)
    gallery, probes = gallery_split(numbers, GALLERY, seed=0)
    mine = embedded["test"][enough]
    rank = rank_of(mine[probes], centroids_of(mine[gallery], numbers[gallery]), numbers[probes])
    by_person = [float((rank[numbers[probes] == p] == 0).mean()) for p in range(numbers.max() + 1)]
    return figures | {
        "gallery_people": int(numbers.max()) + 1,
        "probes": len(probes),
        "top1": float((rank == 0).mean()),
        "top1_mean_over_people": float(np.mean(by_person)),
        "top3": float((rank < 3).mean()),
    }


def main(
    name: Annotated[str, typer.Argument(help="Network: a folder models/embed-*.")],
    *,
    data: Annotated[Path, typer.Option(envvar="CAMFILTER_DATA", help="Faces with names.")] = (
        REPOSITORY.parent / "shared" / "data"
    ),
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = REPOSITORY / "runs/embeddings",
    steps: Annotated[int | None, typer.Option(help="Instead of the recipe's.", min=1)] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Write into models/NAME.")] = False,
) -> None:
    """Train an embedding network on the training people and score it on unseen ones."""
    console = Console()
    torch.set_num_threads(1)
    try:
        folder = EmbeddingFolder.named(name)
        recipe = EmbeddingRecipe.load(folder.recipe)
        if steps is not None:
            recipe = recipe.model_copy(update={"steps": steps})
        code = digest_of_lab(("faceoff/people.py", "identities.py"))
        workbench = Workbench(out / "kept", code, Here())
        sizes = sorted(size_of(EmbeddingFolder.named(other).build()) for other in embedding_names())
        train, valid, test = (
            workbench.do(
                part.value, crops_of_part,
                {"data": str(data), "part": part.value, "sizes": sizes},
            )
            for part in (Part.TRAIN, Part.VALID, Part.TEST)
        )  # fmt: skip
    except CamfilterError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False)
        raise typer.Exit(1) from error
    torch.manual_seed(recipe.seed)
    network = folder.build()
    crops = train.arrays[f"crops-{size_of(network)}"]
    began, processor = time.monotonic(), time.process_time()
    losses: list[float] = []

    def told(step: int, loss: float) -> None:
        losses.append(loss)
        if step % 100 == 0 or step == recipe.steps:
            console.print(f"step {step}/{recipe.steps}  loss {np.mean(losses[-100:]):.4f}  "
                          f"{time.monotonic() - began:.0f} s", highlight=False)  # fmt: skip

    average = learn(network, crops, train.arrays["people"], recipe, on_step=told)
    metrics = {
        "parameters": sum(weight.numel() for weight in average.parameters()),
        "train": train.figures, "valid": valid.figures, "test": test.figures,
        "core_seconds": round(time.process_time() - processor, 1),
        "unseen_people": score(average, valid, test),
        "recipe": recipe.model_dump(),
    }  # fmt: skip
    text = json.dumps(metrics, indent=2) + "\n"
    place = out / name
    place.mkdir(parents=True, exist_ok=True)
    save_weights(average, place / folder.checkpoint.name)
    (place / "metrics.json").write_text(text)
    if publish:
        save_weights(average, folder.checkpoint)
        (folder.path / "metrics.json").write_text(text)
        card = folder.path / "README.md"
        if card.exists():
            card.write_text(with_figures(card.read_text(), metrics))
    console.print(metrics["unseen_people"], metrics["core_seconds"], highlight=False)


if __name__ == "__main__":
    typer.run(main)
