from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from camfilter.app.controller import Controller
from camfilter.app.settings import AppSettings
from camfilter.errors import SettingError, SourceNotFound
from camfilter.tray.actions import Actions
from camfilter.tray.engine import Engine
from camfilter.tray.looping import LoopingSource, as_live
from fakes import FakeSource, raw_frame
from tray_support import Answers, Loop


def wait_for(seen: Callable[[], object]) -> None:
    until_s = time.monotonic() + 20
    while not seen():
        assert time.monotonic() < until_s, "it never came"
        time.sleep(0.01)


def test_a_missing_camera_is_said_and_another_one_can_be_chosen() -> None:
    loop = Loop("HD Webcam")
    engine = Engine(AppSettings(), loop.make)
    actions = Actions(engine, Answers())
    engine.start()
    wait_for(lambda: engine.trouble)
    assert actions.view().state == "error"
    assert actions.view().detail == "There is no camera 0."
    actions.set_camera("HD Webcam")
    wait_for(lambda: actions.view().state == "protected")
    assert not engine.trouble
    engine.close()
    assert loop.sinks[-1].frames


def test_trying_again_finds_a_camera_that_was_plugged_in() -> None:
    loop = Loop()
    engine = Engine(AppSettings(), loop.make)
    actions = Actions(engine, Answers())
    engine.start()
    wait_for(lambda: engine.trouble)
    loop.cameras = ("0",)
    actions.try_again()
    wait_for(lambda: actions.view().state == "protected")
    engine.close()


def test_a_fault_of_any_kind_is_one_line() -> None:
    class Broken(Controller):
        def run(self, *_: object) -> None:
            raise ZeroDivisionError("oh")

    engine = Engine(AppSettings(), Broken)
    engine.start()
    wait_for(lambda: engine.trouble)
    assert engine.trouble == "ZeroDivisionError: oh"
    assert not engine.ended


def test_whoever_stops_the_controller_ends_the_program() -> None:
    loop = Loop("0")
    engine = Engine(AppSettings(), loop.make)
    engine.start()
    wait_for(lambda: loop.sinks and loop.sinks[0].frames)
    assert not engine.ended
    engine.controller.stop()
    wait_for(lambda: engine.ended)
    assert not engine.trouble


def test_a_new_run_waits_until_the_old_one_has_let_go_of_everything() -> None:
    loop, order = Loop("0"), []

    @contextmanager
    def faces(controller: Controller) -> Iterator[None]:
        number = loop.made.index(controller)
        order.append(f"open {number}")
        yield
        order.append(f"close {number}")

    engine = Engine(AppSettings(), loop.make, faces)
    engine.start()
    wait_for(lambda: loop.sinks and loop.sinks[0].frames)
    engine.restart({})
    wait_for(lambda: len(loop.sinks) == 2 and loop.sinks[1].frames)
    engine.close()
    assert order == ["open 0", "close 0", "open 1", "close 1"]
    engine.close()


def test_a_restart_that_is_refused_leaves_the_old_run_alone() -> None:
    loop = Loop("0")
    engine = Engine(AppSettings(), loop.make)
    with pytest.raises(SettingError):
        engine.restart({"chain_length": 0})
    assert engine.controller is loop.made[0]


class _Time:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def pause(self, seconds: float) -> None:
        self.now_s += seconds


def test_a_file_is_played_over_and_over_in_real_time() -> None:
    opened, clock = [], _Time()

    def open_source() -> FakeSource:
        opened.append(FakeSource([raw_frame(index) for index in range(3)]))
        return opened[-1]

    source = LoopingSource(open_source, clock, clock.pause)
    assert source.info.live
    frames = [source.read() for _ in range(7)]
    assert [frame.index for frame in frames if frame] == list(range(7))
    assert len(opened) == 3
    assert [round(frame.time_s * 30) for frame in frames if frame] == list(range(7))


def test_an_empty_file_ends() -> None:
    clock = _Time()
    assert LoopingSource(lambda: FakeSource([]), clock, clock.pause).read() is None


def test_a_camera_is_taken_as_it_is() -> None:
    camera = FakeSource([], live=True)
    assert as_live(lambda: camera) is camera
    assert as_live(lambda: FakeSource([raw_frame()])).info.live
    with pytest.raises(SourceNotFound):
        as_live(lambda: Loop()._open_source(AppSettings()))
