from __future__ import annotations

import plistlib
import shlex
import sys
from pathlib import Path

import pytest

from camfilter.sources.devices import Camera
from camfilter.tray.autostart import DesktopFile, LaunchAgent, autostart_here
from camfilter.tray.cameras import camera_choices, chosen_camera, sink_choices
from camfilter.tray.login import LoginChoice

WEBCAM = Camera("/dev/video0", "HD Webcam", "usb-HD_Webcam-index0")
OWN = Camera("/dev/video10", "camfilter", virtual=True)
PHONE = Camera("/dev/video12", "Phone", virtual=True)


def test_cameras_are_chosen_by_their_stable_names_and_our_own_output_is_none() -> None:
    choices = camera_choices((WEBCAM, OWN, PHONE), "0", "virtual:/dev/video10")
    assert [(choice.value, choice.label) for choice in choices] == [
        ("usb-HD_Webcam-index0", "HD Webcam"),
        ("/dev/video12", "Phone (virtual)"),
    ]


@pytest.mark.parametrize("source", ["0", "/dev/video0", "HD Webcam", "usb-HD_Webcam-index0"])
def test_the_chosen_camera_is_found_under_each_of_its_names(source: str) -> None:
    assert chosen_camera((WEBCAM, PHONE), source) == "usb-HD_Webcam-index0"


def test_a_source_that_is_no_camera_is_listed_as_chosen() -> None:
    choices = camera_choices((WEBCAM,), "demo", "virtual")
    assert choices[-1].value == chosen_camera((WEBCAM,), "demo") == "demo"


def test_virtual_cameras_have_their_names() -> None:
    choices = sink_choices(["/dev/video10"], lambda _node: "camfilter", "out.mkv")
    assert [(choice.value, choice.label) for choice in choices] == [
        ("virtual", "First free virtual camera"),
        ("virtual:/dev/video10", "camfilter (/dev/video10)"),
        ("out.mkv", "out.mkv"),
    ]


def test_start_at_login_is_a_file_that_comes_and_goes(tmp_path: Path) -> None:
    entry = DesktopFile(["/a b/python", "-m", "camfilter", "tray"], tmp_path / "autostart")
    assert not entry.enabled()
    entry.switch(True)
    assert entry.enabled()
    text = (tmp_path / "autostart" / "camfilter.desktop").read_text()
    line = next(line for line in text.splitlines() if line.startswith("Exec="))
    assert shlex.split(line.removeprefix("Exec=")) == ["/a b/python", "-m", "camfilter", "tray"]
    entry.switch(False)
    entry.switch(False)
    assert not entry.enabled()


def test_an_entry_that_the_desktop_switched_off_is_off(tmp_path: Path) -> None:
    entry = DesktopFile(["camfilter"], tmp_path)
    entry.switch(True)
    path = tmp_path / "camfilter.desktop"
    path.write_text(path.read_text() + "Hidden=true\n")
    assert not entry.enabled()


def test_start_at_login_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    login = LoginChoice(DesktopFile(["camfilter"], tmp_path / "file" / "autostart"))
    login.switch(True)
    assert login.notice.startswith("Start at login cannot be set")
    assert not login.enabled


def test_a_launch_agent_names_the_command(tmp_path: Path) -> None:
    agent = LaunchAgent(["python", "-m", "camfilter", "tray"], tmp_path)
    agent.switch(True)
    assert agent.enabled()
    (path,) = tmp_path.iterdir()
    assert plistlib.loads(path.read_bytes())["ProgramArguments"][-1] == "tray"
    agent.switch(False)
    assert not agent.enabled()


def test_each_system_has_its_own_way(tmp_path: Path) -> None:
    here = autostart_here(
        ["tray"], platform="linux", environment={"XDG_CONFIG_HOME": str(tmp_path)}
    )
    here.switch(True)
    assert sys.executable in (tmp_path / "autostart" / "camfilter.desktop").read_text()
    assert isinstance(autostart_here(["tray"], platform="darwin"), LaunchAgent)
