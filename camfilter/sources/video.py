"""Frames from a video file, each once, in order, with its own time."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from camfilter.errors import SourceNotFound, UnreadableSource
from camfilter.frames import Pixels, RawFrame
from camfilter.sources.base import SourceInfo
from camfilter.sources.closing import ClosedOnExit

__all__ = ["VideoSource"]


class VideoSource(ClosedOnExit):
    """A video file.

    A file that is damaged or cut short delivers what can be decoded and then
    raises, once, saying how many frames came; after that `read` returns None.
    Only the file itself is opened: a playlist that points elsewhere is refused.

    Args:
        path: the video file.

    Raises:
        SourceNotFound: there is no such file.
        UnreadableSource: it holds no video, or not even one frame can be decoded.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise SourceNotFound(f"There is no video file {path}.")
        self._path = path
        self._container = _open(path)
        try:
            self._stream = _video_stream(self._container, path)
            self._rate_hz = float(self._stream.average_rate or self._stream.guessed_rate or 25)
            self._frames = self._decode()
            self._index = 0
            self._start_s: float | None = None
            self._last_s = 0.0
            self._end_s = 0.0
            self._first = self._next()
        except UnreadableSource:
            self._container.close()
            raise
        if self._first is None:
            self._container.close()
            raise UnreadableSource(f"{path.name} holds no video frame.")
        self._info = SourceInfo(
            name=path.name,
            size=self._first.size,
            rate_hz=self._rate_hz,
            frame_count=self._stream.frames or None,
            live=False,
            stills=False,
        )

    @property
    def info(self) -> SourceInfo:
        """What the file says about itself; `frame_count` as its header declares it."""
        return self._info

    def read(self) -> RawFrame | None:
        """The next frame, or None after the last one.

        Raises:
            UnreadableSource: the file is damaged at this point.
        """
        if self._first is not None:
            frame, self._first = self._first, None
            return frame
        return self._next()

    def close(self) -> None:
        """Release the file; closing twice does nothing."""
        self._first = None
        self._frames.close()
        self._container.close()

    def _next(self) -> RawFrame | None:
        frame = next(self._frames, None)
        if frame is None:
            return None
        # The default conversion, though a level or two dark: OpenCV and PyAV hand out the same
        # pixels, so whoever compares our output with their own reading sees our change alone.
        pixels = frame.to_ndarray(format="bgr24").view(np.uint8)
        raw = RawFrame(_upright(pixels, frame), self._index, self._time_s(frame))
        self._index += 1
        return raw

    def _time_s(self, frame: VideoFrame) -> float:
        """Seconds since the first frame; a missing or backward stamp counts one frame on."""
        step_s = 1 / self._rate_hz
        if frame.pts is not None and frame.time_base is not None:
            stamp_s = float(frame.pts * frame.time_base)
            length_s = float(frame.duration * frame.time_base) if frame.duration else step_s
            self._end_s = max(self._end_s, stamp_s + length_s)
            if self._start_s is None:
                self._start_s = stamp_s
            time_s = stamp_s - self._start_s
            if self._index == 0 or time_s > self._last_s:
                self._last_s = time_s
                return time_s
        if self._index > 0:
            self._last_s += step_s
        return self._last_s

    def _decode(self) -> Generator[VideoFrame, None, None]:
        try:
            for packet in self._container.demux(self._stream):
                yield from self._stream.decode(packet)
        except (FFmpegError, ValueError) as error:
            yield from self._rest()
            raise self._damaged() from error
        if self._cut_short():
            raise self._damaged()

    def _rest(self) -> Iterator[VideoFrame]:
        """Frames that the decoder still held when it met the damage."""
        try:
            yield from self._stream.decode(None)
        except (FFmpegError, ValueError):
            return

    def _damaged(self) -> UnreadableSource:
        if self._index == 0:
            return UnreadableSource(
                f"{self._path.name} holds no readable video.", "It may be damaged or cut short."
            )
        frames = "1 frame" if self._index == 1 else f"{self._index} frames"
        return UnreadableSource(
            f"{self._path.name} is damaged or cut short after {frames}.",
            "What was read up to there is whole.",
        )

    def _cut_short(self) -> bool:
        """Whether the file ends before its own table or header says it does.

        The demuxer takes the end of a Matroska file for its proper end, wherever it is.
        """
        size = self._path.stat().st_size
        if any(entry.pos + entry.size > size for entry in self._stream.index_entries):
            return True
        declared_s = _seconds(self._stream.metadata.get("DURATION", ""))
        return declared_s - self._end_s > 1.5 / self._rate_hz


def _open(path: Path) -> InputContainer:
    try:
        # An absolute path cannot be taken for a protocol, and nothing else may be fetched.
        return av.open(str(path.absolute()), "r", options={"protocol_whitelist": "file"})
    except (FFmpegError, ValueError, OSError) as error:
        raise UnreadableSource(
            f"{path.name} is not a video that can be read.", "It may be damaged or cut short."
        ) from error


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    if not container.streams.video:
        raise UnreadableSource(f"{path.name} holds no video.")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise UnreadableSource(f"{path.name} holds a video that no decoder here can read.")
    stream.thread_type = "AUTO"
    return stream


def _upright(pixels: Pixels, frame: VideoFrame) -> Pixels:
    """Pixels as the frame's display matrix says: turned by quarters, mirrored or both.

    Its first two rows say where a step to the right and a step down in the picture lead to, in
    steps to the right and down on the screen. A rotation alone would not tell a mirror.
    """
    beside: Any = frame.side_data  # its stub knows other keys
    if Type.DISPLAYMATRIX not in beside:
        return pixels
    matrix = np.frombuffer(bytes(beside[Type.DISPLAYMATRIX]), np.int32)
    right, down = matrix.reshape(3, 3)[:2, :2].tolist()
    if abs(right[0]) >= abs(right[1]):
        across, along = right[0], down[1]
    else:
        across, along = down[0], right[1]
        pixels = pixels.swapaxes(0, 1)
    turned = pixels[:: -1 if along < 0 else 1, :: -1 if across < 0 else 1]
    return np.ascontiguousarray(turned)


def _seconds(clock: str) -> float:
    """Seconds of "hh:mm:ss.fraction"; 0 where there is no such text."""
    try:
        hours, minutes, seconds = clock.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        return 0.0
