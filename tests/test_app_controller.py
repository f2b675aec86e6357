from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app_support import WAIT_S, Clock, SteppedCamera, WatchedSink, demo_pictures, linf, running
from camfilter.app.controller import Controller, Parts
from camfilter.app.following import FollowingSource
from camfilter.app.live_filter import LiveFilter, PatientOpener
from camfilter.app.pacing import PacedSource
from camfilter.app.persistent import PersistentSink
from camfilter.app.settings import AppSettings, changed, from_words
from camfilter.assembly import open_surrogate
from camfilter.errors import (
    CameraLost,
    SettingError,
    SinkError,
    SourceNotFound,
    UnknownSurrogate,
    UnreadableSource,
)
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.filtered import Filtered
from camfilter.frames import Pixels, RawFrame, Size
from camfilter.geometry import cut_crop
from camfilter.guard import Guard, GuardState
from camfilter.meter import ASK_EVERY_FRAMES, FaceMeasure
from camfilter.sinks import PreviewClosed
from camfilter.sources import Camera
from camfilter.surrogate.onnx import OnnxSurrogate
from camfilter.surrogate.provider import Provider
from camfilter.surrogate.reading import Reading
from fakes import FakeSink, FakeSource, LinearSurrogate, filtered, raw_frame


def label_in(pixels: Pixels, finder: MediaPipeFaces, surrogate: OnnxSurrogate) -> str:
    (face,) = finder.find(pixels)
    return Reading.of(surrogate.read(cut_crop(pixels, face, surrogate.size_px)[None])[0]).label


def test_epsilon_applies_to_the_next_frame() -> None:
    with running({"chaining": "per-frame"}) as run:
        assert 1 < linf(*run.protected()) <= 6
        run.controller.change({"epsilon": "1 level"})
        assert linf(*run.protected()) == 1
        assert linf(*run.protected()) == 1
        run.controller.change({"epsilon": "12/255", "chain_length": 20})
        assert 6 < linf(*run.protected()) <= 12


def test_a_chain_over_time_shrinks_at_once_and_grows_with_its_stages() -> None:
    with running() as run:
        assert 1 < linf(*run.protected()) <= 6
        run.controller.change({"epsilon": "1 level"})
        assert linf(*run.protected()) == 1
        run.controller.change({"epsilon": "12/255"})
        grown = [run.protected() for _ in range(12)]
        first, last = (
            float(np.abs(after.astype(int) - before).mean())
            for before, after in (grown[0], grown[-1])
        )
        assert 1.2 * first < last
        assert 6 < linf(*grown[-1]) <= 12


def test_chain_length_and_projection_apply_to_the_next_frame() -> None:
    with running({"epsilon": "1 level", "projection": "none", "chain_length": 1}) as run:
        assert linf(*run.protected()) == 1
        run.controller.change({"chain_length": 5})
        assert 1 < linf(*run.protected()) <= 5
        run.controller.change({"projection": "ball"})
        assert linf(*run.protected()) == 1


def test_mode_and_targets_apply_to_the_next_frame(
    still_faces: MediaPipeFaces, surrogate: OnnxSurrogate
) -> None:
    with running({"epsilon": "12 levels", "chain_length": 20}) as run:
        before, after = run.protected()
        truth = label_in(before, still_faces, surrogate)
        assert label_in(after, still_faces, surrogate) != truth
        for target in ("surprise", "anger"):
            run.controller.change({"targets": target})
            _, after = run.protected()
            assert label_in(after, still_faces, surrogate) == target
        settings = run.controller.change({"mode": "neutral"})
        assert settings.targets == ()
        _, after = run.protected()
        assert label_in(after, still_faces, surrogate) == "neutral"


def test_off_shows_the_raw_picture_and_on_never_again() -> None:
    with running() as run:
        before, after = run.protected()
        assert (before != after).any()
        assert run.controller.toggle() is False
        raw = run.let_out()
        assert (run.shown(raw, GuardState.OFF) == raw).all()
        run.settle()
        assert run.controller.status().state == "off"
        assert run.controller.status().faces == 0
        run.controller.change({"on": True})
        since = len(run.sink.shown)
        run.protected()
        assert {frame.state for frame, _ in run.sink.shown[since:]} <= {
            GuardState.PROTECTED,
            GuardState.PLACEHOLDER,
        }


