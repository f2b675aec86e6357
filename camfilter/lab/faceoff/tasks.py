"""The tasks of the experiment: an attack and how it is read; the price of adversarial training."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from camfilter.lab.experiment.made import Made
from camfilter.lab.faceoff.cast import Cast
from camfilter.lab.faceoff.judging import Service, judged, services, sizes_of_change
from camfilter.lab.faceoff.learning import EmbeddingRecipe, learn
from camfilter.lab.faceoff.losses import Loss, Member, Objective
from camfilter.lab.faceoff.masks import control_of
from camfilter.lab.faceoff.networks import EmbeddingFolder, embedded_by
from camfilter.lab.faceoff.optimisers import Norm, Optimiser, Plan, perturbed
from camfilter.lab.faceoff.people import Part, finder, load_part
from camfilter.lab.faceoff.verification import pairs_of
from camfilter.lab.networks import size_of

__all__ = ["CAST", "REFERENCE_PX", "attack_and_judge", "price_of_training", "read_clean"]

CAST: Final = "cast"
REFERENCE_PX: Final = 64


def read_clean(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """How the services match unmasked probes, and how well they verify the cast's people."""
    cast = Cast.of(given[CAST])
    rows = []
    for judge in services(order["networks"], cast):
        everybody = np.concatenate([cast.gallery.people, cast.anchors.people, cast.probes.people])
        parts = [cast.gallery, cast.anchors, cast.probes]
        crops = np.concatenate([part.crops(size_of(judge.network)) for part in parts])
        pairs = pairs_of(embedded_by(judge.network, crops), everybody, order["seed"])
        rank = judge.clean_rank
        rows.append({
            "network": judge.name, "input_px": size_of(judge.network),
            "dimensions": judge.centroids.shape[1],
            "parameters": sum(weight.numel() for weight in judge.network.parameters()),
            "loss": EmbeddingRecipe.load(EmbeddingFolder.named(judge.name).recipe).loss,
            "auc": pairs.auc, "top1": float((rank == 0).mean()),
            "top3": float((rank < 3).mean()), "trained_on_people": _taught(judge.name),
        })  # fmt: skip
    return Made({"rows": rows})


def _taught(name: str) -> int | None:
    """How many people a network was trained on, where its folder says so."""
    file = EmbeddingFolder.named(name).path / "metrics.json"
    return int(json.loads(file.read_text())["train"]["people"]) if file.exists() else None


