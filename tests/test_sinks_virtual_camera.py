"""The virtual camera's device: looked after, left as it was found.

What needs the real driver is tested in a virtual machine by scripts/e2e_virtualcam.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from camfilter.card import draw_card
from camfilter.errors import SinkError
from camfilter.frames import Size
from camfilter.sinks import VirtualCameraSink
from camfilter.sinks.deadman import DeadMansSwitch
from camfilter.sinks.loopback import STOPPED, NodeIdentity, driver_version, tend
from camfilter.sinks.v4l2 import claim, control, descriptor_of, output_format, set_control
from sinks_support import let_through

SIZE = Size(64, 48)
PICTURE = np.full((48, 64, 3), 90, np.uint8)


class Camera:
    """What pyvirtualcam would be."""

    device = "/dev/video10"

    def __init__(self) -> None:
        self.shown: list[np.ndarray] = []
        self.said: list[str] = []

    def send(self, frame: np.ndarray) -> None:
        self.shown.append(frame.copy())

    def close(self) -> None:
        self.said.append("camera closed")


class Device:
    """A device that may go wrong."""

    def __init__(self, camera: Camera, granted: Size = SIZE) -> None:
        self.granted = granted
        self.wrong = ""
        self._camera = camera

    def problem(self) -> str:
        return self.wrong

    def close(self) -> None:
        self._camera.said.append("settings put back")


def opened(camera: Camera, device: Device, size: Size = SIZE) -> VirtualCameraSink:
    return VirtualCameraSink(
        size,
        30.0,
        open_camera=lambda *_: camera,
        mend=lambda node: False,
        tend=lambda *_: device,
    )


@pytest.mark.parametrize("problem", ["is gone", "was set to YUYV 640x480 by another program"])
def test_a_device_that_goes_wrong_is_an_error_and_gets_no_frame(problem: str) -> None:
    camera = Camera()
    device = Device(camera)
    sink = opened(camera, device)
    sink.write(let_through(PICTURE))
    device.wrong = problem
    with pytest.raises(SinkError, match=problem) as caught:
        sink.write(let_through(PICTURE))
    assert caught.value.hint
    assert len(camera.shown) == 1
    sink.close()
    assert len(camera.shown) == 1
    assert camera.said == ["settings put back", "camera closed"]


@pytest.mark.parametrize("end", ["close", "abort"])
def test_who_still_watches_is_left_with_a_card(end: str) -> None:
    camera = Camera()
    sink = opened(camera, Device(camera))
    sink.write(let_through(PICTURE))
    getattr(sink, end)()
    assert np.array_equal(camera.shown[-1], draw_card(SIZE, STOPPED))
    assert camera.said == ["settings put back", "camera closed"]
    sink.close()
    assert len(camera.shown) == 2


def test_a_card_that_cannot_be_sent_does_not_keep_the_device() -> None:
    class Broken(Camera):
        def send(self, frame: np.ndarray) -> None:
            raise RuntimeError("broken")

    camera = Broken()
    opened(camera, Device(camera)).close()
    assert camera.said == ["settings put back", "camera closed"]


def test_a_size_that_a_watcher_forbids_is_refused_and_all_is_put_back() -> None:
    camera = Camera()
    with pytest.raises(SinkError, match="held at 640x480"):
        opened(camera, Device(camera, granted=Size(640, 480)))
    assert camera.said == ["settings put back", "camera closed"]
    assert camera.shown == []


def test_the_even_size_is_what_the_device_must_grant() -> None:
    camera = Camera()
    opened(camera, Device(camera, granted=Size(64, 48)), Size(63, 47)).close()
    assert camera.said == ["settings put back", "camera closed"]


@pytest.mark.parametrize("device", ["OBS Virtual Camera", "/dev/null", "/dev/nowhere"])
def test_what_is_no_loopback_is_only_watched_for_vanishing(device: str) -> None:
    tended = tend(device, SIZE, 30.0)
    assert isinstance(tended, NodeIdentity)
    assert tended.granted == SIZE
    assert tended.problem() == ""
    tended.close()


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("0.12.7\n", (0, 12, 7)),
        ("0.13.2-5-gabcdef", (0, 13, 2)),
        ("0.15.0", (0, 15, 0)),
        ("new", ()),
        ("", ()),
    ],
)
def test_the_drivers_version(tmp_path: Path, said: str, version: tuple[int, ...]) -> None:
    (tmp_path / "version").write_text(said)
    assert driver_version(tmp_path / "version") == version


def test_a_driver_that_hides_its_version(tmp_path: Path) -> None:
    assert driver_version(tmp_path / "version") == ()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_the_descriptor_behind_a_path_is_found(tmp_path: Path) -> None:
    path = tmp_path / "node"
    path.touch()
    (tmp_path / "link").symlink_to(path)
    assert descriptor_of(str(path)) is None
    with path.open() as file:
        assert descriptor_of(str(tmp_path / "link")) == file.fileno()
    assert descriptor_of(str(path)) is None
    assert descriptor_of(str(path), tmp_path / "nowhere") is None


def test_what_is_no_video_node_refuses_everything() -> None:
    opened_null = os.open(os.devnull, os.O_RDWR)
    try:
        assert not claim(opened_null)
        for ask in (
            lambda: control(opened_null, 1),
            lambda: set_control(opened_null, 1, 1),
            lambda: output_format(opened_null),
        ):
            with pytest.raises(OSError, match="ioctl"):
                ask()
    finally:
        os.close(opened_null)
    for node, why in ((os.devnull, "ioctl"), ("/dev/nowhere", "No such file")):
        with pytest.raises(OSError, match=why):
            DeadMansSwitch(node, PICTURE, 1.0)
