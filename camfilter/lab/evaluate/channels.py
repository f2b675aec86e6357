"""What lies between the filter and the spy: rounding, JPEG, or a call's video codec."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import av
import cv2
import numpy as np
from av.codec.codec import UnknownCodecError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from camfilter.errors import SettingError
from camfilter.frames import Pixels, Size

__all__ = ["CHANNELS", "Channel", "Coding", "Outgoing", "Received", "is_available", "send"]

_EXACT: Final = (
    Interpolation.AREA
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)
"""Without these flags the conversion to YUV loses up to a level, always to the dark side."""


@dataclass(frozen=True, slots=True)
class Coding:
    """An encoder with the settings of a call.

    Attributes:
        encoder: FFmpeg's name.
        decoder: FFmpeg's name of what the far end uses.
        options: of the encoder, real time, one pass, no frame held back.
    """

    encoder: str
    decoder: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Channel:
    """A way for frames to reach the spy.

    Attributes:
        name: in options and reports.
        height_px: greatest height that is sent; None sends what comes. Never scales up.
        rate_bps: bits a second that the encoder aims at; 0 where nothing is aimed at.
        jpeg_quality: quality of JPEG pictures; 0 for none.
        coding: the video encoder; None for none.
    """

    name: str
    height_px: int | None = None
    rate_bps: int = 0
    jpeg_quality: int = 0
    coding: Coding | None = None

    def size(self, clip: Size) -> Size:
        """The size that is sent of a clip: even, and no taller than the channel allows."""
        if self.coding is None:
            return clip
        height = min(clip.height, self.height_px or clip.height)
        return Size(2 * round(clip.width * height / clip.height / 2), 2 * round(height / 2))


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """What the far end gets.

    Attributes:
        frames: decoded, (height, width, 3) uint8, BGR.
        sent_bytes: of all packets, of JPEG pictures those received; 0 where nothing was coded.
    """

    frames: list[Pixels]
    sent_bytes: int


def _x264(rate_bps: int) -> Coding:
    return Coding(
        "libx264",
        "h264",
        {
            # Constrained baseline is what calls negotiate; half a second of buffer as in a call.
            "profile": "baseline",
            "preset": "superfast",
            "tune": "zerolatency",
            "maxrate": str(rate_bps),
            "bufsize": str(rate_bps // 2),
            "g": "3000",
            "sc_threshold": "0",
        },
    )


def _vpx(encoder: str, decoder: str, rate_bps: int, more: Mapping[str, str]) -> Coding:
    shared = {
        "deadline": "realtime",
        "lag-in-frames": "0",
        "error-resilient": "default",
        "undershoot-pct": "100",
        "overshoot-pct": "15",
        "bufsize": str(rate_bps),
        "rc_init_occupancy": str(rate_bps // 2),
        "qmin": "2",
        "g": "3000",
    }
    return Coding(encoder, decoder, {**shared, **more})


def _vp8(rate_bps: int) -> Coding:
    more = {"cpu-used": "-6", "qmax": "56", "static-thresh": "1"}
    return _vpx("libvpx", "vp8", rate_bps, more)


def _vp9(rate_bps: int) -> Coding:
    return _vpx("libvpx-vp9", "vp9", rate_bps, {"cpu-used": "7", "qmax": "52", "aq-mode": "3"})


def _av1(_rate_bps: int) -> Coding:
    # rc=2: constant bit-rate; pred-struct=1: no frame waits for a later one; lp=1: one thread,
    # so that the same frames give the same bytes.
    parameters = "rtc=1:pred-struct=1:rc=2:lp=1:keyint=-1"
    return Coding("libsvtav1", "libdav1d", {"preset": "10", "svtav1-params": parameters})


def _call(name: str, height_px: int, rate_bps: int, coding: Coding) -> Channel:
    return Channel(name, height_px=height_px, rate_bps=rate_bps, coding=coding)


CHANNELS: Final[Mapping[str, Channel]] = {
    channel.name: channel
    for channel in (
        Channel("u8"),
        Channel("jpeg75", jpeg_quality=75),
        _call("h264-720p-2500k", 720, 2_500_000, _x264(2_500_000)),
        _call("h264-360p-500k", 360, 500_000, _x264(500_000)),
        _call("vp8-360p-500k", 360, 500_000, _vp8(500_000)),
        _call("vp9-360p-500k", 360, 500_000, _vp9(500_000)),
        _call("av1-360p-500k", 360, 500_000, _av1(500_000)),
        _call("h264-180p-150k", 180, 150_000, _x264(150_000)),
    )
}
"""By name: rounding alone, a photograph, and the layers that a call sends."""


def is_available(channel: Channel) -> bool:
    """Whether this machine has the channel's encoder and decoder."""
    if channel.coding is None:
        return True
    try:
        av.Codec(channel.coding.encoder, "w")
        av.Codec(channel.coding.decoder, "r")
    except UnknownCodecError:
        return False
    return True