def attack_and_judge(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Make masks with some networks and have all of them read the masked pictures.

    The order names surrogates, loss, kappa, the fields of a `Plan`, pairs, alphas, channels,
    networks (that judge), control (whether phases are drawn at random) and seed.
    """
    cast = Cast.of(given[CAST]).some(order["pairs"])
    networks = [EmbeddingFolder.named(name).load() for name in order["surrogates"]]
    size = max(size_of(network) for network in networks)
    norm = Norm(order["norm"])
    # The L2 radius is that of a crop of REFERENCE_PX: so the change of a pixel is the same for all.
    scale = size / REFERENCE_PX if norm is Norm.L2 else 1.0
    plan = Plan(
        Optimiser(order["optimiser"]), norm, order["steps"], order["epsilon"] * scale,
        order["searches"],
    )  # fmt: skip
    crops = torch.from_numpy(cast.probes.crops(size))[:, None]
    members = [Member(network, anchors_of(network, cast)) for network in networks]
    people, targets = torch.from_numpy(cast.probes.people), torch.from_numpy(cast.targets)
    objective = Objective(members, people, targets, Loss(order["loss"]), order["kappa"])
    began = time.process_time()
    masked = perturbed(objective, crops, plan)
    seconds = (time.process_time() - began) / len(crops)
    with torch.no_grad():
        before, after = objective.judged(crops), objective.judged(masked)
    deltas = np.asarray((masked - crops)[:, 0].numpy(), np.float32)
    if order["control"]:
        random = np.random.default_rng(order["seed"])
        deltas = np.stack([control_of(delta, random) for delta in deltas])
    judges = services(order["networks"], cast)
    with finder() as faces:
        rows = judged(cast, deltas, order["alphas"], order["channels"], judges, faces)
    changes = [{"alpha": a, **sizes_of_change(cast, deltas, a)} for a in order["alphas"]]
    figures = {
        "rows": rows, "changes": changes, "seconds": seconds, "pairs": len(crops),
        "loss_before": float(before[0].mean()), "loss_after": float(after[0].mean()),
        "reached_before": float(before[1].float().mean()),
        "reached": float(after[1].float().mean()),
    }  # fmt: skip
    return Made(figures)


def anchors_of(network: nn.Module, cast: Cast) -> Tensor:
    """(P, A, D) embeddings of the attacker's pictures of each person."""
    embeddings = embedded_by(network, cast.anchors.crops(size_of(network)))
    people = cast.anchors.people
    return torch.from_numpy(np.stack([embeddings[people == p] for p in np.unique(people)]))


def price_of_training(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Train a shipped network further, naturally and on masks, and compare what both know.

    Half of each batch is masked by PGD with the hinge loss towards another person of the batch,
    then amplified. The same number of steps for both, so that only the masks differ.
    """
    cast = Cast.of(given[CAST])
    folder = EmbeddingFolder.named(order["network"])
    first = folder.load()
    size = size_of(first)
    placed = load_part(
        Path(order["data"]), Part.TRAIN, least_pictures=order["least_pictures"],
        most_people=order["people"], most_pictures=order["pictures"],
    )  # fmt: skip
    crops = np.rint(placed.crops(size) * 255).astype(np.uint8)
    recipe = EmbeddingRecipe.load(folder.recipe).model_copy(
        update={"steps": order["steps"], "lr": order["lr"], "ema_decay": 0.98}
    )
    plan = Plan(steps=order["attack_steps"], epsilon=order["epsilon"] * size / REFERENCE_PX)

    def attacker(network: nn.Module, pictures: Tensor, people: Tensor) -> Tensor:
        return _masked_in_batch(network, pictures, people, plan, order["alpha"])

    trained: dict[str, nn.Module] = {"as shipped": first}
    for name, maker in (("natural", None), ("adversarial", attacker)):
        network = copy.deepcopy(first).requires_grad_(True)
        trained[name] = learn(network, crops, placed.people, recipe, attacker=maker)
    return Made({"rows": [_known_by(name, net, cast, plan, order) for name, net in trained.items()],
                 "pictures": len(crops), "people": len(placed.names)})  # fmt: skip


def _masked_in_batch(
    network: nn.Module, pictures: Tensor, people: Tensor, plan: Plan, alpha: float
) -> Tensor:
    """Every picture of a batch, masked towards the person that is next in it."""
    frozen = copy.deepcopy(network).eval().requires_grad_(False)
    names, numbers = torch.unique(people, return_inverse=True)
    with torch.no_grad():
        embeddings = frozen(pictures)
    anchors = torch.stack([embeddings[numbers == p].mean(dim=0, keepdim=True)
                           for p in range(len(names))])  # fmt: skip
    objective = Objective(
        [Member(frozen, anchors)], numbers, (numbers + 1) % len(names), Loss.HINGE, 1.0
    )
    masked = perturbed(objective, pictures, plan)
    return (pictures + alpha * (masked - pictures)).clamp(0, 1)


def _known_by(
    name: str, network: nn.Module, cast: Cast, plan: Plan, order: dict[str, Any]
) -> dict[str, Any]:
    network = network.eval().requires_grad_(False)
    judge = Service.of(name, network, cast)
    size = size_of(network)
    crops = cast.probes.crops(size)
    objective = Objective(
        [Member(network, anchors_of(network, cast))], torch.from_numpy(cast.probes.people),
        torch.from_numpy(cast.targets), Loss.HINGE, 1.0,
    )  # fmt: skip
    pictures = torch.from_numpy(crops)[:, None]
    longer = Plan(steps=20, epsilon=plan.epsilon)
    deltas: NDArray[np.float32] = (perturbed(objective, pictures, longer) - pictures)[:, 0].numpy()
    masked = np.clip(crops + order["alpha"] * deltas, 0, 1)
    everybody = np.concatenate([cast.gallery.people, cast.anchors.people, cast.probes.people])
    parts = [cast.gallery, cast.anchors, cast.probes]
    known = embedded_by(network, np.concatenate([part.crops(size) for part in parts]))
    read = judge.read(list(masked), cast.targets)
    return {
        "network": name,
        "natural_top1": float((judge.clean_rank == 0).mean()),
        "natural_auc": pairs_of(known, everybody, order["seed"]).auc,
        "top1_on_masks": 1 - read["untargeted"],
        "targeted_on_masks": read["targeted"],
    }
