"""Crafts attacked faces for each network, and reads them with each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from camfilter.lab.attacks.base import Attack, Classifier, Goal, clipped
from camfilter.lab.attacks.fgsm import FGSM
from camfilter.lab.attacks.ifgvm import IFGVM
from camfilter.lab.attacks.k_a3 import KA3
from camfilter.lab.attacks.lbfgs import LBFGS
from camfilter.lab.attacks.one_pixel import OnePixel
from camfilter.lab.attacks.pgd import PGD
from camfilter.lab.attacks.universal import Universal
from camfilter.lab.defences.base import REJECTED
from camfilter.lab.experiment.made import Made
from camfilter.lab.summary.subjects import UNDEFENDED, subject

__all__ = ["ATTACKS", "SLOW", "craft", "measure_anonymity", "measure_attack", "read_all", "rounded"]

ATTACKS: Final = ("noise", "fgsm", "pgd", "ifgvm", "lbfgs", "universal", "one-pixel", "k-a3")
"""In the order of the tables; noise is as large as the universal change."""

_PATIENT: Final = 100
"""Steps of k-A3 where it is looked at more closely."""

SLOW: Final = ("lbfgs", "one-pixel")
"""Those that go picture by picture."""


def craft(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Attack some faces so that they are not read as what they are.

    Args:
        order: attack (of ATTACKS), name (of the network), way (knowing or naive), faces,
            epsilon_levels, universal_levels, universal_faces, seed, and what `subject` needs.
        given: faces, and the trained networks by name.

    Returns:
        pictures: (N, 1, S, S) float32.
    """
    target = subject(order["name"], order, given)
    knowing = target.steered if order["way"] == "knowing" else target.naive
    pictures, labels = _faces(order, given)
    changed = _changed(order, given, knowing or target.steered, pictures, Goal(labels))
    return Made({}, {"pictures": changed.numpy()})