class Outgoing:
    """A clip on its way out; what channels of one size share is made once.

    Args:
        frames: (height, width, 3) uint8, BGR, all of one size; one or more.
        rate_hz: frames a second; the codec's budget a frame follows from it.
    """

    def __init__(self, frames: Sequence[Pixels], rate_hz: float) -> None:
        self._frames, self._rate_hz = frames, rate_hz
        self._size = Size.of(frames[0])
        self._yuv: dict[Size, list[VideoFrame]] = {}

    def through(self, channel: Channel, every: int = 1) -> Received:
        """Send it through a channel; all frames are sent, each `every`-th one is received.

        Raises:
            SettingError: the codec is missing here, or gave another number of frames back.
        """
        if channel.jpeg_quality:
            return _as_jpeg(self._frames[::every], channel.jpeg_quality)
        if channel.coding is None:
            return Received(list(self._frames[::every]), 0)
        if not is_available(channel):
            raise SettingError(f"The encoder of {channel.name} is missing in this PyAV.")
        size = channel.size(self._size)
        encoder, decoder = _contexts(channel.coding, channel.rate_bps, size, self._rate_hz)
        received: list[Pixels] = []
        sent_bytes = decoded = 0
        for index, picture in enumerate((*self._as_yuv(size), None)):
            if picture is not None:
                picture.pts, picture.time_base = index, encoder.time_base
            arrived = []
            for packet in encoder.encode(picture):
                sent_bytes += packet.size
                arrived += decoder.decode(packet)
            if picture is None:
                arrived += decoder.decode(None)
            for frame in arrived:
                if decoded % every == 0:
                    received.append(_to_bgr(frame))
                decoded += 1
        if decoded != len(self._frames):
            raise SettingError(
                f"{channel.name} gave {decoded} of {len(self._frames)} frames back.",
                "Its encoder drops frames; leave the channel out.",
            )
        return Received(received, sent_bytes)

    def _as_yuv(self, size: Size) -> list[VideoFrame]:
        if size not in self._yuv:
            self._yuv[size] = [_to_yuv(pixels, size) for pixels in self._frames]
        return self._yuv[size]


def send(frames: Sequence[Pixels], channel: Channel, rate_hz: float, every: int = 1) -> Received:
    """Send a clip through one channel.

    Args:
        frames: (height, width, 3) uint8, BGR, all of one size; one or more.
        channel: scales them down first where it is less tall.
        rate_hz: frames a second; the codec's budget a frame follows from it.
        every: each n-th frame is received; all are sent.

    Raises:
        SettingError: the codec is missing here, or gave another number of frames back.
    """
    return Outgoing(frames, rate_hz).through(channel, every)


def _contexts(
    coding: Coding, rate_bps: int, size: Size, rate_hz: float
) -> tuple[VideoCodecContext, VideoCodecContext]:
    os.environ.setdefault("SVT_LOG", "1")  # else SVT-AV1 tells its settings on each start
    rate = Fraction(rate_hz).limit_denominator(1001)
    encoder = av.CodecContext.create(coding.encoder, "w")
    decoder = av.CodecContext.create(coding.decoder, "r")
    if not isinstance(encoder, VideoCodecContext) or not isinstance(decoder, VideoCodecContext):
        raise SettingError(f"{coding.encoder} codes no video.")
    encoder.width, encoder.height = size.width, size.height
    encoder.pix_fmt = "yuv420p"
    encoder.framerate, encoder.time_base = rate, 1 / rate
    if rate_bps:
        encoder.bit_rate = rate_bps
    encoder.thread_count = decoder.thread_count = 1  # the same frames give the same bytes
    encoder.options = dict(coding.options)
    return encoder, decoder


def _to_yuv(pixels: Pixels, size: Size) -> VideoFrame:
    if Size.of(pixels) != size:
        small = cv2.resize(pixels, (size.width, size.height), interpolation=cv2.INTER_AREA)
        pixels = small.view(np.uint8)
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="bgr24")
    return frame.reformat(format="yuv420p", interpolation=_EXACT)


def _to_bgr(frame: VideoFrame) -> Pixels:
    return frame.reformat(format="bgr24", interpolation=_EXACT).to_ndarray().view(np.uint8)


def _as_jpeg(frames: Sequence[Pixels], quality: int) -> Received:
    received, sent_bytes = [], 0
    for pixels in frames:
        _, content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
        sent_bytes += len(content)
        received.append(np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8))
    return Received(received, sent_bytes)
