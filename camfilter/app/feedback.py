"""Keeps the filter from filming its own virtual camera."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from camfilter.errors import SourceError, SourceNotFound
from camfilter.sources import Camera, find_camera, list_cameras, names_camera

__all__ = ["refuse_own_camera"]


def refuse_own_camera(
    source: str, device: str, cameras: Callable[[], Sequence[Camera]] = list_cameras
) -> None:
    """Refuse a source that is the virtual camera written to.

    Args:
        source: what the person named.
        device: the virtual camera's device; empty while there is none.
        cameras: lists the cameras of this machine.

    Raises:
        SourceError: it is the same.
    """
    if not device or not names_camera(source):
        return
    try:
        camera = find_camera(source, cameras())
    except SourceNotFound:
        return  # opening it says so, and better
    if camera.virtual and _same(str(camera.address), device):
        raise SourceError(f"{camera.name} is camfilter's own picture.", "Choose your webcam.")


def _same(first: str, second: str) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)