def test_a_raw_frame_that_was_on_its_way_is_dropped_when_protection_goes_on() -> None:
    guard, inner = Guard(), FakeSink()
    guard.switch(False)
    guard.pass_raw(raw_frame())
    sink = PersistentSink(lambda: inner, protected=lambda: guard.enabled)
    frame = guard.frame(0.0, 0, Size(32, 24))
    assert frame.state is GuardState.OFF
    sink.write(frame)
    assert len(inner.frames) == 1
    guard.switch(True)
    sink.write(frame)
    assert len(inner.frames) == 1


def test_switching_on_waits_for_the_raw_frame_that_is_being_written() -> None:
    writing, go_on, settled = threading.Event(), threading.Event(), threading.Event()

    def slow(_frame: object) -> None:
        writing.set()
        assert go_on.wait(WAIT_S)

    guard = Guard()
    guard.switch(False)
    guard.pass_raw(raw_frame())
    sink = PersistentSink(lambda: FakeSink(slow), protected=lambda: guard.enabled)
    frame = guard.frame(0.0, 0, Size(32, 24))
    writer = threading.Thread(target=sink.write, args=(frame,))
    writer.start()
    assert writing.wait(WAIT_S)
    waiter = threading.Thread(target=lambda: (sink.settle(), settled.set()))
    waiter.start()
    assert not settled.wait(0.05)
    go_on.set()
    writer.join(WAIT_S)
    waiter.join(WAIT_S)
    assert settled.is_set()


def test_an_unknown_surrogate_shows_a_card_with_the_reason_and_heals() -> None:
    with running() as run:
        run.protected()
        run.controller.change({"surrogate": "nobody"})
        for _ in range(7):  # more than it takes until the filter is built again
            run.let_out()
            run.sink.wait_for(lambda frame: "nobody" in frame.reason)
        run.clock.now_s += 2
        _card, pixels = run.sink.wait_for(
            lambda frame: frame.state is GuardState.PLACEHOLDER and "nobody" in frame.reason
        )
        assert not any((pixels[1:] == picture[1:]).all() for picture in demo_pictures())
        run.settle()
        assert "nobody" in run.controller.status().reason
        run.controller.change({"surrogate": ""})
        assert linf(*run.protected()) > 0
        run.settle()
        assert run.controller.status().reason == ""
        assert run.controller.status().surrogate == open_surrogate(provider=Provider.CPU).name


def test_a_refused_surrogate_is_not_tried_for_each_frame() -> None:
    tries: list[str | None] = []

    def refuse(settings: AppSettings) -> Any:
        tries.append(settings.surrogate)
        raise UnknownSurrogate("No.")

    clock = Clock()
    opener = PatientOpener(refuse, clock)
    for _ in range(5):
        with pytest.raises(UnknownSurrogate):
            opener(AppSettings(surrogate="x"))
    assert tries == ["x"]
    with pytest.raises(UnknownSurrogate):
        opener(AppSettings(surrogate="y"))
    clock.now_s += 1.5
    with pytest.raises(UnknownSurrogate):
        opener(AppSettings(surrogate="y"))
    assert tries == ["x", "y", "y"]


def test_the_source_can_be_switched_and_a_missing_one_heals() -> None:
    cameras = {"a": demo_pictures(), "b": demo_pictures(seed=1)}
    with running(cameras=cameras) as run:
        run.protected()
        run.controller.change({"source": "b"})
        run.protected("a")  # was asked for before the change
        assert run.cameras["a"].closed.wait(WAIT_S)
        before, after = run.protected("b")
        assert linf(before, after) <= 6 < linf(cameras["a"][0], after)
        run.controller.change({"source": "c"})
        run.let_out("b")
        run.sink.wait_for(lambda frame: frame.reason == "There is no camera c.")
        run.controller.change({"source": "b"})
        run.sink.wait_for(lambda _frame: run.opened[-1] == "b" and len(run.cameras) == 2)
        run.protected("b")


