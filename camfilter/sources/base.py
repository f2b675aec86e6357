"""What every source of frames promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from camfilter.frames import RawFrame, Size

__all__ = ["Source", "SourceInfo", "frames_of"]


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source says about itself once it is open.

    Attributes:
        name: what a person would call it ("foreman_cif.mp4", "camera 0").
        size: width and height of its first frame; a folder of pictures may change size.
        rate_hz: frames a second, measured or declared; pictures have 1.
        frame_count: how many frames will come, or None where nobody knows.
        live: True when frames come in real time and an old one may be dropped;
            False when each frame must be delivered exactly once.
        stills: True when the frames are unrelated pictures, not a moving scene.
    """

    name: str
    size: Size
    rate_hz: float
    frame_count: int | None
    live: bool
    stills: bool


class Source(Protocol):
    """Hands out raw frames, in order. Opened by its constructor, closed by `close`."""

    @property
    def info(self) -> SourceInfo:
        """What the source says about itself."""

    def read(self) -> RawFrame | None:
        """The next frame, or None after the last one.

        Raises:
            CameraLost: a live source has no frame now; call again, it tries to come back.
            SourceError: the source cannot go on.
        """

    def close(self) -> None:
        """Release the device or file; closing twice does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def frames_of(source: Source) -> Iterator[RawFrame]:
    """Iterate over the frames that are left in a source."""
    while (frame := source.read()) is not None:
        yield frame
