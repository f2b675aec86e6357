"""Faults of a filter that hands out raw pixels, in every disguise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from camfilter.filtered import Filtered
from camfilter.frames import Pixels, RawFrame
from reliability.faults import Fault


def _with_raw(name: str, turn: Callable[[RawFrame, Filtered], Any], **more: Any) -> Fault:
    return Fault(name, lambda real: turn(*real()), **more)


def raw_faults() -> list[Fault]:
    """Faults of a filter that hands out raw pixels, in every disguise."""
    memory: list[Pixels] = []
    buffers: list[Pixels] = []

    def earlier(raw: RawFrame, done: Filtered) -> Filtered:
        memory.append(raw.pixels.copy())
        return replace(done, pixels=memory[max(0, len(memory) - 4)].copy())

    def scribbled(raw: RawFrame, done: Filtered) -> Filtered:
        """Every other frame writes to the buffer of the one before, and then fails."""
        buffers.append(done.pixels)
        if len(buffers) % 2 == 0:
            buffers[-2][:] = raw.pixels
            raise RuntimeError("too late")
        return done

    def in_place(raw: RawFrame, done: Filtered) -> Filtered:
        raw.pixels[:] = done.pixels
        return replace(done, pixels=done.pixels.copy())

    def almost(raw: RawFrame, done: Filtered) -> Filtered:
        pixels = raw.pixels.copy()
        for face in done.faces:
            pixels[face.box.top + 3, face.box.left + 3] ^= np.uint8(1)
        return replace(done, pixels=pixels)

    return [
        _with_raw("the raw frame", lambda raw, done: replace(done, pixels=raw.pixels)),
        _with_raw("a view of it", lambda raw, done: replace(done, pixels=raw.pixels[:])),
        _with_raw("a copy of it", lambda raw, done: replace(done, pixels=raw.pixels.copy())),
        _with_raw("one pixel of each face changed", almost),
        _with_raw("an earlier raw frame", earlier),
        _with_raw("a buffer that is written to later", scribbled),
        _with_raw("the raw frame overwritten", in_place),
    ]


def silent_raw_faults() -> list[Fault]:
    """The same, by a filter that names no face."""
    return [
        _with_raw(
            "a copy of the raw frame, and no face",
            lambda raw, done: replace(done, pixels=raw.pixels.copy(), faces=()),
            silent=True,
        ),
        _with_raw(
            "one face less",
            lambda raw, done: replace(done, pixels=raw.pixels.copy(), faces=done.faces[1:]),
            silent=True,
        ),
    ]