class SaidWatchers:
    def __init__(self) -> None:
        self.now = True

    def count(self) -> int:
        return int(self.now)

    def watched(self, now_s: float) -> bool:
        return self.now


def test_the_camera_is_closed_while_nobody_watches_the_virtual_camera() -> None:
    watchers = SaidWatchers()
    with running({"sink": "virtual"}, watchers_of=lambda _device: watchers, device="/dev/v") as run:
        run.protected()
        camera = run.cameras["a"]
        watchers.now = False
        run.let_out()
        assert camera.closed.wait(WAIT_S)
        run.sink.wait_for(lambda frame: "Nobody is watching" in frame.reason)
        assert not run.controller.status().watched
        watchers.now = True
        run.controller.change({})
        run.sink.wait_for(lambda _frame: run.cameras["a"] is not camera)
        run.protected()


def test_who_watches_is_asked_of_the_device_that_is_written_to() -> None:
    asked: list[str] = []

    def watchers_of(device: str) -> SaidWatchers:
        asked.append(device)
        return SaidWatchers()

    with running({"sink": "virtual"}, watchers_of=watchers_of, device="/dev/v") as run:
        run.protected()
        other = WatchedSink("/dev/w")
        first, run.sink = run.sink, other
        first.fail()
        run.let_out()
        assert first.ended.wait(WAIT_S)
        run.clock.now_s += 5
        run.let_out()
        other.wait_for(lambda _frame: True)
        assert run.controller.status().watched
    assert (asked[0], asked[-1]) == ("/dev/v", "/dev/w")


def test_what_the_meter_takes_counts_for_the_load() -> None:
    clock = Clock()

    class Measured:
        chain = None

        def apply(self, raw: RawFrame) -> Filtered:
            clock.now_s += 0.002
            return filtered(raw)

        def measure(self, raw: RawFrame, _filtered: Filtered) -> list[FaceMeasure]:
            clock.now_s += 0.03
            return []

        def catch_up(self) -> None:
            clock.now_s += 0.001

    settings = AppSettings()
    live = LiveFilter(
        lambda: settings,
        open_surrogate=lambda _settings: LinearSurrogate(),
        build=lambda _settings, _surrogate: Measured(),
        clock=clock,
    )
    for index in range(40):
        raw = raw_frame(index)
        live.measure(raw, live.apply(raw))
        live.catch_up()
        if live.eased:
            break
    assert live.eased


def test_other_sinks_are_always_watched() -> None:
    with running({"sink": "null"}, watchers_of=lambda _device: pytest.fail("asked")) as run:
        run.protected()
        assert run.controller.status().watched


def test_its_own_virtual_camera_is_no_source() -> None:
    own = Camera("/dev/v", "camfilter", virtual=True)
    with running({"sink": "virtual"}, device="/dev/v", listed=[own]) as run:
        run.protected()
        run.controller.change({"source": "/dev/v"})
        run.let_out()
        run.sink.wait_for(lambda frame: "own picture" in frame.reason)
        assert "/dev/v" not in run.opened


def test_a_virtual_camera_of_somebody_else_is_a_source() -> None:
    other = Camera("/dev/w", "phone", virtual=True)
    pictures = {"a": demo_pictures(), "/dev/w": demo_pictures(seed=1)}
    with running({"sink": "virtual"}, pictures, device="/dev/v", listed=[other]) as run:
        run.controller.change({"source": "/dev/w"})
        run.protected()
        run.sink.wait_for(lambda _frame: "/dev/w" in run.cameras)


def test_the_sink_cannot_change_while_it_is_in_use() -> None:
    with running() as run:
        with pytest.raises(SettingError, match="sink cannot change"):
            run.controller.change({"sink": "preview", "epsilon": "1/255"})
        assert run.controller.settings.epsilon == pytest.approx(6 / 255)


