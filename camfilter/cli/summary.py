"""Figures of a run, as a file for programs and in words for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from camfilter.atomic import AtomicFile
from camfilter.errors import SinkError
from camfilter.sources.pictures import PICTURE_SUFFIXES

__all__ = ["in_words", "prove_writable", "write_json"]


def write_json(path: Path, figures: dict[str, Any]) -> None:
    """Write figures to a file, whole or not at all.

    Raises:
        SinkError: the file cannot be written.
    """
    AtomicFile(path).write((json.dumps(figures, indent=2) + "\n").encode())


def prove_writable(path: Path | None, *taken: Path) -> None:
    """Find out before any work is done that a file for figures cannot be written.

    Args:
        path: the file; None where no figures are wanted.
        taken: files and folders of pictures that the command reads or writes; figures must
            replace none of them.

    Raises:
        SinkError: it cannot, or it is one of those that are taken.
    """
    if path is None:
        return
    for other in taken:
        if _is_same(path, other) or _is_picture_in(path, other):
            raise SinkError(
                f"{path} is read or written by this command.", "Name another file for the figures."
            )
    AtomicFile(path).discard()


def _is_same(path: Path, other: Path) -> bool:
    """Whether both names are of one file, which need not be there yet."""
    try:
        return path.resolve() == other.resolve() or path.samefile(other)
    except (OSError, RuntimeError, ValueError):  # one is not there, turns in circles, is no name
        return False


def _is_picture_in(path: Path, folder: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and _is_same(path.parent, folder)


def in_words(figures: dict[str, Any]) -> Iterator[str]:
    """The figures as a few plain sentences."""
    yield (
        f"{figures['frames_in']} frames in, {figures['frames_out']} out: "
        f"{figures['protected']} protected, {figures['held']} held, "
        f"{figures['placeholder']} placeholder, {figures['off']} off."
    )
    for reason, count in figures["faults"].items():
        yield f"{count} times: {reason}"
    if str(figures.get("sound", "")).startswith("left out"):
        yield f"The sound was {figures['sound']}."
    if not figures["faces"]:
        yield "No face was found, so nothing was changed."
        return
    before, after, latency = figures["before"], figures["after"], figures["latency_ms"]["total"]
    yield f"A face was found in {figures['frames_with_face']} frames."
    if before and after:
        yield (
            f"{figures['surrogate']} read {before['label']} ({before['confidence']:.0%} sure, "
            f"{before['entropy_bits']:.1f} bits) before and {after['label']} "
            f"({after['confidence']:.0%} sure, {after['entropy_bits']:.1f} bits) after; "
            f"its reading changed on {figures['fooled_share']:.0%} of faces."
        )
    if figures["held_out"]:
        share = figures["held_out"]["fooled_share"]
        yield f"The reading of a recogniser that is never attacked changed on {share:.0%}."
    psnr = figures["psnr_face_db"]
    yield (
        f"Greatest change {figures['linf_levels']} of {figures['budget_levels']} levels allowed"
        + (f", {psnr:.1f} dB PSNR on the face." if psnr is not None else ".")
    )
    yield (
        f"{latency['p50']:.1f} ms a frame (p95 {latency['p95']:.1f}, p99 {latency['p99']:.1f}) "
        f"on {figures['provider']}."
    )
