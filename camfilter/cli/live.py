"""The live part of `camfilter run`: the controller, and what is attached to it."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import typer

from camfilter.app.config import Layers
from camfilter.app.controller import Controller, Parts
from camfilter.app.faces import claim, hand_over, with_faces
from camfilter.app.settings import AppSettings
from camfilter.app.transport import Transport
from camfilter.cli.live_line import LiveLine
from camfilter.guard import ProtectedFrame
from camfilter.sources import names_camera
from camfilter.sources.kind import is_picture_file

__all__ = ["run_controller", "runs_live"]


def runs_live(settings: AppSettings) -> bool:
    """Whether frames are shown as they come: from a camera, or a video for somebody to watch."""
    if names_camera(settings.source):
        return True
    if settings.sink.partition(":")[0] not in ("virtual", "preview"):
        return False
    path = Path(settings.source)
    return settings.source == "demo" or not (path.is_dir() or is_picture_file(path))


def run_controller(
    layers: Layers,
    *,
    max_frames: int | None = None,
    parts: Parts | None = None,
    transport: Transport | None = None,
) -> dict[str, Any] | None:
    """Run until a signal, `camfilter ctl stop`, the end of the source or `max_frames`.

    Args:
        layers: settings and where they came from.
        max_frames: stop after so many frames written; None goes on.
        parts: where the controller's parts come from.
        transport: of the control socket; None takes this system's.

    Returns:
        Figures of the run; None where a running camfilter has this sink and took the flags over.

    Raises:
        CamfilterError: source or sink cannot be opened, or the running camfilter refused.
    """
    claimed = claim(layers.settings.sink, transport)
    if claimed.other is not None:
        typer.echo(hand_over(claimed.other, layers.flags, transport))
        return None
    if claimed.fault:
        typer.echo(f"camfilter: {claimed.fault}", err=True)
    controller = Controller(layers.settings, parts)
    started_s = time.monotonic()
    with (
        with_faces(controller, layers, claimed.listener),
        _signals_stop(controller),
        LiveLine(controller.status) as line,
    ):

        def written(_frame: ProtectedFrame) -> None:
            line.update()
            if controller.report.frames_out == max_frames:
                controller.stop()

        controller.run(written)
    return _figures(controller, time.monotonic() - started_s)


def _figures(controller: Controller, elapsed_s: float) -> dict[str, Any]:
    status = controller.status()
    return {
        "source": status.settings.source,
        "sink": status.settings.sink,
        "surrogate": status.surrogate or status.settings.surrogate,
        "provider": status.provider,
        "settings": status.settings.model_dump(mode="json"),
        "elapsed_s": round(elapsed_s, 3),
        "frames_eased": status.frames_eased,
        **controller.report.as_json(elapsed_s),
    }


@contextmanager
def _signals_stop(controller: Controller) -> Iterator[None]:
    """The first signal ends the run and closes its files; a second one ends it at once."""
    names = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32":
        names.append(signal.SIGHUP)
    known = {name: signal.getsignal(name) for name in names}
    before = {name: handler for name, handler in known.items() if handler is not signal.SIG_IGN}

    def back() -> None:
        for name, handler in before.items():
            signal.signal(name, handler or signal.SIG_DFL)

    def stop(_number: int, _frame: FrameType | None) -> None:
        back()
        controller.stop()

    for name in before:
        signal.signal(name, stop)
    try:
        yield
    finally:
        back()
