"""Frames into a video file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation
from av.video.stream import VideoStream

from camfilter.atomic import AtomicFile, one_line
from camfilter.errors import SinkError
from camfilter.frames import Pixels, Size
from camfilter.guard import ProtectedFrame
from camfilter.shape import even, padded_to_even
from camfilter.sinks.base import pixels_of
from camfilter.sinks.closing import ClosedOnExit

__all__ = ["VIDEO_SUFFIXES", "VideoSink"]

_TICKS_HZ: Final = 90_000
_EXACT: Final = (
    Interpolation.AREA
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)
"""Without these flags the conversion to YUV loses up to a level, always to the dark side."""


@dataclass(frozen=True, slots=True)
class _Coding:
    """How a kind of video file is written.

    Attributes:
        container: FFmpeg's name of the file format.
        codec: its encoder.
        pixel_format: what the encoder is given.
        even: whether width and height must be even.
        step_ticks: least distance of two time stamps; the container's resolution.
        options: the encoder's options.
    """

    container: str
    codec: str
    pixel_format: str
    even: bool
    step_ticks: int
    options: Mapping[str, str] = field(default_factory=dict)


_CODINGS: Final = {
    # Matroska counts milliseconds. RGB through FFV1 comes back bit for bit.
    ".mkv": _Coding("matroska", "ffv1", "bgr0", False, 90, {"level": "3", "slicecrc": "1"}),
    ".mp4": _Coding(
        "mp4", "libx264", "yuv420p", True, 1, {"crf": "12", "preset": "veryfast"}
    ),
}  # fmt: skip

VIDEO_SUFFIXES: Final = tuple(_CODINGS)


class VideoSink(ClosedOnExit):
    """A video file: lossless FFV1 in .mkv, or H.264 of high quality in .mp4.

    Each frame keeps its time, counted from the first. Where no frame came,
    `close` writes nothing. An odd size is made even in .mp4 by repeating the
    last column or row.

    Args:
        path: where to; the suffix says which kind.
        size: width and height of every frame.
        rate_hz: nominal frames a second; how long the last frame lasts.

    Raises:
        SinkError: an unknown kind, or nothing can be written there.
    """

    def __init__(self, path: Path, size: Size, rate_hz: float) -> None:
        coding = _CODINGS.get(path.suffix.lower())
        if coding is None:
            raise SinkError(
                f"{path.name} is no kind of video that can be written.",
                f"Use {' or '.join(VIDEO_SUFFIXES)}.",
            )
        if rate_hz <= 0 or min(size.width, size.height) < 1:
            raise SinkError(f"A video of {size} at {rate_hz:g} Hz cannot be written.")
        self._path = path
        self._size = size
        self._coding = coding
        self._length_ticks = max(coding.step_ticks, round(_TICKS_HZ / rate_hz))
        self._first_s: float | None = None
        self._last_ticks = 0
        self._file: AtomicFile | None = AtomicFile(path)
        try:
            self._container, self._stream = _opened(
                self._file.temporary, coding, even(size) if coding.even else size, rate_hz
            )
        except BaseException as error:
            self._file.discard()
            if not isinstance(error, FFmpegError | ValueError | OSError):
                raise
            raise SinkError(
                f"{path.name} cannot be encoded at {size}: {one_line(error)}."
            ) from error

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    def write(self, frame: ProtectedFrame) -> None:
        """Take one frame.

        Raises:
            UnguardedFrame: the frame was not made by the guard.
            SinkError: another size than before, or it cannot be written.
        """
        pixels = pixels_of(frame)
        if self._file is None:
            raise SinkError(f"{self.name} is closed.")
        if frame.size != self._size:
            raise SinkError(
                f"{self.name} holds frames of {self._size}, and one of {frame.size} came.",
                "Write pictures of different sizes to a folder (name it with a / at the end).",
            )
        picture = self._picture(pixels)
        picture.pts = self._ticks(frame.time_s)
        picture.duration = self._length_ticks
        picture.time_base = Fraction(1, _TICKS_HZ)
        try:
            self._container.mux(self._stream.encode(picture))
        except (FFmpegError, ValueError, OSError) as error:
            raise SinkError(f"{self.name} cannot be written: {one_line(error)}.") from error

    def close(self) -> None:
        """Finish the file and move it into place; closing twice does nothing.

        Raises:
            SinkError: it cannot be finished; then nothing is left of it.
        """
        file, self._file = self._file, None
        if file is None:
            return
        if self._first_s is None:
            self._release(file)
            return
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        except (FFmpegError, ValueError, OSError) as error:
            self._release(file)
            raise SinkError(f"{self.name} cannot be finished: {one_line(error)}.") from error
        file.commit()

    def abort(self) -> None:
        """Throw the unfinished file away; an older one stays as it is."""
        file, self._file = self._file, None
        if file is not None:
            self._release(file)

    def _release(self, file: AtomicFile) -> None:
        try:
            self._container.close()
        except (FFmpegError, ValueError, OSError):
            pass
        finally:
            file.discard()

    def _picture(self, pixels: Pixels) -> VideoFrame:
        coding = self._coding
        source = VideoFrame.from_ndarray(
            padded_to_even(pixels) if coding.even else pixels, format="bgr24"
        )
        if coding.pixel_format == "yuv420p":
            return source.reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, interpolation=_EXACT
            )
        return source.reformat(format=coding.pixel_format)

    def _ticks(self, time_s: float) -> int:
        """Time stamp of a frame; later than the one before by at least one step."""
        if self._first_s is None:
            self._first_s = time_s
            return 0
        ticks = round((time_s - self._first_s) * _TICKS_HZ)
        self._last_ticks = max(ticks, self._last_ticks + self._coding.step_ticks)
        return self._last_ticks


def _opened(
    path: Path, coding: _Coding, size: Size, rate_hz: float
) -> tuple[OutputContainer, VideoStream]:
    container = av.open(str(path.absolute()), "w", format=coding.container)
    try:
        rate = Fraction(rate_hz).limit_denominator(1001)
        stream = cast(
            VideoStream,
            container.add_stream(coding.codec, rate=rate or 1, options=dict(coding.options)),
        )
        stream.width, stream.height = size.width, size.height
        stream.pix_fmt = coding.pixel_format
        stream.codec_context.time_base = Fraction(1, _TICKS_HZ)
        stream.time_base = Fraction(1, _TICKS_HZ)
        if coding.pixel_format == "yuv420p":
            stream.codec_context.colorspace = Colorspace.ITU709
        stream.codec_context.open()
    except BaseException:
        container.close()
        raise
    return container, stream