def test_what_is_written_is_no_source(tmp_path: Path) -> None:
    mine = tmp_path / "mine.mp4"
    with running({"sink": str(mine)}) as run:
        mine.write_bytes(b"a recording")
        with pytest.raises(SettingError, match="is the source itself"):
            run.controller.change({"source": str(mine)})
        assert run.controller.settings.source == "a"


def test_the_status_says_what_it_ran_on_when_it_is_over() -> None:
    with running() as run:
        run.protected()
        during = run.controller.status()
    after = run.controller.status()
    assert during.provider == "cpu"
    assert (after.provider, after.surrogate) == (during.provider, during.surrogate)


def test_stopping_closes_the_camera_and_the_sink() -> None:
    with running() as run:
        run.protected()
    assert run.sink.ended_by == "close"
    assert run.cameras["a"].closed.is_set()


def test_the_end_of_the_first_source_ends_the_run_and_of_a_later_one_does_not() -> None:
    with running(cameras={"a": demo_pictures(), "b": demo_pictures()}) as run:
        run.controller.change({"source": "b"})
        run.let_out("a")
        run.sink.wait_for(lambda _frame: "b" in run.cameras)
        run.cameras["b"].close()
        run.sink.wait_for(lambda frame: frame.reason == "b is over.")
    assert run.sink.ended_by == "close"


def test_the_preview_holds_pictures_only_while_it_is_on() -> None:
    with running() as run:
        run.protected()
        assert run.controller.preview() is None
        run.controller.change({"preview": True})
        before, after = run.protected()
        shown = run.controller.preview()
        assert shown is not None
        assert (shown.before == before).all()
        run.settle()
        shown = run.controller.preview()
        assert shown is not None
        assert (shown.after == after).all()


def test_the_status_says_what_is_read_before_and_after() -> None:
    with running({"epsilon": "12/255"}) as run:
        for _ in range(5 * ASK_EVERY_FRAMES):  # one after the other, five recognisers
            run.protected()
        run.settle()
        status = run.controller.status()
        assert (status.state, status.provider, status.faces) == ("protected", "cpu", 1)
        assert status.before is not None
        assert status.after is not None
        assert status.before.label != status.after.label
        assert status.as_json()["before"]["label"] == status.before.label


class _Failing(FakeSink):
    def write(self, frame: Any) -> None:
        raise SinkError("The driver hiccuped.")


def _protected_frame() -> Any:
    guard, raw = Guard(), raw_frame()
    guard.admit(raw, np.clip(raw.pixels + 1, 0, 255).astype(np.uint8), [], 1)
    return guard.frame(raw.time_s, 0, raw.size)


def test_a_virtual_camera_that_fails_is_opened_again_later() -> None:
    clock, good = Clock(), FakeSink()
    sinks = iter([_Failing(), good])
    sink = PersistentSink(lambda: next(sinks), clock)
    sink.write(_protected_frame())
    assert sink.fault == "The driver hiccuped."
    sink.write(_protected_frame())
    assert good.frames == []
    clock.now_s += 0.6
    sink.write(_protected_frame())
    assert len(good.frames) == 1
    assert sink.fault == ""


def test_a_file_that_fails_is_not_opened_again() -> None:
    sink = PersistentSink(_Failing, reopens=False)
    with pytest.raises(SinkError, match="hiccuped"):
        sink.write(_protected_frame())


def test_toggling_from_many_threads_loses_no_toggle() -> None:
    controller = Controller(AppSettings())
    threads = [threading.Thread(target=controller.toggle) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert controller.settings.on
    assert controller.toggle() is False


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"epsilonn": 1}, "Did you mean epsilon?"),
        ({"colour": 1}, "Settings: mode"),
        ({"chain_length": 0}, "Chain length 0"),
        ({"source": ["x"]}, "Source"),
        ({"provider": "abacus"}, "Provider 'abacus'"),
    ],
)
def test_a_change_that_cannot_be_used_changes_nothing(values: dict[str, Any], said: str) -> None:
    controller = Controller(AppSettings())
    with pytest.raises(SettingError, match=said.replace("?", r"\?")):
        controller.change({"momentum": 0.5, **values})
    assert controller.settings == AppSettings()


