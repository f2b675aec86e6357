"""Where frames come from: a webcam, a video, pictures, or a demo."""

from __future__ import annotations

from pathlib import Path

from camfilter.errors import SourceNotFound
from camfilter.frames import Size
from camfilter.sources.base import Source, SourceInfo, frames_of
from camfilter.sources.camera import CameraSource
from camfilter.sources.demo import DemoSource
from camfilter.sources.devices import Camera, find_camera, list_cameras
from camfilter.sources.kind import is_picture_file
from camfilter.sources.pictures import PictureSource
from camfilter.sources.v4l2 import Mode
from camfilter.sources.video import VideoSource

__all__ = [
    "Camera",
    "CameraSource",
    "DemoSource",
    "Mode",
    "PictureSource",
    "Source",
    "SourceInfo",
    "VideoSource",
    "find_camera",
    "frames_of",
    "list_cameras",
    "names_camera",
    "open_source",
]


def open_source(
    spec: str,
    *,
    size: Size | None = None,
    rate_hz: float | None = None,
    frame_count: int | None = None,
) -> Source:
    """Open what a person named.

    Args:
        spec: "demo"; a camera's number, node ("/dev/video0"), stable name or name;
            a picture, a video file, or a folder of pictures. A file that is called
            like a camera or "demo" can be given as "./demo".
        size: size of the demo, or to ask a camera for; files keep theirs.
        rate_hz: the same for frames a second.
        frame_count: length of the demo.

    Raises:
        SourceNotFound: nothing of that name.
        UnreadableSource: a file that holds no picture and no video.
        CameraLost: a camera that sends nothing.
        SettingError: a size, rate or count that cannot be used.
    """
    if not spec.strip():
        raise SourceNotFound("The source has no name.", "Name a camera, a file or a folder.")
    if spec == "demo":
        return DemoSource(size, rate_hz or 30.0, 150 if frame_count is None else frame_count)
    if not names_camera(spec):
        path = Path(spec)
        if path.is_dir() or is_picture_file(path):
            return PictureSource(path)
        return VideoSource(path)
    if "://" in spec:
        raise SourceNotFound("Addresses on a network are not read.", "Give a file or a camera.")
    return CameraSource(find_camera(spec, list_cameras()), size=size, rate_hz=rate_hz)


def names_camera(spec: str) -> bool:
    """Whether `open_source` takes a name for a camera's, as it is no file, folder or demo."""
    if spec == "demo":
        return False
    return spec.isdecimal() or spec.startswith("/dev/") or not _is_there(Path(spec))


def _is_there(path: Path) -> bool:
    try:
        return bool(path.name or path.anchor or str(path) == ".") and path.exists()
    except (OSError, ValueError):
        return False
