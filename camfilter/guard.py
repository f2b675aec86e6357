"""The guard: the one place where a frame becomes fit to be shown.

Every frame that leaves passes here, and only here is a `ProtectedFrame` made.
The guard holds no thread and reads no clock; whoever calls it says what time
it is, so its timing is exact in tests.

States::

    PROTECTED    the newest frame was filtered, checked and is fresh
    HOLDING      something failed or is late: the last protected frame, for `hold_s`
    PLACEHOLDER  nothing protected to show: a card that says why
    OFF          the person switched protection off: the raw picture

The guard does not take the filter's word for its own work: it keeps a copy of
what it proved, it knows the last raw frames, and whoever feeds it says what
budget is in force.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field
from enum import Enum
from typing import Final

import numpy as np

from camfilter.card import draw_card
from camfilter.faces.base import Face
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.proof import EarlierFrames, SeenFaces, check, greatest_change, own_copy

__all__ = ["Guard", "GuardState", "ProtectedFrame", "check"]

_SEAL: Final = object()
_OFF_HOLD_S: Final = 2.0
"""How long the last raw picture stands for a camera that went silent while protection is off."""
_PLAIN_LEVEL: Final = 40
_NO_FRAME: Final = -1


class GuardState(Enum):
    """What the far end sees at this moment."""

    PROTECTED = "protected"
    HOLDING = "holding"
    PLACEHOLDER = "placeholder"
    OFF = "off"


@dataclass(frozen=True, slots=True, eq=False)
class ProtectedFrame:
    """A picture that the guard let out. Only the guard can make one.

    In state OFF the picture is the raw one, because the person chose that; in
    every other state it is a checked picture or a card.

    Args:
        seal: the guard's own; nobody else has it.

    Attributes:
        pixels: (height, width, 3) uint8, BGR, marked read-only.
        state: why this picture is fit to be shown.
        index: in files that of the raw frame; live a running number of what was shown.
        time_s: stream time in seconds at which it is shown.
        reason: why the picture is held or replaced; empty when protected.
    """

    seal: InitVar[object]
    pixels: Pixels = field(repr=False)
    state: GuardState
    index: int
    time_s: float
    reason: str

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("Only the guard makes a ProtectedFrame.")
        object.__setattr__(self, "pixels", _read_only(self.pixels))

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return Size.of(self.pixels)


@dataclass(frozen=True, slots=True)
class _Admitted:
    """The newest protected picture and the stream time at which it was taken."""

    pixels: Pixels = field(repr=False)
    index: int
    time_s: float


class Guard:
    """Lets protected frames out and stands in with something safe when there is none.

    Thread-safe: a filter thread may `admit` and `fault` while the pacing thread
    asks for `frame`.

    Args:
        fresh_s: a protected frame younger than this counts as current, in seconds.
        hold_s: how long the last protected frame may stand in, in seconds.
        card: draws the placeholder, from size and reason.
    """

    def __init__(
        self,
        *,
        fresh_s: float = 0.2,
        hold_s: float = 0.5,
        card: Callable[[Size, str], Pixels] = draw_card,
    ) -> None:
        self._fresh_s = fresh_s
        self._hold_s = hold_s
        self._draw_card = card
        self._lock = threading.Lock()
        self._enabled = True
        self._newest: _Admitted | None = None
        self._raw: RawFrame | None = None
        self._reason = "Protection is starting."
        self._faulty = False
        self._fault_after = _NO_FRAME
        self._earlier, self._seen = EarlierFrames(), SeenFaces()
        self._card: tuple[Size, str, Pixels] | None = None

    @property
    def enabled(self) -> bool:
        """True unless the person switched protection off."""
        with self._lock:
            return self._enabled

    def expect_rate(self, rate_hz: float) -> None:
        """A slow camera's newest picture is current until the next one is overdue.

        Args:
            rate_hz: frames a second to come; the longest hold stays as it is.
        """
        with self._lock:
            self._fresh_s = max(self._fresh_s, min(self._hold_s, 2 / rate_hz))

    def switch(self, on: bool) -> None:
        """Turn protection on or off, because the person asked for it.

        Either way what was shown before is forgotten: turning on starts with a
        card, never with a raw frame that happened to be the newest.
        """
        with self._lock:
            if on == self._enabled:
                return
            self._enabled = on
            self._raw = None
            self._forget("Protection is starting." if on else "Waiting for a picture.")

    def expect(self, raw: RawFrame) -> None:
        """Remember a raw frame that goes into the filter, to know it should it come out again."""
        with self._lock:
            self._earlier.add(raw)

    def admit(
        self, raw: RawFrame, pixels: Pixels, faces: Sequence[Face], budget_levels: int
    ) -> int:
        """Check a filtered picture and make it the one to be shown.

        Returns:
            The greatest change of any pixel, in levels.

        Raises:
            FilterFault: the picture breaks a promise (see `check`); the caller reports
                it by `fault`, as any other failure.
        """
        # A copy, and proved as a copy: the filter may write to its own memory at any time.
        kept = own_copy(raw, pixels)
        linf = greatest_change(raw, kept, faces, budget_levels)
        with self._lock:
            self._earlier.refuse_again(raw, kept, faces)
            self._seen.refuse_missing(raw, faces)
            self._seen.note(raw, faces)
            if self._enabled:
                self._newest = _Admitted(_read_only(kept), raw.index, raw.time_s)
                self._heal(raw)
        return linf

    def pass_raw(self, raw: RawFrame) -> None:
        """Offer a raw frame; it is kept only while the person has protection off."""
        with self._lock:
            if not self._enabled:
                self._raw = raw
                self._heal(raw)

    def fault(self, reason: str, after: int = _NO_FRAME) -> None:
        """Something failed: hold, then show a card with this reason until a frame is admitted.

        Args:
            reason: what failed, for the person to read.
            after: index of the last frame that came before it; such a frame may still be
                in the filter, and is no sign that what failed works again.
        """
        with self._lock:
            self._faulty = True
            self._fault_after = after
            self._reason = reason

    def reset(self, reason: str) -> None:
        """Forget every picture, raw ones, too: what follows has nothing to do with them.

        The next thing shown is a card with this reason.
        """
        with self._lock:
            self._earlier = EarlierFrames()
            self._forget(reason)

    def frame(self, now_s: float, index: int, size: Size) -> ProtectedFrame:
        """What may be shown now.

        Args:
            now_s: stream time in seconds.
            index: number that the frame shall have.
            size: size of the card, should one be needed.
        """
        with self._lock:
            if not self._enabled:
                return self._unprotected(now_s, index, size)
            newest = self._newest
            if newest is None:
                return self._placeholder(size, index, now_s)
            age_s = self._age_s(newest.time_s, now_s, self._fresh_s)
            if not self._faulty and age_s <= self._fresh_s:
                return self._seal(newest.pixels, GuardState.PROTECTED, index, now_s, "")
            if age_s <= self._hold_s:
                return self._seal(newest.pixels, GuardState.HOLDING, index, now_s, self._reason)
            return self._placeholder(size, index, now_s)

    def _unprotected(self, now_s: float, index: int, size: Size) -> ProtectedFrame:
        """The raw picture while it is current; a fault is no reason to hide it, its age is."""
        raw = self._raw
        if raw is None or not self._age_s(raw.time_s, now_s, _OFF_HOLD_S) <= _OFF_HOLD_S:
            return self._placeholder(size, index, now_s)
        return self._seal(raw.pixels, GuardState.OFF, index, now_s, "")

    def _age_s(self, taken_s: float, now_s: float, current_s: float) -> float:
        """Age of a picture; says it where nothing else is wrong. One of the future is as old."""
        age_s = abs(now_s - taken_s)
        if not self._faulty and not age_s <= current_s:
            self._reason = f"No new picture for {age_s:.1f} s."
        return age_s

    def _heal(self, raw: RawFrame) -> None:
        if raw.index > self._fault_after:
            self._faulty, self._fault_after = False, _NO_FRAME

    def _forget(self, reason: str) -> None:
        self._newest = None
        self._seen.forget()
        self._faulty, self._fault_after = True, _NO_FRAME
        self._reason = reason

    def _placeholder(self, size: Size, index: int, now_s: float) -> ProtectedFrame:
        if self._card is None or self._card[:2] != (size, self._reason):
            self._card = (size, self._reason, self._drawn(size))
        return self._seal(self._card[2], GuardState.PLACEHOLDER, index, now_s, self._reason)

    def _drawn(self, size: Size) -> Pixels:
        try:
            return self._draw_card(size, self._reason)
        except Exception:  # noqa: BLE001 - out of memory, say: a card without words hides as well
            return np.full((size.height, size.width, 3), _PLAIN_LEVEL, np.uint8)

    @staticmethod
    def _seal(
        pixels: Pixels, state: GuardState, index: int, now_s: float, reason: str
    ) -> ProtectedFrame:
        return ProtectedFrame(_SEAL, pixels, state, index, now_s, reason)


def _read_only(pixels: Pixels) -> Pixels:
    view = pixels.view()
    view.flags.writeable = False
    return view