def test_words_of_the_command_line_become_settings() -> None:
    words = {"chain-length": "5", "--target": "fear", "size": "640x480", "fps": "15", "step": ""}
    settings = changed(AppSettings(), from_words(words))
    assert (settings.chain_length, settings.targets, settings.step) == (5, ("fear",), None)
    assert (settings.width_px, settings.height_px, settings.rate_hz) == (640, 480, 15)
    assert settings.mode == "targeted"
    for bad in ("640", "x", "640x", "axb", "1 x -2"):
        with pytest.raises(SettingError, match="Size"):
            from_words({"size": bad})


def test_a_paced_source_waits_until_a_frames_time_has_come() -> None:
    clock, waited = Clock(), []

    def pause(seconds: float) -> None:
        waited.append(round(seconds, 3))
        clock.now_s += seconds

    frames = [RawFrame(raw_frame(i).pixels, i, time_s) for i, time_s in enumerate([0, 0.1, 0.5])]
    source = PacedSource(FakeSource(frames), clock, pause)
    assert source.info.live
    clock.now_s = 100.0
    assert [source.read().index for _ in range(2)] == [0, 1]  # type: ignore[union-attr]
    clock.now_s += 0.3
    source.read()
    assert waited == [0.1, 0.1]
    assert source.read() is None


def test_a_reader_that_stood_still_is_not_flooded_afterwards() -> None:
    clock, waited = Clock(), []
    frames = [raw_frame(i, i / 10) for i in range(4)]
    source = PacedSource(FakeSource(frames), clock, waited.append)
    source.read()
    clock.now_s = 60.0
    source.read()
    source.read()
    assert waited == [pytest.approx(0.1)]


def test_closing_the_preview_is_the_proper_end_of_a_run() -> None:
    class ClosedByHand(FakeSink):
        def write(self, frame: Any) -> None:
            raise PreviewClosed("The preview was closed.")

    camera = FakeSource((raw_frame(i) for i in range(10**9)), live=True)
    parts = Parts(open_source=lambda _: camera, open_sink=lambda *_: ClosedByHand())
    Controller(AppSettings(sink="preview"), parts).run()


def test_a_camera_that_opens_only_after_the_end_is_closed_again() -> None:
    opening, go_on, late = threading.Event(), threading.Event(), SteppedCamera(demo_pictures(1))

    def open_source(settings: AppSettings) -> Any:
        if settings.source == "late":
            opening.set()
            assert go_on.wait(WAIT_S)
            return late
        return FakeSource([])

    settings = [AppSettings()]
    source = FollowingSource(lambda: settings[0], open_source)
    settings[0] = AppSettings(source="late")
    lost: list[str] = []

    def read() -> None:
        try:
            source.read()
        except CameraLost as error:
            lost.append(error.what)

    reader = threading.Thread(target=read)
    reader.start()
    assert opening.wait(WAIT_S)
    source.close()
    go_on.set()
    reader.join(WAIT_S)
    assert lost == ["The run has ended."]
    assert late.closed.is_set()


def test_a_camera_that_stays_away_is_asked_for_less_and_less_often() -> None:
    waited: list[float] = []
    settings = [AppSettings()]

    def open_source(settings: AppSettings) -> Any:
        if settings.source != "0":
            raise SourceNotFound("Away.")
        return FakeSource([])

    source = FollowingSource(lambda: settings[0], open_source, pause=waited.append)
    settings[0] = AppSettings(source="1")
    for _ in range(6):
        with pytest.raises(CameraLost, match="Away"):
            source.read()
    assert waited == [0.5, 1, 1.5, 1.5, 1.5, 1.5]
    settings[0] = AppSettings(source="2")
    with pytest.raises(CameraLost):
        source.read()
    assert waited[-1] == 0.5


def test_a_damaged_video_says_so_on_the_card() -> None:
    damaged = FakeSource([UnreadableSource("clip.mp4 is damaged after 3 frames.")])
    source = FollowingSource(AppSettings, lambda _settings: damaged)
    with pytest.raises(CameraLost, match="damaged after 3 frames"):
        source.read()
