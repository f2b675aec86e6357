"""Two portraits that everybody has, masked to pass for one another; for the eye."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray

from camfilter.geometry import Similarity
from camfilter.lab.experiment.made import Made
from camfilter.lab.faceoff.losses import Loss, Member, Objective
from camfilter.lab.faceoff.masks import put_back, rounded
from camfilter.lab.faceoff.networks import EmbeddingFolder
from camfilter.lab.faceoff.optimisers import Plan, perturbed
from camfilter.lab.faceoff.people import crop_of, finder, found_in
from camfilter.lab.networks import size_of
from camfilter.sources.demo import portrait_path
from camfilter.sources.pictures import read_picture

__all__ = ["mask_portraits"]

_SHOWN_PX: Final = 240


def mask_portraits(order: dict[str, Any], _given: dict[str, Made]) -> Made:
    """Mask Grace Hopper for Eileen Collins and the other way round, PGD with the hinge loss.

    The order names network, steps, epsilon (of the L2 ball on the crop), kappa and alphas.

    Returns:
        `shown`: (2, alphas, 240, 240) uint8 luma around the faces, 8 bits, uncropped.
    """
    network = EmbeddingFolder.named(order["network"]).load()
    size = size_of(network)
    astronaut = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    pictures = [read_picture(portrait_path()), astronaut[:, :, ::-1]]
    frames = [np.asarray(cv2.cvtColor(np.ascontiguousarray(p), cv2.COLOR_BGR2GRAY), np.uint8)
              for p in pictures]  # fmt: skip
    with finder() as faces:
        found = [found_in(faces, frame) for frame in frames]
    places = [np.eye(2, 3) / size if place is None else place for place in found]
    crops = np.stack([crop_of(f, p, size) for f, p in zip(frames, places, strict=True)])
    # Of each there is one picture; its mirror image stands for another one.
    mirrored = torch.from_numpy(np.ascontiguousarray(crops[:, :, ::-1]))[:, None]
    with torch.no_grad():
        anchors = network(mirrored)[:, None]
    objective = Objective(
        [Member(network, anchors)], torch.tensor([0, 1]), torch.tensor([1, 0]), Loss.HINGE,
        order["kappa"],
    )  # fmt: skip
    clean = torch.from_numpy(crops)[:, None]
    masked = perturbed(objective, clean, Plan(steps=order["steps"], epsilon=order["epsilon"]))
    deltas = (masked - clean)[:, 0].numpy()
    shown = [
        [_around(rounded(put_back(frame, place, delta, alpha)), place) for alpha in order["alphas"]]
        for frame, place, delta in zip(frames, places, deltas, strict=True)
    ]
    return Made({}, {"shown": np.array(shown, np.uint8)})


def _around(frame: NDArray[np.uint8], to_unit: Similarity) -> NDArray[np.uint8]:
    """The face with something of what is around it."""
    middle = cv2.invertAffineTransform(to_unit) @ np.array([0.5, 0.5, 1])
    reach = 0.75 / float(np.hypot(to_unit[0, 0], to_unit[1, 0]))
    low = np.clip(np.rint(middle - reach).astype(int), 0, None)
    high = np.rint(middle + reach).astype(int)
    part = frame[low[1] : high[1], low[0] : high[0]]
    return np.asarray(cv2.resize(part, (_SHOWN_PX, _SHOWN_PX)), np.uint8)
