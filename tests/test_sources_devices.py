from __future__ import annotations

from pathlib import Path

import pytest

from camfilter.errors import SourceNotFound
from camfilter.frames import Size
from camfilter.sources import Camera, Mode, find_camera, list_cameras, open_source
from camfilter.sources.devices import NodeFolders, locate
from camfilter.sources.v4l2 import Capabilities, capabilities_of, modes_of

MODE = Mode("MJPG", Size(1280, 720), 30.0)
SAID = {
    "video0": Capabilities("uvcvideo", "HD Webcam", captures=True, outputs=False),
    "video1": Capabilities("uvcvideo", "HD Webcam", captures=False, outputs=False),
    "video2": Capabilities("uvcvideo", "Other Cam", captures=True, outputs=False),
    "video10": Capabilities("v4l2 loopback", "CamFilter", captures=True, outputs=True),
    "video11": Capabilities("v4l2 loopback", "Idle", captures=False, outputs=True),
}


@pytest.fixture
def folders(tmp_path: Path) -> NodeFolders:
    made = NodeFolders(tmp_path / "dev", tmp_path / "sys", tmp_path / "dev" / "by-id")
    made.by_id.mkdir(parents=True)
    for name in (*SAID, "video7", "v4l-subdev0"):
        (made.classes / name).mkdir(parents=True)
        (made.devices / name).touch()
    (made.by_id / "usb-HD_Webcam-index0").symlink_to("../video0")
    (made.by_id / "usb-HD_Webcam-index1").symlink_to("../video1")
    return made


@pytest.fixture
def cameras(folders: NodeFolders) -> tuple[Camera, ...]:
    return list_cameras(
        folders,
        capabilities=lambda path: SAID.get(Path(path).name),
        modes=lambda path: (MODE,),
    )


def test_only_nodes_that_capture_are_listed_by_number(cameras: tuple[Camera, ...]) -> None:
    assert [Path(str(c.address)).name for c in cameras] == ["video0", "video2", "video10"]
    assert [c.name for c in cameras] == ["HD Webcam", "Other Cam", "CamFilter"]
    assert [c.stable_name for c in cameras] == ["usb-HD_Webcam-index0", "", ""]
    assert [c.virtual for c in cameras] == [False, False, True]
    assert cameras[0].modes == (MODE,)


@pytest.mark.parametrize(
    "spec",
    ["usb-HD_Webcam-index0", "/dev/v4l/by-id/usb-HD_Webcam-index0", "HD Webcam", "hd webcam"],
)
def test_a_camera_is_found_by_name(cameras: tuple[Camera, ...], spec: str) -> None:
    assert find_camera(spec, cameras) is cameras[0]


def test_a_camera_is_found_by_number_and_node() -> None:
    cameras = (Camera("/dev/video0", "A"), Camera("/dev/video2", "B"))
    assert find_camera("2", cameras).name == "B"
    assert find_camera("/dev/video0", cameras).name == "A"
    assert find_camera("1", (Camera(0, "A"), Camera(1, "B"))).name == "B"


def test_a_missing_camera_is_refused_with_the_choice() -> None:
    with pytest.raises(SourceNotFound) as caught:
        find_camera("7", (Camera("/dev/video2", "Other Cam"),))
    assert "/dev/video2 (Other Cam)" in caught.value.hint


def test_two_cameras_of_one_name_are_not_guessed_at() -> None:
    twins = (Camera("/dev/video0", "Cam", "usb-1"), Camera("/dev/video2", "Cam", "usb-2"))
    with pytest.raises(SourceNotFound) as caught:
        find_camera("Cam", twins)
    assert "usb-1, usb-2" in caught.value.hint


def test_a_stable_name_is_followed_to_another_number(folders: NodeFolders) -> None:
    camera = Camera(str(folders.devices / "video0"), "HD Webcam", "usb-HD_Webcam-index0")
    link = folders.by_id / "usb-HD_Webcam-index0"
    assert locate(camera, folders.by_id) == str(folders.devices / "video0")
    link.unlink()
    assert locate(camera, folders.by_id) is None
    link.symlink_to("../video2")
    assert locate(camera, folders.by_id) == str(folders.devices / "video2")


def test_a_camera_without_stable_name_is_looked_for_where_it_was(tmp_path: Path) -> None:
    node = tmp_path / "video4"
    camera = Camera(str(node), "Plain")
    assert locate(camera) is None
    node.touch()
    assert locate(camera) == str(node)
    assert locate(Camera(2, "Index")) == 2


def test_a_machine_without_cameras(tmp_path: Path) -> None:
    nowhere = NodeFolders(tmp_path / "dev", tmp_path / "sys", tmp_path / "by-id")
    assert list_cameras(nowhere) == ()


def test_this_machine_can_be_asked_whatever_it_has() -> None:
    for camera in list_cameras():
        assert camera.name


@pytest.mark.parametrize("path", ["/dev/null", "/nowhere/video0", "/proc/version", "/"])
def test_what_is_no_camera_does_not_answer(path: str) -> None:
    assert capabilities_of(path) is None
    assert modes_of(path) == ()


@pytest.mark.parametrize(
    "spec",
    ["/dev/video987", "987", "no such camera", "nowhere.mp4", "nowhere/", "", "a\0b", "x" * 5000],
)
def test_what_is_not_there_is_refused_in_one_line(spec: str) -> None:
    with pytest.raises(SourceNotFound) as caught:
        open_source(spec)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("spec", ["http://127.0.0.1:9/a.mp4", "rtsp://127.0.0.1/cam"])
def test_network_addresses_are_refused(spec: str) -> None:
    with pytest.raises(SourceNotFound, match="network"):
        open_source(spec)
