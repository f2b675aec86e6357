"""A window that shows the protected frames."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import cv2

from camfilter.errors import CamfilterError, SinkError
from camfilter.frames import Pixels
from camfilter.guard import ProtectedFrame
from camfilter.sinks.base import pixels_of
from camfilter.sinks.closing import ClosedOnExit

__all__ = ["OpenCvWindow", "PreviewClosed", "PreviewSink", "Window", "display_works"]

_TITLE: Final = "camfilter preview"
_QUIT_KEYS: Final = frozenset({ord("q"), ord("Q"), 27})
_PROBE: Final = "import cv2, os; cv2.namedWindow('probe'); os._exit(0)"
_PROBE_S: Final = 20.0


class PreviewClosed(CamfilterError):
    """The person closed the preview: the proper end of a run, not a fault."""


class Window(Protocol):
    """A window on the screen."""

    def show(self, pixels: Pixels) -> int:
        """Show a picture and handle events.

        Returns:
            The key that was pressed, or -1.
        """

    def is_open(self) -> bool:
        """False once the person closed it."""

    def close(self) -> None:
        """Take it from the screen."""


class OpenCvWindow:
    """A window of OpenCV's; all calls must come from one thread (macOS: the main one)."""

    def __init__(self, title: str = _TITLE) -> None:
        self._title = title
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)

    def show(self, pixels: Pixels) -> int:
        """Show a picture and handle events for a millisecond; the key pressed, or -1."""
        cv2.imshow(self._title, pixels)
        return cv2.waitKey(1)

    def is_open(self) -> bool:
        """False once the person closed it."""
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:
            return False

    def close(self) -> None:
        """Take it from the screen."""
        try:
            cv2.destroyWindow(self._title)
            cv2.waitKey(1)
        except cv2.error:
            return


class PreviewSink(ClosedOnExit):
    """Shows frames in a window until the person closes it or presses q or Escape.

    Then `write` raises `PreviewClosed`; whoever runs the loop ends on it as on the
    end of the source.

    Args:
        works: says whether a window can be opened here.
        open_window: opens it.

    Raises:
        SinkError: no window can be opened.
    """

    def __init__(
        self,
        *,
        works: Callable[[], bool] | None = None,
        open_window: Callable[[], Window] = OpenCvWindow,
    ) -> None:
        self._window: Window | None = None
        if not (works or display_works)():
            raise SinkError(
                "No window can be opened here: no display can be reached.",
                "Write to a file or the virtual camera, or start it on a desktop.",
            )
        try:
            self._window = open_window()
        except cv2.error as error:
            raise SinkError(
                "No window can be opened: this OpenCV was built without windows.",
                "Install opencv-contrib-python and no headless cv2 package.",
            ) from error

    @property
    def name(self) -> str:
        """What a person would call the sink."""
        return "preview window"

    def write(self, frame: ProtectedFrame) -> None:
        """Show one frame.

        Raises:
            UnguardedFrame: the frame was not made by the guard.
            PreviewClosed: the person closed the window or pressed q or Escape.
            SinkError: it cannot be shown.
        """
        pixels = pixels_of(frame)
        if self._window is None:
            raise SinkError("The preview window is closed.")
        try:
            key = self._window.show(pixels)
        except cv2.error as error:
            raise SinkError("The preview window cannot show a frame.") from error
        pressed_quit = key >= 0 and key & 0xFF in _QUIT_KEYS
        if pressed_quit or not self._window.is_open():
            raise PreviewClosed("The preview was closed.")

    def close(self) -> None:
        """Take the window from the screen; closing twice does nothing."""
        window, self._window = self._window, None
        if window is not None:
            window.close()


def display_works(
    environment: Mapping[str, str] = os.environ, platform: str = sys.platform
) -> bool:
    """Whether a window can be opened, found out without risking this process.

    On Linux, Qt ends the process when it cannot reach the display, so a child
    process tries it first.
    """
    if platform != "linux":
        return True
    if not environment.get("DISPLAY") and not environment.get("WAYLAND_DISPLAY"):
        return False
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _PROBE],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0
