"""The cameras of this machine, and how to find one again under another number."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2

from camfilter.errors import SourceNotFound
from camfilter.sources.v4l2 import Capabilities, Mode, capabilities_of, modes_of

__all__ = ["Camera", "NodeFolders", "find_camera", "list_cameras", "locate"]

_LOOPBACK_DRIVER: Final = "v4l2 loopback"
_PROBED_INDEXES: Final = 5
_BY_ID: Final = Path("/dev/v4l/by-id")


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that can be opened.

    Attributes:
        address: node path ("/dev/video0"), or OpenCV's index where there are no nodes.
        name: name that a person knows ("HD Webcam C270").
        stable_name: entry of /dev/v4l/by-id, the same after a re-plug; may be empty.
        modes: what it offers; empty where it cannot be asked.
        virtual: True for a v4l2loopback node, which may well be our own output.
    """

    address: str | int
    name: str
    stable_name: str = ""
    modes: tuple[Mode, ...] = ()
    virtual: bool = False


@dataclass(frozen=True, slots=True)
class NodeFolders:
    """Where Linux keeps its video nodes."""

    devices: Path = Path("/dev")
    classes: Path = Path("/sys/class/video4linux")
    by_id: Path = _BY_ID


def list_cameras(
    folders: NodeFolders | None = None,
    *,
    capabilities: Callable[[str], Capabilities | None] = capabilities_of,
    modes: Callable[[str], tuple[Mode, ...]] = modes_of,
) -> tuple[Camera, ...]:
    """The cameras that can be read now, in the order of their numbers.

    Args:
        folders: where to look; None for this machine's own (then other systems than
            Linux are probed through OpenCV).
        capabilities: asks a node who it is.
        modes: asks a node for its modes.
    """
    if folders is None:
        if sys.platform != "linux":
            return _probed_cameras()
        folders = NodeFolders()
    stable = _stable_names(folders.by_id)
    cameras = []
    for entry in sorted(_entries(folders.classes), key=_number):
        path = str(folders.devices / entry.name)
        said = capabilities(path)
        if said is None or not said.captures:
            continue
        cameras.append(
            Camera(
                address=path,
                name=said.card or entry.name,
                stable_name=stable.get(entry.name, ""),
                modes=modes(path),
                virtual=said.driver == _LOOPBACK_DRIVER,
            )
        )
    return tuple(cameras)


def find_camera(spec: str, cameras: Sequence[Camera]) -> Camera:
    """The camera that a person means by number, node path, stable name or name.

    Raises:
        SourceNotFound: none is meant, or more than one.
    """
    wanted = f"/dev/video{spec}" if spec.isdecimal() else spec
    keys: tuple[Callable[[Camera], bool], ...] = (
        lambda camera: str(camera.address) in (wanted, spec),
        lambda camera: bool(camera.stable_name) and Path(spec).name == camera.stable_name,
        lambda camera: camera.name.casefold() == spec.casefold(),
    )
    for key in keys:
        found = [camera for camera in cameras if key(camera)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(camera.stable_name or str(camera.address) for camera in found)
            raise SourceNotFound(f"{len(found)} cameras are named {spec}.", f"Use one of: {names}.")
    raise SourceNotFound(f"There is no file, folder or camera {spec}.", _choices(cameras))


def locate(camera: Camera, by_id: Path = _BY_ID) -> str | int | None:
    """Where a camera is now, or None while it is unplugged.

    A camera with a stable name is found even when its number has changed.
    """
    if camera.stable_name:
        link = by_id / camera.stable_name
        return str(link.resolve()) if link.exists() else None
    if isinstance(camera.address, str) and not Path(camera.address).exists():
        return None
    return camera.address


def _choices(cameras: Sequence[Camera]) -> str:
    if not cameras:
        return "No camera was found on this machine."
    return "Cameras: " + ", ".join(f"{camera.address} ({camera.name})" for camera in cameras) + "."


def _entries(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if entry.name.startswith("video")]
    except OSError:
        return []


def _stable_names(by_id: Path) -> dict[str, str]:
    """Node name ("video0") to stable name."""
    try:
        return {link.resolve().name: link.name for link in sorted(by_id.iterdir())}
    except OSError:
        return {}


def _number(entry: Path) -> tuple[int, str]:
    digits = entry.name.removeprefix("video")
    return (int(digits) if digits.isdecimal() else sys.maxsize, entry.name)


def _probed_cameras() -> tuple[Camera, ...]:
    cameras = []
    for index in range(_PROBED_INDEXES):
        try:
            capture = cv2.VideoCapture(index)
        except cv2.error:
            continue
        if capture.isOpened():
            cameras.append(Camera(address=index, name=f"camera {index}"))
        capture.release()
    return tuple(cameras)
