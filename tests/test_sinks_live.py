from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from camfilter.errors import SinkError, UnguardedFrame
from camfilter.frames import RawFrame, Size
from camfilter.sinks import PreviewClosed, PreviewSink, VirtualCameraSink, open_sink
from camfilter.sinks.preview import display_works
from camfilter.sinks.v4l2 import loopback_nodes, rearm
from sinks_support import let_through

ASTRONAUT = np.ascontiguousarray(data.astronaut()[:, :, ::-1])


class FakeCamera:
    def __init__(self, device: str) -> None:
        self.device = device
        self.shown: list[np.ndarray] = []
        self.closed = 0
        self.refuses = False

    def send(self, frame: np.ndarray) -> None:
        if self.refuses:
            raise RuntimeError("it\nbroke")
        self.shown.append(frame.copy())

    def close(self) -> None:
        self.closed += 1


class Driver:
    """Opens fake cameras; may be stuck until it is mended."""

    def __init__(self, device: str = "fake", stuck: bool = False) -> None:
        self.camera = FakeCamera(device)
        self.stuck = stuck
        self.asked: list[tuple[Size, float, str | None]] = []
        self.mended: list[str] = []

    def open(self, size: Size, rate_hz: float, device: str | None) -> FakeCamera:
        self.asked.append((size, rate_hz, device))
        if self.stuck:
            raise RuntimeError("'v4l2loopback' backend: not a video output device")
        return self.camera

    def mend(self, node: str) -> bool:
        self.mended.append(node)
        self.stuck = False
        return True

    def sink(self, size: Size, device: str | None = None) -> VirtualCameraSink:
        return VirtualCameraSink(
            size,
            30.0,
            device,
            open_camera=self.open,
            mend=self.mend,
            nodes=lambda: ("/dev/video10",),
        )


def test_the_camera_shows_what_was_let_through() -> None:
    driver = Driver()
    with driver.sink(Size(512, 512)) as sink:
        assert sink.name == "virtual camera fake"
        sink.write(let_through(ASTRONAUT))
    assert np.array_equal(driver.camera.shown[0], ASTRONAUT)
    assert driver.asked == [(Size(512, 512), 30.0, None)]
    sink.close()
    assert driver.camera.closed == 1


def test_an_odd_size_is_made_even_by_repeating_the_edge() -> None:
    driver = Driver()
    driver.sink(Size(33, 21)).write(let_through(ASTRONAUT[:21, :33]))
    assert driver.asked[0][0] == Size(34, 22)
    shown = driver.camera.shown[0]
    assert np.array_equal(shown[:21, :33], ASTRONAUT[:21, :33])
    assert np.array_equal(shown[:21, 33], ASTRONAUT[:21, 32])
    assert np.array_equal(shown[21, :33], ASTRONAUT[20, :33])


@pytest.mark.parametrize("size", [Size(128, 512), Size(512, 64), Size(16, 16)], ids=str)
def test_a_frame_of_another_size_is_fitted_in_undistorted(size: Size) -> None:
    driver = Driver()
    picture = np.full((size.height, size.width, 3), 200, np.uint8)
    driver.sink(Size(64, 48)).write(let_through(picture))
    shown = driver.camera.shown[0]
    assert shown.shape == (48, 64, 3)
    rows, columns = np.nonzero(shown[..., 0] > 100)
    height, width = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
    assert width == 64 or height == 48
    assert width / height == pytest.approx(size.width / size.height, rel=0.1)


def test_a_raw_frame_is_never_shown() -> None:
    driver = Driver()
    with pytest.raises(UnguardedFrame):
        driver.sink(Size(512, 512)).write(RawFrame(ASTRONAUT, 0, 0.0))  # type: ignore[arg-type]
    assert driver.camera.shown == []


@pytest.mark.parametrize(("device", "mended"), [(None, "/dev/video10"), ("/dev/video7",) * 2])
def test_a_stuck_node_is_mended_once(device: str | None, mended: str) -> None:
    driver = Driver(stuck=True)
    driver.sink(Size(64, 48), device)
    assert driver.mended == [mended]
    assert len(driver.asked) == 2


