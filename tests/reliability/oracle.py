"""Says of each frame that reached the sink whether it kept the promises."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from camfilter.card import draw_card
from camfilter.frames import Pixels, Size
from camfilter.guard import GuardState, ProtectedFrame
from reliability.scene import Scene, mark_of

FRESH_S, HOLD_S, OFF_HOLD_S = 0.2, 0.5, 2.0
LEAST_CHANGED = 0.05
_ROUNDING_S = 1e-6
_OLD_FRAMES = 12


@dataclass
class Oracle:
    """Looks at every frame that left.

    Attributes:
        scene: what the camera truly saw.
        clock: the time of the run.
        on: whether protection is on, as the person said last.
        budgets: greatest change allowed, in levels, and until when it was.
        broken: what was wrong, one line each.
        looked_at: frames by state.
    """

    scene: Scene
    clock: Callable[[], float]
    on: bool = True
    budgets: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=64))
    broken: list[str] = field(default_factory=list)
    looked_at: dict[str, int] = field(default_factory=dict)

    def budget_since(self, start_s: float) -> int:
        """The greatest budget in force at any time since."""
        return max(levels for levels, until_s in self.budgets if until_s >= start_s)

    def look(self, frame: ProtectedFrame, pixels: Pixels) -> None:
        """Note everything that is wrong with a frame."""
        self.looked_at[frame.state.value] = self.looked_at.get(frame.state.value, 0) + 1
        for wrong in self._wrongs(frame, pixels):
            self.broken.append(f"{frame.state.value} at {self.clock():.3f} s: {wrong}")

    def _wrongs(self, frame: ProtectedFrame, pixels: Pixels) -> list[str]:
        if bool(frame.reason) != (frame.state in (GuardState.HOLDING, GuardState.PLACEHOLDER)):
            return [f"reason {frame.reason!r}"]
        if frame.state is GuardState.PLACEHOLDER:
            return self._wrongs_of_a_card(frame, pixels)
        if (frame.state is GuardState.OFF) is self.on:
            return [f"but the person has protection {'on' if self.on else 'off'}"]
        taken = self.scene.taken.get(mark_of(pixels))
        if taken is None:
            return ["made from no frame that the camera took"]
        age_s = self.clock() - taken.read_s
        patience = {
            GuardState.OFF: OFF_HOLD_S, GuardState.PROTECTED: FRESH_S, GuardState.HOLDING: HOLD_S,
        }  # fmt: skip
        wrong = []
        if not -_ROUNDING_S <= age_s <= patience[frame.state] + _ROUNDING_S:
            wrong.append(f"taken {age_s:.3f} s ago")
        if frame.state is GuardState.OFF:
            return wrong + ([] if np.array_equal(pixels, taken.pixels) else ["not what it was"])
        linf = int(cv2.norm(taken.pixels, pixels, cv2.NORM_INF))
        allowed = self.budget_since(taken.read_s)
        if linf > allowed:
            wrong.append(f"a pixel moved by {linf} levels, allowed were {allowed}")
        return wrong + self._bare_faces(mark_of(pixels), pixels)

    def _wrongs_of_a_card(self, frame: ProtectedFrame, pixels: Pixels) -> list[str]:
        size = Size.of(pixels)
        plain = pixels.max() - pixels.min() < 1
        if plain or np.array_equal(pixels, draw_card(size, frame.reason)):
            return []
        return ["the card shows something else than its reason"]

    def _bare_faces(self, index: int, pixels: Pixels) -> list[str]:
        """Faces that are, at their true places, as some raw frame showed them."""
        wrong = []
        taken = self.scene.taken[index]
        for face in taken.faces:
            part = face.box.within(Size.of(pixels)).slices()
            after = pixels[part]
            share = np.count_nonzero(after != taken.pixels[part]) / after.size
            if share < LEAST_CHANGED:
                wrong.append(f"frame {index} bare: {share:.1%} of a face changed")
            for old in range(max(0, index - _OLD_FRAMES), index):
                if np.array_equal(self.scene.taken[old].pixels[part], after):
                    wrong.append(f"a face of frame {index} as the camera took it in frame {old}")
        return wrong
