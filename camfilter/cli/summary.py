"""Figures of a run, as a file for programs and in words for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from camfilter.atomic import AtomicFile

__all__ = ["in_words", "prove_writable", "write_json"]


def write_json(path: Path, figures: dict[str, Any]) -> None:
    """Write figures to a file, whole or not at all.

    Raises:
        SinkError: the file cannot be written.
    """
    AtomicFile(path).write((json.dumps(figures, indent=2) + "\n").encode())


def prove_writable(path: Path | None) -> None:
    """Find out before any work is done that a file for figures cannot be written.

    Raises:
        SinkError: it cannot.
    """
    if path is not None:
        AtomicFile(path).discard()


def in_words(figures: dict[str, Any]) -> Iterator[str]:
    """The figures as a few plain sentences."""
    yield (
        f"{figures['frames_in']} frames in, {figures['frames_out']} out: "
        f"{figures['protected']} protected, {figures['held']} held, "
        f"{figures['placeholder']} placeholder, {figures['off']} off."
    )
    for reason, count in figures["faults"].items():
        yield f"{count} times: {reason}"
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
