"""What was done to the faces of a picture, as plain values and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from camfilter.faces.base import Face
from camfilter.meter import Change, FaceMeasure
from camfilter.photo.recognition import identity_in_words
from camfilter.settings import ChainSettings
from camfilter.surrogate.reading import Reading
from camfilter.verdict import Standing, judge

__all__ = ["face_figures", "in_one_line", "standing_of"]


def face_figures(
    faces: Sequence[Face],
    measures: Sequence[FaceMeasure],
    people: Sequence[dict[str, Any] | None],
    settings: ChainSettings,
) -> list[dict[str, Any]]:
    """Where each face is, what is read in it, and how well it is hidden."""
    return [
        {
            "box": [face.box.left, face.box.top, face.box.right, face.box.bottom],
            "standing": judge(measured, settings).standing.value,
            "surrogates": _change(measured.attacked),
            "held_out": None if measured.held_out is None else _change(measured.held_out),
            "identity": identity,
        }
        for face, measured, identity in zip(faces, measures, people, strict=True)
    ]


def standing_of(faces: Sequence[dict[str, Any]]) -> str:
    """That of the face which is hidden least.

    Args:
        faces: with a `standing` each: of their expression, or of their identity.
    """
    found = {face["standing"] for face in faces}
    return [standing.value for standing in Standing if standing.value in found][-1]


def in_one_line(figures: dict[str, Any]) -> str:
    """The figures of one picture in words."""
    faces = figures["faces"]
    count = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
    parts = [f"{count} masked"]
    if figures["hide"] != "identity":
        parts.append(f"surrogates read {_words(faces, 'surrogates')}")
        if faces[0]["held_out"] is not None:
            parts.append(f"one that is never attacked reads {_words(faces, 'held_out')}")
    if faces[0]["identity"]:
        parts.append(identity_in_words(faces))
    parts.append(f"greatest change {figures['linf_levels']} of {figures['budget_levels']} levels")
    if not {figures["standing"], figures["identity_standing"]} <= {None, Standing.GOOD}:
        parts.append("a greater strength hides more")
    if figures["dropped"]:
        parts.append(f"dropped {', '.join(figures['dropped'])}")
    return "; ".join(parts) + "."


def _words(faces: Sequence[dict[str, Any]], who: str) -> str:
    if len(faces) > 1:
        changed = sum(face[who]["changed"] for face in faces)
        return f"another expression in {changed} of {len(faces)}"
    before, after = faces[0][who]["before"], faces[0][who]["after"]
    return (
        f"{after['label']} ({after['confidence']:.0%}) instead of "
        f"{before['label']} ({before['confidence']:.0%})"
        if before["label"] != after["label"]
        else f"{after['label']} still ({before['confidence']:.0%}, now {after['confidence']:.0%})"
    )


def _change(change: Change) -> dict[str, Any]:
    return {
        "before": _reading(change.before),
        "after": _reading(change.after),
        "changed": change.fooled,
    }


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "label": reading.label,
        "confidence": round(reading.confidence, 4),
        "entropy_bits": round(reading.entropy_bits, 4),
    }
