"""What every sink of frames promises: it takes what the guard made, and nothing else."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from camfilter.errors import UnguardedFrame
from camfilter.frames import Pixels
from camfilter.guard import ProtectedFrame

__all__ = ["Sink", "pixels_of"]


class Sink(Protocol):
    """Shows or stores protected frames. Opened by its constructor.

    A sink that stores a file writes beside it under another name and moves it
    into place in `close`; `abort` (and leaving a ``with`` block by an error)
    throws the unfinished file away and leaves an older good one untouched.
    """

    @property
    def name(self) -> str:
        """What a person would call the sink ("out.mkv", "virtual camera /dev/video10")."""

    def write(self, frame: ProtectedFrame) -> None:
        """Take one frame.

        Raises:
            UnguardedFrame: the frame was not made by the guard.
            SinkError: it could not be written.
        """

    def close(self) -> None:
        """Finish what was written and release the device; closing twice does nothing."""

    def abort(self) -> None:
        """Release the device and leave nothing half-written behind."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def pixels_of(frame: ProtectedFrame) -> Pixels:
    """The picture of a guarded frame; every sink gets at pixels through this one door.

    Raises:
        UnguardedFrame: `frame` is anything but a ProtectedFrame.
    """
    if type(frame) is not ProtectedFrame:
        raise UnguardedFrame(
            f"A sink takes protected frames only, not {type(frame).__name__}.",
            "Send frames through the guard.",
        )
    return frame.pixels
