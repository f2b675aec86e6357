"""Calls in Chromium: a clip is sent, and what the far end decoded comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from call.browser import Browser
from call.clips import Clips
from call.colour import I420
from call.frame_code import read_number
from call.server import PageServer
from call.silence import SocketWatch
from camfilter.errors import CamfilterError
from camfilter.frames import Size

__all__ = ["Call", "CallFailed", "Calls", "Received", "make_calls"]

_PATIENCE_S: Final = 40.0
"""How long connecting may take; a busy machine is slow at it."""


class CallFailed(CamfilterError):
    """The browser could not make the call."""


@dataclass(frozen=True, slots=True)
class Received:
    """One frame at the far end.

    Attributes:
        number: what its corner says, or None when that cannot be read.
        time_ms: when the page got it from the decoder, on the page's clock.
        offset: where its pixels begin in the call's file.
        width: in pixels.
        height: in pixels.
        format: I420 or NV12.
    """

    number: int | None
    time_ms: float
    offset: int
    width: int
    height: int
    format: str


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call that was made.

    Attributes:
        codec: the codec asked for.
        result: what the page reported: statistics of both ends, parameters, state.
        sent: number and time in ms of each frame that the camera gave the page.
        received: the frames of the far end, in order.
        pixels: file with their pixels.
    """

    codec: str
    result: dict[str, Any]
    sent: list[tuple[int | None, float]]
    received: list[Received]
    pixels: Path

    def pictures(self) -> Iterator[tuple[Received, I420]]:
        """Each frame of the far end with its picture."""
        with self.pixels.open("rb") as file:
            for frame in self.received:
                file.seek(frame.offset)
                yield frame, _picture(file.read(frame.width * frame.height * 3 // 2), frame)


@dataclass(frozen=True, slots=True, eq=False)
class Calls:
    """All calls with one clip.

    Attributes:
        made: by codec; a codec that is not built in is missing.
        strangers: addresses outside the loopback that the browser's sockets led to.
        looks: how often its sockets were looked at.
        left_over: processes of the browser that outlived it.
    """

    made: dict[str, Call]
    strangers: set[str]
    looks: int
    left_over: int


def make_calls(
    program: str,
    clips: Clips,
    clip: str,
    codecs: tuple[str, ...],
    plan: dict[str, Any],
    folder: Path,
) -> Calls:
    """Send a clip once through each codec.

    Args:
        program: Chromium.
        clips: what is sent.
        clip: which one.
        codecs: names as WebRTC calls them.
        plan: ``kbit`` and ``seconds`` of each call.
        folder: for the pixels and the browser's profile.

    Raises:
        CallFailed: the browser ended, the page failed, or it took far too long.
    """
    file = clips.files[clip]
    code = clips.corner.box_in(file.size)
    whole_plan = {
        **plan,
        "codecs": codecs,
        "width": file.size.width,
        "height": file.size.height,
        "rate_hz": clips.rate_hz,
        "patience_s": _PATIENCE_S,
        "code": {
            "x": code.left,
            "y": code.top,
            "width": code.right - code.left,
            "height": code.bottom - code.top,
        },
    }
    pixels = folder / f"{clip}-pixels"
    pixels.mkdir()
    patience_s = len(codecs) * (plan["seconds"] + 2 * _PATIENCE_S)
    with (
        PageServer(whole_plan, pixels) as page,
        Browser(program, page.address, file.path, folder / f"{clip}-browser") as browser,
        SocketWatch(browser.processes) as watch,
    ):
        waited_s = 0.0
        while not page.over.wait(0.2):
            waited_s += 0.2
            if not browser.running:
                raise CallFailed(f"Chromium ended early: {browser.last_words()}")
            if waited_s > patience_s:
                raise CallFailed(f"The page did not finish in {patience_s:.0f} s.")
    if page.failure:
        raise CallFailed(f"The page failed: {page.failure}")
    made = {
        codec: _call(codec, result, clips, pixels / f"{codec}.pixels")
        for codec, result in page.results.items()
    }
    return Calls(made, watch.strangers, watch.looks, len(browser.processes()))


def _call(codec: str, result: dict[str, Any], clips: Clips, pixels: Path) -> Call:
    code = clips.corner.box_in(next(iter(clips.files.values())).size)
    shape = (code.bottom - code.top, code.right - code.left)
    sent = [
        (read_number(np.array(entry["strip"], np.uint8).reshape(shape)), float(entry["time_ms"]))
        for entry in result.pop("sent")
    ]
    received = []
    offset = 0
    with pixels.open("rb") as file:
        for entry in result.pop("received"):
            frame = Received(
                None, entry["time_ms"], offset, entry["width"], entry["height"], entry["format"]
            )
            file.seek(offset)
            luma = np.frombuffer(file.read(frame.width * frame.height), np.uint8)
            received.append(_numbered(frame, luma.reshape(frame.height, frame.width), clips))
            offset += entry["bytes"]
    return Call(codec, result, sent, received, pixels)


def _numbered(frame: Received, luma: I420, clips: Clips) -> Received:
    box = clips.corner.box_in(Size(frame.width, frame.height))
    return replace(frame, number=read_number(luma[box.slices()]))


def _picture(content: bytes, frame: Received) -> I420:
    """An I420 picture from the decoder's planes.

    Raises:
        CallFailed: an unknown layout.
    """
    flat = np.frombuffer(content, np.uint8)
    luma_bytes = frame.width * frame.height
    if frame.format == "NV12":
        pairs = flat[luma_bytes:].reshape(-1, 2)
        flat = np.concatenate([flat[:luma_bytes], pairs[:, 0], pairs[:, 1]])
    elif frame.format not in ("I420", "I420A"):
        raise CallFailed(f"The decoder gave {frame.format} pixels.")
    return flat.reshape(frame.height * 3 // 2, frame.width)