def read_all(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Read attacked faces with one network.

    Args:
        order: name (of the network), attacks (names in `given`), and what `subject` needs.
        given: faces, the trained networks by name, and for each attack "WAY ATTACK" what
            `craft` made.

    Returns:
        natural and refused: shares of the clean test faces; for each "WAY ATTACK": the shares
        read right, deceived and refused, in float and after rounding to 8 bits.
    """
    target = subject(order["name"], order, given)
    arrays = given["faces"].arrays
    tested = torch.from_numpy(arrays["test"])[:, None].float() / 255
    labels = torch.from_numpy(arrays["labels"])

    def shares(pictures: Tensor) -> dict[str, float]:
        logits, mine = target.answers.read(pictures), labels[: len(pictures)]
        read = target.labels(logits)
        return {
            "right": _share(read == mine), "deceived": _share(target.deceived(logits, mine)),
            "refused": _share(read == REJECTED), "faces": float(len(pictures)),
        }  # fmt: skip

    figures: dict[str, Any] = {"natural": shares(tested)}
    for key in order["attacks"]:
        changed = torch.from_numpy(given[key].arrays["pictures"])
        figures[key] = {
            "clean": shares(tested[: len(changed)]),
            "float": shares(changed),
            "8 bits": shares(rounded(changed)),
        }
    return Made(figures)


def measure_attack(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """What an attack does to the undefended network, and to the picture.

    Args:
        order: as of `craft`, and targeted.
        given: as of `craft`.

    Returns:
        fooled, in float and in 8 bits, of the faces that were read right (targeted: as the
        target, drawn from the other classes); means of L2, Linf in levels, share of changed
        pixels, and SSIM, over the fooled faces, or over all where there are none.
    """
    classifier = subject(UNDEFENDED, order, given).answers
    pictures, labels = _faces(order, given)
    right = classifier.read(pictures).argmax(dim=1) == labels
    pictures, labels = pictures[right], labels[right]
    goal = Goal(labels)
    if order["targeted"]:
        chance = torch.Generator().manual_seed(order["seed"])
        other = torch.randint(1, classifier.classes, labels.shape, generator=chance)
        goal = Goal((labels + other) % classifier.classes, targeted=True, seed=order["seed"])
    changed = _changed(order, given, classifier, pictures, goal)
    done = goal.reached(classifier.read(changed))
    coarse = goal.reached(classifier.read(rounded(changed)))
    if done.any():
        pictures, changed = pictures[done], changed[done]
    delta = (changed - pictures).flatten(1)
    return Made(
        {
            "faces": len(labels),
            "fooled": _share(done),
            "fooled, 8 bits": _share(coarse),
            "L2": float(delta.norm(dim=1).mean()),
            "Linf, levels": 255 * float(delta.abs().max(dim=1).values.mean()),
            "pixels changed": _share(delta != 0),
            "SSIM": _likeness(pictures, changed),
        }
    )


def measure_anonymity(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """Where the true class stands in the ranked outputs after k-A3.

    Args:
        order: k, spread, and as of `craft`.
        given: as of `craft`.

    Returns:
        fooled and fooled in 8 bits; the mean and the greatest over the deceived faces of the
        greatest probability; the share of faces with the true class in each rank, in 8 bits.
    """
    classifier = subject(UNDEFENDED, order, given).answers
    pictures, labels = _faces(order, given)
    right = classifier.read(pictures).argmax(dim=1) == labels
    pictures, labels = pictures[right], labels[right]
    attack = KA3(k=order["k"], spread=order["spread"], steps=_PATIENT)
    goal = Goal(labels, seed=order["seed"])
    changed = attack.perturb(classifier, pictures, goal)
    logits, coarse = classifier.read(changed), classifier.read(rounded(changed))
    done = goal.reached(logits)
    greatest = logits.softmax(dim=1).max(dim=1).values[done]
    rank = (coarse > coarse.gather(1, labels[:, None])).sum(dim=1)
    shares = torch.bincount(rank, minlength=classifier.classes) / len(rank)
    return Made(
        {
            "faces": len(pictures),
            "fooled": _share(done),
            "fooled, 8 bits": _share(goal.reached(coarse)),
            "mean greatest probability": float(greatest.mean()) if len(greatest) else None,
            "within": _share(greatest <= 1 / order["k"] + order["tolerance"]),
            "ranks": shares.tolist(),
            "L2": float((changed - pictures).flatten(1).norm(dim=1).mean()),
            "SSIM": _likeness(pictures, changed),
        }
    )


def rounded(pictures: Tensor) -> Tensor:
    """Pictures as 8 bits hold them."""
    return (pictures * 255).round() / 255


def _changed(
    order: dict[str, Any],
    given: dict[str, Made],
    classifier: Classifier,
    pictures: Tensor,
    goal: Goal,
) -> Tensor:
    epsilon, wide = order["epsilon_levels"] / 255, order["universal_levels"] / 255
    goal = replace(goal, seed=order["seed"])
    if order["attack"] == "noise":
        chance = torch.Generator().manual_seed(order["seed"])
        coin = torch.randint(0, 2, pictures.shape, generator=chance) * 2.0 - 1
        return clipped(pictures + wide * coin)
    if order["attack"] == "universal":
        # Learnt on training faces: one change for faces that it never saw.
        arrays = given["faces"].arrays
        seen = torch.from_numpy(arrays["train"][: order["universal_faces"]])[:, None].float() / 255
        mine = torch.from_numpy(arrays["votes"][: order["universal_faces"]]).argmax(dim=1)
        learnt = Universal(wide).learnt(classifier, seen, Goal(mine, seed=order["seed"]))
        return clipped(pictures + learnt)
    # The slow ones with fewer rounds than they have by default: there are many networks.
    brief = LBFGS(halvings=2, iterations=15), OnePixel(generations=8)
    attacks: dict[str, Attack] = {
        attack.name: attack
        for attack in (FGSM(epsilon), PGD(epsilon), IFGVM(), *brief, KA3(steps=40))
    }
    return attacks[order["attack"]].perturb(classifier, pictures, goal)


def _faces(order: dict[str, Any], given: dict[str, Made]) -> tuple[Tensor, Tensor]:
    arrays = given["faces"].arrays
    pictures = torch.from_numpy(arrays["test"][: order["faces"]])[:, None].float() / 255
    return pictures, torch.from_numpy(arrays["labels"][: order["faces"]])


def _share(which: Tensor) -> float:
    return float(which.float().mean()) if which.numel() else 0.0


def _likeness(first: Tensor, second: Tensor) -> float:
    pairs = zip(first[:, 0].numpy(), second[:, 0].numpy(), strict=True)
    return float(
        np.mean(
            [
                structural_similarity(one, two, data_range=1)  # type: ignore[no-untyped-call]
                for one, two in pairs
            ]
        )
    )
