"""What a person can do from the tray and the window, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from camfilter.errors import SettingError
from camfilter.settings import Mode
from camfilter.tray.choices import FIRST_TARGET
from camfilter.tray.engine import Engine
from camfilter.tray.model import View, view_of
from camfilter.tray.question import TURN_OFF, Questioner

__all__ = ["Actions"]


class Actions:
    """Brings each wish to the controller; what it refuses is kept as a notice.

    Args:
        engine: runs the controller.
        questioner: asks before protection is turned off while somebody watches.
        done: called after each wish, granted or not, so that controls show what is true.
    """

    def __init__(
        self, engine: Engine, questioner: Questioner, done: Callable[[], None] = lambda: None
    ) -> None:
        self._engine = engine
        self._questioner = questioner
        self._asking = False
        self._target = FIRST_TARGET
        self.done = done
        self.notice = ""

    @property
    def engine(self) -> Engine:
        """What runs the controller."""
        return self._engine

    def view(self) -> View:
        """What is to be shown now."""
        return view_of(self._engine.controller.status(), self._engine.trouble)

    def switch(self, on: bool) -> None:
        """Turn protection on, or off: then it may have to be confirmed."""
        if not on and not self._may_turn_off():
            self.done()
            return
        self._change(on=on)

    def toggle(self) -> None:
        """Turn protection to the other side."""
        self.switch(not self._engine.controller.settings.on)

    def set_epsilon(self, levels: int) -> None:
        """Choose the greatest change of a pixel, in levels."""
        self._change(epsilon=f"{levels}/255")

    def set_chain_length(self, stages: int) -> None:
        """Choose the number of stages."""
        self._change(chain_length=stages)

    def set_mode(self, mode: str) -> None:
        """Choose a mode; targeted takes the target that was last chosen."""
        settings = self._engine.controller.settings
        if mode == Mode.TARGETED and not settings.targets:
            self._change(mode=mode, targets=[self._target])
        else:
            self._change(mode=mode)

    def set_target(self, target: str) -> None:
        """Choose what shall be read; that means mode targeted."""
        if self._change(mode=Mode.TARGETED.value, targets=[target]):
            self._target = target

    def set_camera(self, source: str) -> None:
        """Choose a camera; after a failed run this starts a new one."""
        if self._engine.trouble:
            self._restart(source=source)
        else:
            self._change(source=source)

    def set_sink(self, sink: str) -> None:
        """Choose a virtual camera; that starts a new run."""
        if sink == self._engine.controller.settings.sink and not self._engine.trouble:
            self.done()
            return
        self._restart(sink=sink)

    def try_again(self) -> None:
        """Start a new run after a failed one."""
        self._restart()

    def show_preview(self, wanted: bool) -> None:
        """Keep pictures for the preview, or stop keeping them."""
        if self._engine.controller.settings.preview != wanted:
            self._change(preview=wanted)

    def _may_turn_off(self) -> bool:
        if not self._engine.controller.settings.on:
            return True
        if not self._engine.controller.status().watched:
            return True
        if self._asking:
            return False
        self._asking = True
        try:
            return self._questioner.ask(TURN_OFF)
        finally:
            self._asking = False

    def _change(self, **values: Any) -> bool:
        return self._answered(lambda: self._engine.controller.change(values))

    def _restart(self, **values: Any) -> bool:
        return self._answered(lambda: self._engine.restart(values))

    def _answered(self, wish: Callable[[], object]) -> bool:
        try:
            wish()
        except SettingError as error:
            self.notice = str(error)
        else:
            self.notice = ""
        self.done()
        return not self.notice
