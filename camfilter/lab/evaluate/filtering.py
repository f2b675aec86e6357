"""The filter under evaluation, run over a clip as a call would run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from camfilter.assembly import build_chain, build_filter, open_surrogate
from camfilter.errors import SettingError
from camfilter.faces.base import Face, FaceFinder
from camfilter.filter import FaceFilter, FrameFilter
from camfilter.frames import Pixels, RawFrame
from camfilter.settings import ChainSettings
from camfilter.surrogate.manifest import Manifest, graphs_folder
from camfilter.surrogate.provider import Provider

__all__ = [
    "FilterMaker",
    "FilteredClip",
    "KnownFaces",
    "attacked_families",
    "family_of",
    "filter_clip",
    "filter_without",
]


class FilterMaker(Protocol):
    """Builds the filter to be evaluated."""

    def __call__(
        self,
        settings: ChainSettings,
        excluded_family: str | None,
        seed: int,
        finder: FaceFinder | None = None,
    ) -> FrameFilter:
        """A fresh filter that knows no network of a family, perhaps with faces known already."""


class KnownFaces:
    """A finder that gives what another one found in the same frames.

    Args:
        faces: those of each frame, in the order in which frames come.
    """

    def __init__(self, faces: Sequence[tuple[Face, ...]]) -> None:
        self._faces = iter(faces)

    def find(self, pixels: Pixels) -> list[Face]:  # noqa: ARG002 - they are known
        """The faces of the next frame."""
        return list(next(self._faces))

    def catch_up(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing to release."""


@dataclass(frozen=True, slots=True, eq=False)
class FilteredClip:
    """A clip after the filter.

    Attributes:
        frames: (height, width, 3) uint8, BGR, one for each frame of the clip.
        faces: the faces that were changed in each frame.
        faults: frames that the filter failed on; the last protected one stands in, as in a call.
        chain_ms: time of the chain for each frame that has a face.
    """

    frames: list[Pixels]
    faces: list[tuple[Face, ...]]
    faults: int
    chain_ms: list[float]


def family_of(surrogate: str) -> str:
    """The family of one of the project's own networks: for now each is its own."""
    return surrogate


def attacked_families(settings: ChainSettings) -> dict[str, tuple[str, ...]]:
    """The surrogates that the filter attacks with these settings, by family, in their order."""
    manifest = Manifest.load(graphs_folder())
    names = settings.surrogate.split("+") if settings.surrogate else manifest.attackable
    families: dict[str, tuple[str, ...]] = {}
    for name in names:
        families[family_of(name)] = (*families.get(family_of(name), ()), name)
    return families


def filter_without(
    settings: ChainSettings,
    excluded_family: str | None,
    seed: int,
    finder: FaceFinder | None = None,
) -> FrameFilter:
    """The filter as it is shipped, but for the surrogates of one family.

    Args:
        settings: of the chain.
        excluded_family: whose networks it must not know; None excludes none.
        seed: of all chance in the filter.
        finder: of faces; None takes the shipped one.

    Raises:
        SettingError: no surrogate is left.
        SurrogateError: a surrogate cannot be used.
    """
    kept = [
        name
        for family, names in attacked_families(settings).items()
        for name in names
        if family != excluded_family
    ]
    if not kept:
        raise SettingError(f"No surrogate is left without the family {excluded_family!r}.")
    surrogate = open_surrogate("+".join(kept), Provider.CPU)
    if finder is not None:
        return FaceFilter(finder, build_chain(settings, surrogate, stills=False, seed=seed))
    return build_filter(settings, surrogate, stills=False, seed=seed)


def filter_clip(frames: Sequence[Pixels], rate_hz: float, made: FrameFilter) -> FilteredClip:
    """Filter a clip frame by frame, and close the filter.

    Args:
        frames: (height, width, 3) uint8, BGR.
        rate_hz: frames a second.
        made: a fresh filter.
    """
    out: list[Pixels] = []
    faces: list[tuple[Face, ...]] = []
    faults, chain_ms = 0, []
    try:
        for index, pixels in enumerate(frames):
            try:
                filtered = made.apply(RawFrame(pixels, index, index / rate_hz))
            except Exception:  # noqa: BLE001 - a filter may raise anything; the guard would hold
                faults += 1
                out.append(out[-1] if out else np.zeros_like(pixels))
                faces.append(())
                continue
            out.append(filtered.pixels.copy())  # the filter may use its memory again
            faces.append(filtered.faces)
            if filtered.faces:
                chain_ms.append(filtered.times.chain_ms)
    finally:
        made.close()
    return FilteredClip(out, faces, faults, chain_ms)
