"""How a masked picture is read by networks that it was not made with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity
from torch import nn

from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.lab.faceoff.cast import Cast
from camfilter.lab.faceoff.masks import jpeg, on_crop, put_back, rounded
from camfilter.lab.faceoff.networks import EmbeddingFolder, embedded_by
from camfilter.lab.faceoff.people import crop_of, found_in
from camfilter.lab.faceoff.verification import centroids_of, rank_of
from camfilter.lab.networks import size_of

__all__ = ["CHANNELS", "JPEG", "Service", "judged", "services", "sizes_of_change"]

CHANNELS: Final = ("cropped float", "cropped 8 bit", "uncropped float", "uncropped 8 bit")
"""How a masked face reaches a service: the crop itself, or the picture where it finds it anew."""

JPEG: Final = "jpeg "


@dataclass(frozen=True)
class Service:
    """A network with a gallery: it matches a face with the nearest centroid.

    Attributes:
        name: of the network.
        network: maps (B, 1, S, S) to (B, D).
        centroids: (P, D) of the gallery's people.
        clean: (N, D) embeddings of the unmasked probes.
        people: (N,) who is in them.
    """

    name: str
    network: nn.Module
    centroids: NDArray[np.float32]
    clean: NDArray[np.float32]
    people: NDArray[np.int64]

    @classmethod
    def of(cls, name: str, network: nn.Module, cast: Cast) -> Service:
        """A service that knows the gallery of a cast."""
        size = size_of(network)
        known = embedded_by(network, cast.gallery.crops(size))
        clean = embedded_by(network, cast.probes.crops(size))
        return cls(name, network, centroids_of(known, cast.gallery.people), clean,
                   cast.probes.people)  # fmt: skip

    @property
    def clean_rank(self) -> NDArray[np.int64]:
        """(N,) place of the right person for the unmasked probes; 0 is recognised."""
        return rank_of(self.clean, self.centroids, self.people)

    def read(
        self, crops: Sequence[NDArray[np.float32]], targets: NDArray[np.int64]
    ) -> dict[str, Any]:
        """How masked probes are matched.

        Args:
            crops: (N, S, S) in the network's size.
            targets: (N,) who they shall pass for.

        Returns:
            Rates over all probes, and `hidden` over those recognised without a mask, of which
            there are `known`. `away` is the mean growth of the distance from the own centroid
            (R of section III-D).
        """
        embeddings = embedded_by(self.network, np.stack(list(crops)))
        mine = rank_of(embeddings, self.centroids, self.people)
        goal = rank_of(embeddings, self.centroids, targets)
        known = self.clean_rank == 0
        home = self.centroids[self.people]
        away = np.linalg.norm(embeddings - home, axis=1) - np.linalg.norm(self.clean - home, axis=1)
        return {
            "targeted": float((goal == 0).mean()),
            "untargeted": float((mine != 0).mean()),
            "hidden": float((mine[known] != 0).mean()) if known.any() else None,
            "top3": float((mine < 3).mean()),
            "away": float(away.mean()),
            "known": int(known.sum()),
        }


def services(names: Sequence[str], cast: Cast) -> list[Service]:
    """A service for each shipped network.

    Raises:
        SurrogateError: a network cannot be loaded.
    """
    return [Service.of(name, EmbeddingFolder.named(name).load(), cast) for name in names]


def judged(
    cast: Cast,
    deltas: NDArray[np.float32],
    alphas: Sequence[float],
    channels: Sequence[str],
    judges: Sequence[Service],
    faces: MediaPipeFaces,
) -> list[dict[str, Any]]:
    """Rows of figures: how each service reads the masked probes, for each alpha and channel.

    Args:
        cast: with the probes.
        deltas: (N, S, S) masks on the crops' grid.
        alphas: amplifications.
        channels: of `CHANNELS`, or "jpeg Q" with a quality.
        judges: who reads.
        faces: finds them anew in the uncropped pictures.
    """
    rows = []
    for alpha in alphas:
        seen = _Seen(cast, deltas, alpha, faces)
        for channel in channels:
            for judge in judges:
                crops = seen.crops(channel, size_of(judge.network))
                figures = judge.read(crops, cast.targets)
                where = {"alpha": alpha, "channel": channel, "judge": judge.name}
                rows.append({**where, **figures, "unfound": seen.unfound(channel)})
    return rows


class _Seen:
    """Masked probes as they arrive."""

    def __init__(
        self, cast: Cast, deltas: NDArray[np.float32], alpha: float, faces: MediaPipeFaces
    ) -> None:
        self._probes, self._deltas, self._alpha, self._faces = cast.probes, deltas, alpha, faces
        self._frames: list[NDArray[np.float32]] | None = None
        self._places: dict[str, list[NDArray[np.float64]]] = {}
        self._missed: dict[str, int] = {}

    def unfound(self, channel: str) -> int:
        """In how many pictures of a channel no face was found."""
        return self._missed.get(channel, 0)

    def crops(self, channel: str, size_px: int) -> list[NDArray[np.float32]]:
        """What a network of some size sees of each probe."""
        if channel.startswith("cropped"):
            return self._cropped(channel, size_px)
        frames = self._put_back()
        eight = [rounded(frame) for frame in frames]
        if channel.startswith(JPEG):
            eight = [jpeg(frame, int(channel.removeprefix(JPEG))) for frame in eight]
        if channel not in self._places:
            self._places[channel] = self._found(eight, channel)
        shown: Sequence[NDArray[Any]] = frames if channel == "uncropped float" else eight
        return [
            crop_of(frame, place, size_px)
            for frame, place in zip(shown, self._places[channel], strict=True)
        ]

    def _cropped(self, channel: str, size_px: int) -> list[NDArray[np.float32]]:
        crops = self._probes.crops(self._deltas.shape[1])
        masked = on_crop(crops, self._deltas, self._alpha)
        if channel == "cropped 8 bit":
            masked = np.rint(masked * 255) / np.float32(255)
        if masked.shape[1] == size_px:
            return list(masked)
        return [cv2.resize(crop, (size_px, size_px)).astype(np.float32) for crop in masked]

    def _put_back(self) -> list[NDArray[np.float32]]:
        if self._frames is None:
            probes = self._probes
            self._frames = [
                put_back(frame, place, delta, self._alpha)
                for frame, place, delta in zip(
                    probes.frames, probes.to_unit, self._deltas, strict=True
                )
            ]
        return self._frames

    def _found(
        self, frames: Sequence[NDArray[np.uint8]], channel: str
    ) -> list[NDArray[np.float64]]:
        """Where the service finds the faces; where it finds none, it is told."""
        places = [found_in(self._faces, frame) for frame in frames]
        self._missed[channel] = sum(place is None for place in places)
        known = self._probes.to_unit
        return [known[i] if place is None else place for i, place in enumerate(places)]


def sizes_of_change(cast: Cast, deltas: NDArray[np.float32], alpha: float) -> dict[str, float]:
    """Mean size of the change: L2, Linf and RMS on the crop in float, SSIM in 8 bits uncropped."""
    crops = cast.probes.crops(deltas.shape[1])
    change = on_crop(crops, deltas, alpha) - crops
    similar = [
        structural_similarity(  # type: ignore[no-untyped-call]
            frame, rounded(put_back(frame, place, delta, alpha))
        )
        for frame, place, delta in zip(cast.probes.frames, cast.probes.to_unit, deltas, strict=True)
    ]
    return {
        "l2": float(np.sqrt((change**2).sum(axis=(1, 2))).mean()),
        "linf": float(np.abs(change).max(axis=(1, 2)).mean()),
        "rms_levels": float(255 * np.sqrt((change**2).mean(axis=(1, 2))).mean()),
        "ssim": float(np.mean(similar)),
    }
