"""Whether networks that tell people apart still recognise a masked face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from camfilter.embedding.base import Embedder
from camfilter.faces.base import Face
from camfilter.frames import Pixels
from camfilter.geometry import cut_crop
from camfilter.verdict import Standing

__all__ = ["identity_figures", "identity_in_words"]


def identity_figures(
    raw: Pixels,
    shown: Pixels,
    faces: Sequence[Face],
    attacked: Sequence[Embedder],
    held_out: Sequence[Embedder] = (),
) -> list[dict[str, Any] | None]:
    """What each embedder says of each face beside the same face without its mask.

    A masked face that is farther than the threshold from its own bare picture, which no other
    picture of the person is as near to, is not recognised.

    Args:
        raw: (height, width, 3) uint8, BGR.
        shown: the same, masked.
        faces: one or more.
        attacked: embedders that the mask was made with.
        held_out: others.

    Returns:
        For each face its `standing` (good: no embedder recognises it; partly: some do; not-yet: all
        do) and `readers` by name; None for all where no embedder is asked.
    """
    readers: list[dict[str, dict[str, Any]]] = [{} for _ in faces]
    for embedder in (*attacked, *held_out):
        before, after = (
            embedder.embed(np.stack([cut_crop(pixels, face, embedder.size_px) for face in faces]))
            for pixels in (raw, shown)
        )
        for found, distance in zip(readers, np.linalg.norm(after - before, axis=1), strict=True):
            found[embedder.name] = {
                "attacked": embedder not in held_out,
                "distance": round(float(distance), 4),
                "threshold": round(embedder.threshold, 4),
                "recognised": bool(distance < embedder.threshold),
            }
    return [{"standing": _standing(found), "readers": found} if found else None
            for found in readers]  # fmt: skip


def identity_in_words(faces: Sequence[dict[str, Any]]) -> str:
    """What the embedders say of all faces, as a part of a sentence.

    Args:
        faces: of a picture whose identities were hidden, each with its `identity`.
    """
    asked = f"{len(faces[0]['identity']['readers'])} that tell people apart"
    if len(faces) > 1:
        lost = sum(face["identity"]["standing"] == Standing.GOOD for face in faces)
        return f"{lost} of {len(faces)} recognised by none of {asked}"
    readers = faces[0]["identity"]["readers"].values()
    still = sum(reader["recognised"] for reader in readers)
    told = {0: f"recognised by none of {asked}", len(readers): f"still recognised by all {asked}"}
    distances = ", ".join(
        f"{'' if reader['attacked'] else 'never attacked '}"
        f"{reader['distance']:.2f} of {reader['threshold']:.2f}"
        for reader in readers
    )
    return (
        f"{told.get(still, f'not recognised by {len(readers) - still} of {asked}')} "
        f"(moved by {distances})"
    )


def _standing(readers: dict[str, dict[str, Any]]) -> str:
    still = [reader["recognised"] for reader in readers.values()]
    return (
        Standing.NOT_YET if all(still) else Standing.PARTLY if any(still) else Standing.GOOD
    ).value
