from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count

import cv2
import numpy as np
import pytest

from camfilter.errors import CameraLost, SourceNotFound
from camfilter.frames import RawFrame, Size
from camfilter.sources.camera import CameraSource
from camfilter.sources.devices import Camera
from camfilter.sources.opencv_device import OpenCvDevice, Shot
from camfilter.sources.stillness import Stillness

CAMERA = Camera("/dev/video0", "Test Cam", "usb-test-cam")


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now_s += seconds


class Scene:
    """What stands before the lens, and whether the cable is in."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.plugged = True
        self.silent = False
        self.still: np.ndarray | None = None
        self.rate_hz = 25.0
        self.address: str | int = "/dev/video0"
        self.seeds = count()
        self.opened: list[tuple[float, str | int]] = []
        self.closed = 0

    def find(self, camera: Camera) -> str | int | None:
        return self.address if self.plugged else None

    def open(self, address: str | int, size: Size, rate_hz: float | None) -> FakeDevice:
        self.opened.append((self.clock(), address))
        return FakeDevice(self)

    def source(self) -> CameraSource:
        return CameraSource(
            CAMERA,
            find=self.find,
            open_device=self.open,
            clock=self.clock,
            sleep=self.clock.sleep,
        )


class FakeDevice:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def read(self, timeout_s: float) -> Shot | None:
        scene = self.scene
        if not scene.plugged:
            raise CameraLost("The fake cable is out.")
        if scene.silent:
            scene.clock.sleep(timeout_s)
            return None
        scene.clock.sleep(1 / scene.rate_hz)
        pixels = noise(next(scene.seeds)) if scene.still is None else scene.still.copy()
        return Shot(pixels, scene.clock())

    def close(self) -> None:
        self.scene.closed += 1


def attempts(source: CameraSource, clock: Clock, for_s: float) -> Iterator[RawFrame | CameraLost]:
    """Read for so long; every read must end within about a second."""
    until_s = clock() + for_s
    while clock() < until_s:
        before_s = clock()
        try:
            frame = source.read()
            assert frame is not None
            yield frame
        except CameraLost as error:
            yield error
        assert clock() - before_s < 1.2


def test_it_delivers_live_frames_and_measures_the_rate() -> None:
    scene = Scene()
    with scene.source() as source:
        assert source.info.live
        assert source.info.rate_hz == pytest.approx(25)
        assert source.info.size == Size(64, 48)
        assert source.info.frame_count is None
        assert source.info.name == "Test Cam"
        frames = [source.read() for _ in range(5)]
    assert [f.index for f in frames if f] == [0, 1, 2, 3, 4]
    times_s = [f.time_s for f in frames if f]
    assert np.diff(times_s) == pytest.approx(0.04)
    assert scene.closed == 1
    assert source.read() is None


def test_a_camera_that_is_not_there() -> None:
    scene = Scene()
    scene.plugged = False
    with pytest.raises(SourceNotFound, match="Test Cam"):
        scene.source()


def test_a_camera_that_never_sends_is_given_up_and_released() -> None:
    scene = Scene()
    scene.silent = True
    start_s = scene.clock()
    with pytest.raises(CameraLost, match="no picture"):
        scene.source()
    assert scene.clock() - start_s < 7
    assert scene.closed == 1


def test_an_unplugged_camera_is_reported_and_comes_back_under_another_number() -> None:
    scene = Scene()
    source = scene.source()
    scene.plugged = False
    lost = list(attempts(source, scene.clock, 20))
    assert all(isinstance(outcome, CameraLost) for outcome in lost)
    assert scene.closed == 1
    scene.plugged, scene.address = True, "/dev/video3"
    back = list(attempts(source, scene.clock, 6))
    assert isinstance(back[-1], RawFrame)
    assert scene.opened[-1][1] == "/dev/video3"
    frames = [outcome for outcome in back if isinstance(outcome, RawFrame)]
    assert frames[0].index == 0
    assert frames[0].time_s > 20


def test_waits_between_attempts_grow_to_a_second_and_a_half() -> None:
    scene = Scene()
    source = scene.source()
    looked_s: list[float] = []
    find = scene.find

    def noted(camera: Camera) -> str | int | None:
        looked_s.append(scene.clock())
        return find(camera)

    source._find = noted
    scene.plugged = False
    list(attempts(source, scene.clock, 30))
    waits_s = np.diff(looked_s)
    assert waits_s[:4] == pytest.approx([1, 1.5, 1.5, 1.5])
    assert max(waits_s) <= 1.51
    scene.plugged = True
    list(attempts(source, scene.clock, 7))
    scene.plugged = False
    with pytest.raises(CameraLost):
        source.read()
    lost_s = scene.clock()
    with pytest.raises(CameraLost):
        source.read()
    assert looked_s[-1] - lost_s == pytest.approx(0.5)


def test_silence_is_reported_at_once_and_reopened_after_two_seconds() -> None:
    scene = Scene()
    source = scene.source()
    scene.silent = True
    with pytest.raises(CameraLost, match="no picture"):
        source.read()
    assert scene.closed == 0
    list(attempts(source, scene.clock, 4))
    assert scene.closed == 1
    scene.silent = False
    assert isinstance(list(attempts(source, scene.clock, 3))[-1], RawFrame)


def test_a_frozen_picture_is_reopened_and_the_living_one_taken() -> None:
    scene = Scene()
    source = scene.source()
    scene.still = noise(1)
    frozen = list(attempts(source, scene.clock, 1.9))
    assert all(isinstance(outcome, RawFrame) for outcome in frozen)
    rest = attempts(source, scene.clock, 2)
    lost = next(outcome for outcome in rest if isinstance(outcome, CameraLost))
    assert "same picture" in str(lost)
    assert scene.closed == 1
    scene.still = None
    assert isinstance(list(attempts(source, scene.clock, 2))[-1], RawFrame)
    assert len(scene.opened) == 2


def test_a_still_scene_is_accepted_after_one_reopening() -> None:
    scene = Scene()
    source = scene.source()
    scene.still = noise(1)
    outcomes = list(attempts(source, scene.clock, 120))
    assert sum(isinstance(outcome, CameraLost) for outcome in outcomes) == 1
    assert len(scene.opened) == 2


def test_a_slide_show_does_not_flap() -> None:
    scene = Scene()
    source = scene.source()
    lost = 0
    for slide in range(24):
        scene.still = noise(slide)
        outcomes = list(attempts(source, scene.clock, 5))
        lost += sum(isinstance(outcome, CameraLost) for outcome in outcomes)
    assert lost <= 2


def test_a_still_scene_that_is_unplugged_is_noticed() -> None:
    """OpenCV may repeat the last picture for ever after an unplug."""
    scene = Scene()
    source = scene.source()
    scene.still = noise(1)
    list(attempts(source, scene.clock, 10))
    source._find = lambda camera: None
    outcomes = list(attempts(source, scene.clock, 5))
    assert isinstance(outcomes[-1], CameraLost)


def test_a_moving_picture_is_never_suspicious() -> None:
    stillness = Stillness()
    assert not any(stillness.suspicious(noise(i), 3.0 * i) for i in range(20))


def test_one_changed_pixel_is_a_change() -> None:
    stillness = Stillness()
    picture = noise(1)
    for second in range(20):
        picture = picture.copy()
        picture[33, 5, 1] ^= 1
        assert not stillness.suspicious(picture, float(second))


class FakeCapture:
    """Stands in for cv2.VideoCapture."""

    def __init__(self, picture: Callable[[FakeCapture], object], opens: bool = True) -> None:
        self.picture = picture
        self.opens = opens
        self.asked: list[tuple[int, float]] = []
        self.released = threading.Event()

    def isOpened(self) -> bool:  # noqa: N802
        return self.opens

    def set(self, propId: int, value: float) -> bool:  # noqa: N803
        self.asked.append((propId, value))
        return True

    def read(self) -> tuple[bool, object]:
        picture = self.picture(self)
        return picture is not None, picture

    def release(self) -> None:
        self.released.set()


def device(capture: FakeCapture, rate_hz: float | None = None) -> OpenCvDevice:
    return OpenCvDevice(0, Size(64, 48), rate_hz, capture=lambda address: capture)


def test_format_is_asked_for_before_size() -> None:
    capture = FakeCapture(lambda self: noise(1))
    camera = device(capture, rate_hz=30)
    assert camera.read(5) is not None
    camera.close()
    assert capture.released.is_set()
    assert capture.asked == [
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        (cv2.CAP_PROP_FRAME_WIDTH, 64),
        (cv2.CAP_PROP_FRAME_HEIGHT, 48),
        (cv2.CAP_PROP_FPS, 30),
    ]


def test_flat_arrays_make_it_ask_for_another_format() -> None:
    def picture(capture: FakeCapture) -> np.ndarray:
        fourccs = [value for prop, value in capture.asked if prop == cv2.CAP_PROP_FOURCC]
        whole = noise(1)
        return whole if fourccs[-1] == cv2.VideoWriter.fourcc(*"YUYV") else whole.reshape(1, -1)

    camera = device(FakeCapture(picture))
    shot = camera.read(5)
    camera.close()
    assert shot is not None
    assert shot.pixels.shape == (48, 64, 3)


@pytest.mark.parametrize(
    "picture",
    [
        noise(1).reshape(1, -1),
        noise(1).reshape(1, -1, 3),
        noise(1)[..., :2],
        noise(1).astype(np.uint16),
    ],
    ids=["flat", "one row", "two channels", "16 bits"],
)
def test_pictures_without_a_shape_are_refused(picture: np.ndarray) -> None:
    capture = FakeCapture(lambda self: picture)
    camera = device(capture)
    with pytest.raises(CameraLost, match="without a shape"):
        camera.read(5)
    assert capture.released.wait(5)


def test_a_device_that_cannot_be_opened() -> None:
    with pytest.raises(CameraLost, match="cannot be opened") as caught:
        device(FakeCapture(lambda self: None, opens=False)).read(5)
    assert "Another program" in caught.value.hint


def test_one_missed_read_is_forgiven_and_many_are_not() -> None:
    reads = count()

    def picture(capture: FakeCapture) -> np.ndarray | None:
        return noise(1) if next(reads) in (0, 2) else None

    camera = device(FakeCapture(picture))
    with pytest.raises(CameraLost, match="stopped sending"):
        deque((camera.read(5) for _ in range(4)), maxlen=0)
    assert next(reads) >= 3 + 5
    camera.close()


def test_an_opencv_error_is_one_line() -> None:
    def picture(capture: FakeCapture) -> np.ndarray:
        raise cv2.error("an error\nof many lines")

    with pytest.raises(CameraLost) as caught:
        device(FakeCapture(picture)).read(5)
    assert "\n" not in str(caught.value)


def test_a_driver_that_hangs_does_not_hang_the_reader() -> None:
    free = threading.Event()

    def picture(capture: FakeCapture) -> None:
        free.wait(30)

    capture = FakeCapture(picture)
    camera = device(capture)
    assert camera.read(0.02) is None
    free.set()
    camera.close()
    assert capture.released.wait(5)


def test_the_newest_picture_wins() -> None:
    gate = threading.Semaphore(0)
    seeds = count()
    ready = threading.Event()

    def picture(capture: FakeCapture) -> np.ndarray:
        seed = next(seeds)
        if seed == 3:
            ready.set()
            gate.acquire()
        return noise(seed)

    camera = device(FakeCapture(picture))
    assert ready.wait(5)
    shot = camera.read(5)
    assert shot is not None
    assert np.array_equal(shot.pixels, noise(2))
    gate.release()
    assert camera.read(5) is not None
    camera.close()
