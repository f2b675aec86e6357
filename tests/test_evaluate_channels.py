from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from camfilter.errors import SettingError
from camfilter.frames import Pixels, Size
from camfilter.lab.evaluate.channels import (
    CHANNELS,
    Channel,
    Coding,
    Outgoing,
    Received,
    is_available,
    send,
)
from camfilter.sources.base import frames_of
from camfilter.sources.demo import DemoSource

CODED = [name for name, channel in CHANNELS.items() if channel.coding is not None]
RATE_HZ = 30.0


@pytest.fixture(scope="module")
def clip() -> list[Pixels]:
    """A second and a half of the moving portrait with a sensor's noise, 640x360."""
    random = np.random.default_rng(3)
    frames = []
    for raw in frames_of(DemoSource(Size(640, 360), RATE_HZ, 45)):
        noisy = raw.pixels + random.normal(0, 1.5, raw.pixels.shape)
        frames.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return frames


@pytest.fixture(scope="module")
def through(clip: list[Pixels]) -> Callable[[str], Received]:
    """The whole clip through a channel, sent once."""
    outgoing = Outgoing(clip, RATE_HZ)
    return cache(lambda name: outgoing.through(CHANNELS[name]))


def psnr(first: Pixels, second: Pixels) -> float:
    return 10 * float(np.log10(255**2 / np.square(first.astype(float) - second).mean()))


def skip_without(channel: Channel) -> None:
    if not is_available(channel):
        pytest.skip(f"this PyAV has no {channel.coding}")


@pytest.mark.parametrize("name", CODED)
def test_a_call_gives_every_frame_back_in_its_place(
    name: str, clip: list[Pixels], through: Callable[[str], Received]
) -> None:
    channel = CHANNELS[name]
    skip_without(channel)
    received = through(name)
    assert len(received.frames) == len(clip)
    height = min(channel.height_px or 0, 360)
    assert received.frames[0].shape == (height, 640 * height // 360, 3)
    if height == 360:
        # The frame itself, not its neighbour: the portrait moves.
        last = received.frames[-1]
        assert psnr(last, clip[-1]) > 28
        assert psnr(last, clip[-1]) > psnr(last, clip[-12]) + 1


@pytest.mark.parametrize("name", CODED)
def test_the_rate_is_what_the_channel_says(
    name: str, clip: list[Pixels], through: Callable[[str], Received]
) -> None:
    channel = CHANNELS[name]
    skip_without(channel)
    rate_bps = 8 * through(name).sent_bytes * RATE_HZ / len(clip)
    # The first picture is whole and costs extra; noise at 360 lines needs less than 2500 kbit/s.
    assert rate_bps < 1.6 * channel.rate_bps
    assert rate_bps > 0.15 * channel.rate_bps


@pytest.mark.parametrize("name", CODED)
def test_the_same_clip_gives_the_same_bytes(name: str, clip: list[Pixels]) -> None:
    channel = CHANNELS[name]
    skip_without(channel)
    first, second = (send(clip[:12], channel, RATE_HZ) for _ in range(2))
    assert first.sent_bytes == second.sent_bytes
    assert all(map(np.array_equal, first.frames, second.frames))


@pytest.mark.parametrize("name", ["u8", "jpeg75", "vp8-360p-500k"])
def test_all_frames_are_sent_even_where_few_are_received(name: str, clip: list[Pixels]) -> None:
    channel = CHANNELS[name]
    skip_without(channel)
    outgoing = Outgoing(clip[:12], RATE_HZ)
    every, some = outgoing.through(channel), outgoing.through(channel, 5)
    assert len(some.frames) == 3
    assert all(map(np.array_equal, every.frames[::5], some.frames))
    if channel.coding is not None:
        assert every.sent_bytes == some.sent_bytes


def test_less_rate_leaves_less(clip: list[Pixels], through: Callable[[str], Received]) -> None:
    quality = [
        np.mean([psnr(a, b) for a, b in zip(through(name).frames, clip, strict=True)])
        for name in ("h264-720p-2500k", "h264-360p-500k")
    ]
    assert quality[0] > quality[1] + 1


def test_rounding_alone_changes_nothing(clip: list[Pixels]) -> None:
    received = send(clip, CHANNELS["u8"], RATE_HZ)
    assert received.sent_bytes == 0
    assert all(map(np.array_equal, received.frames, clip))


def test_jpeg_changes_a_little(clip: list[Pixels]) -> None:
    received = send(clip[:3], CHANNELS["jpeg75"], RATE_HZ)
    assert 30 < psnr(received.frames[0], clip[0]) < 45
    assert received.sent_bytes > 0


def test_nothing_is_ever_scaled_up(clip: list[Pixels]) -> None:
    assert CHANNELS["h264-720p-2500k"].size(Size.of(clip[0])) == Size(640, 360)
    assert CHANNELS["h264-180p-150k"].size(Size(640, 480)) == Size(240, 180)
    assert CHANNELS["h264-360p-500k"].size(Size(1280, 720)) == Size(640, 360)


def test_the_conversion_keeps_levels(clip: list[Pixels]) -> None:
    """Through an all but lossless encoder: no level is lost on the way to YUV and back."""
    fine = Coding("libx264", "h264", {"preset": "ultrafast", "tune": "zerolatency", "qp": "1"})
    gray = [np.repeat(frame[:, :, :1], 3, axis=2) for frame in clip[:2]]
    received = send(gray, Channel("fine", 360, coding=fine), RATE_HZ)
    error = received.frames[0].astype(float) - gray[0]
    assert abs(error.mean()) < 0.1
    assert np.abs(error).mean() < 0.6


def test_a_missing_encoder_is_said(clip: list[Pixels]) -> None:
    coding = dataclasses.replace(CHANNELS["vp8-360p-500k"].coding, encoder="libnothing")
    channel = Channel("nothing-360p", 360, 500_000, coding=coding)
    assert not is_available(channel)
    with pytest.raises(SettingError, match="nothing-360p is missing"):
        send(clip[:2], channel, RATE_HZ)
