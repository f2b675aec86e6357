"""The cameras and virtual cameras to choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from camfilter.errors import SourceNotFound
from camfilter.sinks.v4l2 import loopback_nodes
from camfilter.sources.devices import Camera, find_camera, list_cameras
from camfilter.tray.choices import Choice

__all__ = ["Devices", "camera_choices", "chosen_camera", "sink_choices"]

_CLASSES: Final = Path("/sys/class/video4linux")


def _name_of(node: str) -> str:
    try:
        return (_CLASSES / Path(node).name / "name").read_text(encoding="utf-8").strip()
    except OSError:
        return "Virtual camera"


@dataclass(frozen=True, slots=True)
class Devices:
    """Where the lists come from; tests put their own.

    Attributes:
        cameras: the cameras that can be read now.
        loopbacks: nodes of the virtual cameras that can be written to.
        name: what a node calls itself.
    """

    cameras: Callable[[], Sequence[Camera]] = list_cameras
    loopbacks: Callable[[], Sequence[str]] = loopback_nodes
    name: Callable[[str], str] = _name_of


def camera_choices(cameras: Sequence[Camera], source: str, sink: str) -> tuple[Choice, ...]:
    """Every camera but the one that is written to; what is chosen is listed in any case."""
    written = sink.partition(":")[2]
    choices = [
        Choice(_spec(camera), _label(camera), str(camera.address))
        for camera in cameras
        if str(camera.address) != written
    ]
    if chosen_camera(cameras, source) not in {choice.value for choice in choices}:
        choices.append(Choice(source, source, "chosen now"))
    return tuple(choices)


def chosen_camera(cameras: Sequence[Camera], source: str) -> str:
    """The value, among the choices, of what the settings name; itself when it is no camera."""
    try:
        return _spec(find_camera(source, cameras))
    except SourceNotFound:
        return source


def sink_choices(nodes: Sequence[str], name: Callable[[str], str], sink: str) -> tuple[Choice, ...]:
    """The virtual cameras, the first free one, and what is chosen now."""
    choices = [Choice("virtual", "First free virtual camera")]
    choices += [Choice(f"virtual:{node}", f"{name(node)} ({node})") for node in nodes]
    if sink not in {choice.value for choice in choices}:
        choices.append(Choice(sink, sink, "chosen now"))
    return tuple(choices)


def _spec(camera: Camera) -> str:
    return camera.stable_name or str(camera.address)


def _label(camera: Camera) -> str:
    return f"{camera.name} (virtual)" if camera.virtual else camera.name
