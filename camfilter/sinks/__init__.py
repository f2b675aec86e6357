"""Where protected frames go: a virtual camera, a video, pictures, a window, or nowhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from camfilter.errors import SinkError
from camfilter.frames import Size
from camfilter.sinks.base import Sink, pixels_of
from camfilter.sinks.null import NullSink
from camfilter.sinks.pictures import PICTURE_SUFFIXES, FolderSink, PictureSink
from camfilter.sinks.preview import PreviewClosed, PreviewSink
from camfilter.sinks.video import VIDEO_SUFFIXES, VideoSink
from camfilter.sinks.virtual_camera import VirtualCameraSink

__all__ = [
    "FolderSink",
    "NullSink",
    "PictureSink",
    "PreviewClosed",
    "PreviewSink",
    "Sink",
    "VideoSink",
    "VirtualCameraSink",
    "open_sink",
    "pixels_of",
    "refuse_same",
]


def open_sink(
    spec: str,
    size: Size,
    rate_hz: float,
    *,
    names: Sequence[str] = (),
    source: str = "",
) -> Sink:
    """Open what a person named.

    Args:
        spec: "null"; "virtual" or "virtual:/dev/video10"; "preview"; a video
            (.mkv lossless, .mp4); a picture (.png, .jpg, ...); a folder (one that
            exists, or a name that ends in "/") for PNG files.
        size: width and height of the frames.
        rate_hz: their nominal rate.
        names: names of the source's pictures, for a folder to name its own alike.
        source: what the frames are read from; it is never written over.

    Raises:
        SinkError: it cannot be written, its kind is unknown, or it is the source itself.
    """
    kind, _, device = spec.partition(":")
    if spec == "null":
        return NullSink()
    if spec == "preview":
        return PreviewSink()
    if kind == "virtual":
        return VirtualCameraSink(size, rate_hz, device or None)
    if not spec:
        raise SinkError("The sink has no name.", "Name a file, or a folder with a / at its end.")
    refuse_same(source, spec)
    path = Path(spec)
    if spec.endswith(("/", os.sep)) or path.is_dir():
        return FolderSink(path, names)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return VideoSink(path, size, rate_hz)
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return PictureSink(path)
    raise SinkError(
        f"Nothing is known to write to as {spec!r}.",
        f"Choose virtual, preview, null, a folder/ or a file that ends in "
        f"{', '.join((*VIDEO_SUFFIXES, *PICTURE_SUFFIXES))}.",
    )


def refuse_same(source: str, sink: str) -> None:
    """Refuse a sink that would write over what is read.

    That is the same file or folder, the folder that holds the source, and a file in
    a folder of pictures that is read.

    Raises:
        SinkError: one of these.
    """
    if not source or not Path(source).exists():
        return
    read, written = Path(source).resolve(), Path(sink).resolve()
    if read == written or (written.exists() and read.samefile(written)):
        raise SinkError(f"{sink} is the source itself.", "Choose another name.")
    if read.is_file() and written == read.parent:
        raise SinkError(f"{sink} holds the source.", "Choose another folder.")
    is_folder = written.is_dir() or sink.endswith(("/", os.sep))
    if read.is_dir() and written.parent == read and not is_folder:
        raise SinkError(f"{sink} lies among the pictures that are read.", "Choose another folder.")
