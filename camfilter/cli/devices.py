"""`camfilter devices`: which cameras there are, under which names, with which modes."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from camfilter.sources.devices import Camera, list_cameras

__all__ = ["devices"]


def devices() -> None:
    """List the cameras of this machine and their modes."""
    console = Console()
    cameras = list_cameras()
    if not cameras:
        console.print("No camera was found. Plug one in, or try: camfilter demo", highlight=False)
        return
    table = Table("camera", "name", "stable name", "modes")
    for camera in cameras:
        table.add_row(str(camera.address), _name(camera), camera.stable_name, _modes(camera))
    console.print(table)
    console.print("Use one of these with: camfilter run --source NAME", highlight=False)


def _name(camera: Camera) -> str:
    return f"{camera.name} (virtual)" if camera.virtual else camera.name


def _modes(camera: Camera) -> str:
    return "\n".join(str(mode) for mode in camera.modes) or "unknown"
