"""Runs the controller beside the screen, and starts it again when it has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from camfilter.app.controller import Controller
from camfilter.app.settings import AppSettings, changed
from camfilter.errors import CamfilterError

__all__ = ["Engine"]


class Engine:
    """A controller and the thread that it runs in.

    A controller that has ended cannot run again, so a restart makes a new one
    with the same settings; ask for `controller` each time.

    Args:
        settings: to start with.
        make: makes a controller that starts with given settings.
        faces: what goes with a controller while it runs, such as its control socket.
    """

    def __init__(
        self,
        settings: AppSettings,
        make: Callable[[AppSettings], Controller] = Controller,
        faces: Callable[[Controller], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._make = make
        self._faces = faces
        self._controller = make(settings)
        self._thread: threading.Thread | None = None
        self._trouble = ""
        self._ended = False

    @property
    def controller(self) -> Controller:
        """The one that runs now, or ran last."""
        return self._controller

    @property
    def trouble(self) -> str:
        """Why the run has ended, one line; empty while it goes on."""
        return self._trouble

    @property
    def ended(self) -> bool:
        """Somebody else stopped the controller, for example `camfilter ctl stop`."""
        return self._ended

    def start(self) -> None:
        """Run; returns at once."""
        self._launch(before=None)

    def restart(self, values: Mapping[str, Any]) -> None:
        """Run anew with some settings changed; returns at once.

        Raises:
            SettingError: a value cannot be used; then the old run goes on.
        """
        settings = changed(self._controller.settings, values)
        self._controller.stop()
        self._controller = self._make(settings)
        self._launch(before=self._thread)

    def close(self, timeout_s: float = 5.0) -> None:
        """End the run and wait for it; closing twice does nothing."""
        self._controller.stop()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout_s)

    def _launch(self, before: threading.Thread | None) -> None:
        controller = self._controller
        self._trouble = ""
        self._thread = threading.Thread(
            target=self._run, args=(controller, before), name="camfilter-controller", daemon=True
        )
        self._thread.start()

    def _run(self, controller: Controller, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()  # it still holds the camera
        try:
            with self._faces(controller):
                controller.run()
        except CamfilterError as error:
            trouble = str(error)
        except Exception as error:  # noqa: BLE001 - said on the screen, which goes on
            trouble = f"{type(error).__name__}: {error}"
        else:
            trouble = ""
        if controller is self._controller:
            self._trouble, self._ended = trouble, not trouble