def test_a_camera_that_stays_away_is_one_line_with_a_hint() -> None:
    def refuse(size: Size, rate_hz: float, device: str | None) -> FakeCamera:
        raise RuntimeError("'a' backend: none\n'b' backend: none")

    with pytest.raises(SinkError, match="no virtual camera") as caught:
        VirtualCameraSink(Size(64, 48), 30.0, open_camera=refuse, mend=lambda node: True)
    assert "\n" not in str(caught.value)
    assert ("camfilter setup" in caught.value.hint) == (sys.platform == "linux")


@pytest.mark.skipif(bool(loopback_nodes()), reason="a loopback device is here")
@pytest.mark.parametrize("spec", ["virtual", "virtual:/dev/video987"])
def test_a_machine_without_the_driver(spec: str) -> None:
    with pytest.raises(SinkError) as caught:
        open_sink(spec, Size(64, 48), 30.0)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_a_refused_frame_is_one_line() -> None:
    driver = Driver()
    sink = driver.sink(Size(64, 48))
    driver.camera.refuses = True
    with pytest.raises(SinkError, match="it broke"):
        sink.write(let_through(ASTRONAUT[:48, :64]))


@pytest.mark.parametrize("returns", [False, True])
def test_a_node_that_vanished_or_was_replaced_is_noticed(tmp_path: Path, returns: bool) -> None:
    node, other = tmp_path / "video10", tmp_path / "other"
    node.touch()
    other.touch()
    sink = Driver(str(node)).sink(Size(64, 48), str(node))
    sink.write(let_through(ASTRONAUT[:48, :64]))
    node.unlink()
    if returns:
        other.rename(node)
    with pytest.raises(SinkError, match="is gone"):
        sink.write(let_through(ASTRONAUT[:48, :64]))


def test_a_closed_camera_takes_nothing() -> None:
    sink = Driver().sink(Size(64, 48))
    sink.abort()
    with pytest.raises(SinkError, match="is closed"):
        sink.write(let_through(ASTRONAUT[:48, :64]))


@pytest.mark.parametrize("node", ["/dev/null", "/nowhere", "/proc/version"])
def test_what_is_no_loopback_is_left_alone(node: str) -> None:
    assert not rearm(node)


def test_a_machine_without_nodes_lists_none(tmp_path: Path) -> None:
    assert loopback_nodes(tmp_path / "nowhere") == ()


class FakeWindow:
    def __init__(self) -> None:
        self.shown: list[np.ndarray] = []
        self.key = -1
        self.open = True
        self.closed = 0

    def show(self, pixels: np.ndarray) -> int:
        self.shown.append(pixels)
        return self.key

    def is_open(self) -> bool:
        return self.open

    def close(self) -> None:
        self.closed += 1


def preview(window: FakeWindow) -> PreviewSink:
    return PreviewSink(works=lambda: True, open_window=lambda: window)


def test_the_window_shows_what_was_let_through() -> None:
    window = FakeWindow()
    with preview(window) as sink:
        sink.write(let_through(ASTRONAUT))
    assert np.array_equal(window.shown[0], ASTRONAUT)
    sink.close()
    assert window.closed == 1


@pytest.mark.parametrize("key", [ord("q"), ord("Q"), 27, ord("q") | 0x100000])
def test_a_key_ends_it(key: int) -> None:
    window = FakeWindow()
    window.key = key
    with pytest.raises(PreviewClosed):
        preview(window).write(let_through(ASTRONAUT))


@pytest.mark.parametrize("key", [-1, ord("w"), ord(" ")])
def test_other_keys_do_not(key: int) -> None:
    window = FakeWindow()
    window.key = key
    preview(window).write(let_through(ASTRONAUT))


def test_closing_the_window_ends_it() -> None:
    window = FakeWindow()
    window.open = False
    with pytest.raises(PreviewClosed):
        preview(window).write(let_through(ASTRONAUT))


def test_without_a_display_it_is_refused() -> None:
    with pytest.raises(SinkError, match="No window") as caught:
        PreviewSink(works=lambda: False)
    assert caught.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="X11")
@pytest.mark.parametrize("display", [{}, {"DISPLAY": ""}, {"DISPLAY": ":987"}], ids=str)
def test_a_display_that_cannot_be_reached_is_found_out_and_we_live(
    display: dict[str, str],
) -> None:
    assert not display_works(display)
