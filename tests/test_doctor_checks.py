from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from camfilter.doctor.cameras import look_at_access, look_at_cameras, look_at_holders
from camfilter.doctor.checks import checks_for
from camfilter.doctor.commands import NOT_FOUND, Answer
from camfilter.doctor.filter_run import FilterRun
from camfilter.doctor.finding import Check, Finding, Status
from camfilter.doctor.graphs import GraphHashes
from camfilter.doctor.packages import OneProvider, look_at_mediapipe, look_at_python
from camfilter.doctor.program import control_sockets, look_at_config, look_at_control
from camfilter.doctor.provider import look_at_provider
from camfilter.doctor.running import run_checks
from camfilter.doctor.secure_boot import look_at_secure_boot, secure_boot_on
from camfilter.doctor.system import System, User
from camfilter.doctor.tray import look_at_tray
from camfilter.doctor.virtual_camera import look_at_driver, look_at_virtual_camera
from camfilter.errors import GraphRefused
from camfilter.frames import Size
from camfilter.sources.v4l2 import Capabilities, Mode
from camfilter.surrogate.manifest import Manifest, graphs_folder

WEBCAM = Capabilities("uvcvideo", "HD Webcam", captures=True, outputs=False)
IDLE = Capabilities("v4l2 loopback", "camfilter", captures=False, outputs=True)
WRITTEN = Capabilities("v4l2 loopback", "camfilter", captures=True, outputs=False)
BOTH = Capabilities("v4l2 loopback", "Dummy", captures=True, outputs=True)
STUCK = Capabilities("v4l2 loopback", "camfilter", captures=False, outputs=False)
MODES = (
    Mode("YUYV", Size(1920, 1080), 5.0),
    Mode("YUYV", Size(640, 480), 30.0),
    Mode("MJPG", Size(1280, 720), 30.0),
)


@dataclass
class Nodes:
    said: Mapping[str, Capabilities] = field(default_factory=dict)
    shut: frozenset[str] = frozenset()

    def capabilities(self, path: str) -> Capabilities | None:
        return self.said.get(Path(path).name)

    def modes(self, path: str) -> tuple[Mode, ...]:
        return MODES

    def usable(self, path: str) -> bool:
        return Path(path).name not in self.shut


@dataclass
class Commands:
    """Answers by the first word; a child Python by the name of its look."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, words: Sequence[str], time_out_s: float) -> Answer:
        self.asked.append(tuple(words))
        name = words[3] if words[0] == sys.executable else words[0]
        return self.answers.get(name, Answer(NOT_FOUND))


MakeSystem = Callable[..., System]


@pytest.fixture
def machine(tmp_path: Path) -> MakeSystem:
    root, site = tmp_path / "root", tmp_path / "site"
    root.mkdir()
    distribution(site, "PySide6_Essentials", "6.12.0", "PySide6")

    def make(
        files: Mapping[str, str] | None = None,
        answers: Mapping[str, Answer] | None = None,
        said: Mapping[str, Capabilities] | None = None,
        **changes: object,
    ) -> System:
        for name, text in (files or {}).items():
            path = root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name in said or {}:
            (root / "sys/class/video4linux" / name).mkdir(parents=True, exist_ok=True)
            (root / "dev").mkdir(exist_ok=True)
            (root / "dev" / name).touch()
        system = System(
            root=root,
            env={},
            platform="linux",
            config_folder=tmp_path / "config",
            user=User("ada", 1000, frozenset({1000})),
            nodes=Nodes(said or {}),
            run=Commands(answers or {}),
            python_folders=(str(site),),
        )
        return replace(system, **changes)  # type: ignore[arg-type]

    return make


# packages


def distribution(folder: Path, name: str, version: str, module: str) -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{module}/__init__.py,,\n")


CV2 = OneProvider("cv2", ("opencv-contrib-python", "opencv-python"))


def packages(folder: Path, *installed: tuple[str, str, str]) -> System:
    for name, version, module in installed:
        distribution(folder, name, version, module)
    return System(python_folders=(str(folder),))


def test_one_package_for_a_module_is_right(tmp_path: Path) -> None:
    system = packages(
        tmp_path, ("opencv-contrib-python", "4.11.0", "cv2"), ("numpy", "1.26.4", "numpy")
    )
    assert CV2(system) == Finding(Status.OK, "opencv-contrib-python 4.11.0")


def test_a_second_opencv_of_another_version_fails_and_says_what_to_remove(tmp_path: Path) -> None:
    system = packages(
        tmp_path, ("opencv-contrib-python", "4.11.0", "cv2"), ("opencv-python", "4.12.0", "cv2")
    )
    found = CV2(system)
    assert found.status is Status.FAIL
    assert "opencv-contrib-python 4.11.0, opencv-python 4.12.0" in found.detail
    assert "uninstall opencv-python;" in found.hint
    assert found.hint.endswith("opencv-contrib-python==4.11.0")


def test_a_second_opencv_of_the_same_version_is_a_warning(tmp_path: Path) -> None:
    headless = ("opencv-contrib-python-headless", "4.11.0", "cv2")
    system = packages(tmp_path, ("opencv-contrib-python", "4.11.0", "cv2"), headless)
    assert CV2(system).status is Status.WARN


def test_no_package_for_a_module_fails(tmp_path: Path) -> None:
    found = CV2(packages(tmp_path))
    assert found.status is Status.FAIL
    assert found.hint.endswith("install opencv-contrib-python")


def test_both_onnx_runtimes_are_found_by_the_files_they_bring(tmp_path: Path) -> None:
    system = packages(
        tmp_path,
        ("onnxruntime", "1.27.0", "onnxruntime"),
        ("onnxruntime-gpu", "1.31.1", "onnxruntime"),
    )
    found = OneProvider("onnxruntime", ("onnxruntime-gpu", "onnxruntime"))(system)
    assert found.status is Status.FAIL
    assert "uninstall onnxruntime;" in found.hint


@pytest.mark.parametrize(
    ("version", "status", "words"),
    [
        ("0.10.21", Status.OK, "sends nothing"),
        ("0.10.35", Status.FAIL, "sends usage figures"),
        ("1.2.2", Status.FAIL, "sends usage figures"),
        ("0.10.20", Status.FAIL, "is made for 0.10.21"),
    ],
)
def test_mediapipe_must_be_the_silent_version(
    tmp_path: Path, version: str, status: Status, words: str
) -> None:
    found = look_at_mediapipe(packages(tmp_path, ("mediapipe", version, "mediapipe")))
    assert found.status is status
    assert words in found.detail
    assert ("mediapipe==0.10.21" in found.hint) == (status is Status.FAIL)


def test_without_mediapipe_the_pin_is_named(tmp_path: Path) -> None:
    found = look_at_mediapipe(packages(tmp_path))
    assert (found.status, found.detail) == (Status.FAIL, "not installed")


@pytest.mark.parametrize(
    ("version", "status"),
    [((3, 10, 9), "fail"), ((3, 11, 0), "ok"), ((3, 12, 4), "ok"), ((3, 13, 0), "fail")],
)
def test_python_has_to_be_one_that_mediapipe_has_wheels_for(
    machine: MakeSystem, version: tuple[int, int, int], status: str
) -> None:
    assert look_at_python(machine(python_version=version)).status == status


# graphs


def test_the_shipped_graphs_are_those_of_the_manifest(machine: MakeSystem) -> None:
    count = len(Manifest.load(graphs_folder()).graphs)
    assert GraphHashes()(machine()).detail.startswith(f"{count} graphs")


def test_a_graph_with_one_other_byte_is_refused(machine: MakeSystem, tmp_path: Path) -> None:
    folder = tmp_path / "onnx"
    shutil.copytree(graphs_folder(), folder)
    graph = folder / Manifest.load(folder).graphs[0].file
    content = bytearray(graph.read_bytes())
    content[-1] ^= 1
    graph.write_bytes(content)
    with pytest.raises(GraphRefused, match="not the one in the manifest"):
        GraphHashes(folder)(machine())


# provider


def provider_says(**changes: object) -> Answer:
    said = {
        "active": "cpu",
        "surrogate": "plain48",
        "version": "1.31.1",
        "cuda_compiled_in": True,
        "driver_loads": True,
        "missing": "",
        **changes,
    }
    return Answer(0, str(said).replace("'", '"').replace("True", "true").replace("False", "false"))


SMI = Answer(0, "GPU 0: NVIDIA RTX (UUID: GPU-1)\n")


def test_cpu_without_a_gpu_is_fine(machine: MakeSystem) -> None:
    found = look_at_provider(machine(answers={"provider": provider_says()}))
    assert found == Finding(Status.OK, "cpu (ONNX Runtime 1.31.1, no NVIDIA GPU found)")


def test_a_gpu_in_use_is_named(machine: MakeSystem) -> None:
    answers = {"provider": provider_says(active="cuda"), "nvidia-smi": SMI}
    assert look_at_provider(machine(answers=answers)).detail == (
        "cuda (ONNX Runtime 1.31.1, NVIDIA RTX)"
    )


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ({"driver_loads": False}, "driver library does not load"),
        ({"cuda_compiled_in": False}, "this onnxruntime has no CUDA"),
        ({"missing": "libcudnn.so.9: cannot open shared object file"}, "libcudnn.so.9"),
        ({}, "CUDA does not start"),
    ],
)
def test_an_idle_gpu_is_a_warning_with_its_reason(
    machine: MakeSystem, says: dict[str, object], reason: str
) -> None:
    answers = {"provider": provider_says(**says)}
    files = {
        "/sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
        "/sys/bus/pci/devices/0000:01:00.0/class": "0x030000\n",
    }
    found = look_at_provider(machine(files, answers))
    assert found.status is Status.WARN
    assert "an NVIDIA GPU is not used" in found.detail
    assert reason in found.detail
    assert found.hint


def test_the_real_provider_is_asked_in_a_process_of_its_own() -> None:
    found = look_at_provider(System())
    assert found.status in (Status.OK, Status.WARN)
    assert found.detail.split()[0] in ("cpu", "cuda", "tensorrt")


# the filter


def filter_says(**changes: object) -> Answer:
    said = {
        "frames": 60,
        "protected": 60,
        "faces": 60,
        "fault": "",
        "p50_ms": 12.0,
        "p95_ms": 15.0,
        "provider": "cpu",
        "size": "1280x720",
        **changes,
    }
    return Answer(0, "noise of a library\n" + str(said).replace("'", '"'))


@pytest.mark.parametrize(
    ("says", "status", "words"),
    [
        ({}, Status.OK, "12.0 ms a frame (p95 15.0) on cpu: keeps 30 fps"),
        ({"p95_ms": 40.0}, Status.WARN, "now and then"),
        ({"p50_ms": 50.0, "p95_ms": 60.0}, Status.WARN, "too slow for 30 fps"),
        ({"protected": 59, "fault": "An engine died."}, Status.FAIL, "An engine died."),
        ({"faces": 0}, Status.FAIL, "no face was found"),
    ],
)
def test_the_dry_run_says_whether_it_protects_and_keeps_up(
    machine: MakeSystem, says: dict[str, object], status: Status, words: str
) -> None:
    found = FilterRun(2)(machine(answers={"filter": filter_says(**says)}))
    assert found.status is status
    assert words in found.detail


def test_the_real_filter_protects_the_demo() -> None:
    found = FilterRun(0.2)(System())
    assert found.status in (Status.OK, Status.WARN)  # how fast it is depends on the machine
    frames = found.detail.split()
    assert frames[0] == frames[2]
    assert "1280x720 protected" in found.detail


# cameras


def test_cameras_are_listed_with_their_best_modes_and_without_our_output(
    machine: MakeSystem,
) -> None:
    found = look_at_cameras(machine(said={"video0": WEBCAM, "video10": WRITTEN}))
    assert found.status is Status.OK
    assert "HD Webcam at" in found.detail
    assert (
        "3 modes, best MJPG 1280x720 30 Hz, YUYV 640x480 30 Hz, YUYV 1920x1080 5 Hz" in found.detail
    )
    assert "camfilter" not in found.detail


def test_no_camera_is_a_warning(machine: MakeSystem) -> None:
    assert look_at_cameras(machine()).status is Status.WARN


def test_elsewhere_cameras_are_probed_in_a_process_of_its_own(machine: MakeSystem) -> None:
    answers = {"cameras": Answer(0, '{"cameras": ["camera 0", "camera 1"]}')}
    assert look_at_cameras(machine(answers=answers, platform="darwin")).detail == (
        "camera 0, camera 1"
    )


def process(root: Path, number: int, name: str, words: Sequence[str], opens: str) -> None:
    folder = root / "proc" / str(number)
    (folder / "fd").mkdir(parents=True)
    (folder / "comm").write_text(name + "\n")
    (folder / "cmdline").write_bytes("\0".join(words).encode())
    (folder / "fd" / "3").symlink_to(root / "dev" / opens)
    (folder / "fd" / "4").symlink_to("/dev/null")


def test_who_holds_the_camera_is_named(machine: MakeSystem) -> None:
    system = machine(said={"video0": WEBCAM, "video10": IDLE})
    process(system.root, 77, "zoom", ["zoom"], "video0")
    process(system.root, 78, "cat", ["cat"], "other")
    found = look_at_holders(system)
    assert found.status is Status.WARN
    assert found.detail.endswith("/dev/video0: zoom (pid 77)")
    assert "close what holds it" in found.hint


def test_camfilter_may_hold_the_camera_and_calls_the_virtual_one(machine: MakeSystem) -> None:
    system = machine(said={"video0": WEBCAM, "video10": WRITTEN})
    process(system.root, 5, "python3", ["/usr/bin/python3", "/opt/bin/camfilter", "run"], "video0")
    process(system.root, 6, "chrome", ["chrome"], "video10")
    found = look_at_holders(system)
    assert found.status is Status.OK
    assert "/dev/video0: camfilter (pid 5)" in found.detail
    assert "/dev/video10: chrome (pid 6)" in found.detail


def test_processes_of_others_that_were_not_looked_into_are_counted(
    machine: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = machine(said={"video0": WEBCAM})
    (system.root / "proc" / "9" / "fd").mkdir(parents=True)
    iterdir = Path.iterdir

    def refuse(self: Path) -> object:  # root may read everything, so the kernel's no is made up
        if self.parent.name == "9":
            raise PermissionError(13, "Permission denied")
        return iterdir(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert look_at_holders(system).detail == (
        "nobody has a video node open; 1 processes of other users not looked into"
    )


def test_a_real_open_file_is_seen_in_the_real_proc(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("Linux only")
    root = tmp_path / "root"
    (root / "sys/class/video4linux/video0").mkdir(parents=True)
    (root / "dev").mkdir()
    (root / "dev/video0").touch()
    (root / "proc").symlink_to("/proc")
    system = System(root=root, platform="linux", nodes=Nodes({"video0": WEBCAM}))
    with (root / "dev/video0").open("rb"):
        assert f"(pid {os.getpid()})" in look_at_holders(system).detail
    assert f"(pid {os.getpid()})" not in look_at_holders(system).detail


@pytest.mark.parametrize(
    ("members", "groups", "words"),
    [
        ("root", {1000}, "usermod -aG video ada"),
        ("ada,bob", {1000}, "Log out and in again"),
        ("ada", {1000, None}, "ls -l"),
    ],
)
def test_a_shut_node_says_how_to_get_in(
    machine: MakeSystem, members: str, groups: set[int | None], words: str
) -> None:
    system = machine(said={"video0": WEBCAM})
    owner = (system.root / "dev/video0").stat().st_gid
    (system.root / "etc").mkdir()
    (system.root / "etc/group").write_text(f"video:x:{owner}:{members}\nada:x:1000:\n")
    numbers = frozenset(owner if group is None else group for group in groups)
    system = replace(
        system,
        user=User("ada", 1000, numbers),
        nodes=Nodes({"video0": WEBCAM}, shut=frozenset({"video0"})),
    )
    found = look_at_access(system)
    assert found.status is Status.FAIL
    assert words in found.hint


def test_open_nodes_need_no_group(machine: MakeSystem) -> None:
    assert look_at_access(machine(said={"video0": WEBCAM})).status is Status.OK


# v4l2loopback

LOADED = {
    "/sys/module/v4l2loopback/version": "0.12.7\n",
    "/sys/module/v4l2loopback/parameters/video_nr": "10,-1,-1\n",
    "/sys/module/v4l2loopback/parameters/exclusive_caps": "Y,N,N\n",
    "/sys/class/video4linux/video10/name": "camfilter\n",
}


def test_a_loaded_driver_tells_its_version(machine: MakeSystem) -> None:
    assert look_at_driver(machine(LOADED)).detail == "v4l2loopback 0.12.7 is loaded"


def test_a_driver_that_is_only_installed_has_to_be_loaded(machine: MakeSystem) -> None:
    info = Answer(
        0, "filename: /lib/modules/v4l2loopback.ko\nversion:        0.15.0\nsigner: DKMS\n"
    )
    found = look_at_driver(machine(answers={"modinfo": info}))
    assert found.status is Status.FAIL
    assert found.detail == "v4l2loopback 0.15.0 is installed and not loaded"


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("updates/dkms/v4l2loopback.ko.zst:\n", "installed and not loaded"),
        ("kernel/other.ko:\n", "not installed"),
    ],
)
def test_without_modinfo_the_kernels_index_is_read(
    machine: MakeSystem, index: str, words: str
) -> None:
    files = {"/proc/sys/kernel/osrelease": "6.1.0\n", "/lib/modules/6.1.0/modules.dep": index}
    assert words in look_at_driver(machine(files)).detail


def test_a_driver_that_is_not_there_is_told_from_one_that_was_not_looked_for(
    machine: MakeSystem,
) -> None:
    missing = Answer(1, "", "modinfo: ERROR: Module v4l2loopback not found.")
    assert "is not installed" in look_at_driver(machine(answers={"modinfo": missing})).detail
    assert "was not found out" in look_at_driver(machine()).detail


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (IDLE, Status.OK, "'camfilter' (exclusive_caps=1)"),
        (WRITTEN, Status.OK, "'camfilter' (exclusive_caps=1, written to now)"),
        (BOTH, Status.WARN, "'Dummy' (exclusive_caps=0): Chrome, Zoom and Teams do not list it"),
        (STUCK, Status.WARN, "neither capture nor output"),
    ],
)
def test_the_node_itself_says_whether_calls_list_it(
    machine: MakeSystem, said: Capabilities, status: Status, words: str
) -> None:
    found = look_at_virtual_camera(machine(LOADED, said={"video10": said, "video0": WEBCAM}))
    assert found.status is status
    assert words in found.detail
    assert "HD Webcam" not in found.detail


def test_a_node_that_cannot_be_opened_fails_and_is_known_by_its_folder(
    machine: MakeSystem,
) -> None:
    system = machine(LOADED)
    (system.root / "sys/class/video4linux/video10/name").unlink()
    (system.root / "sys/class/video4linux/video10").rmdir()
    real = system.root / "sys/devices/virtual/video4linux/video10"
    real.mkdir(parents=True)
    (real / "name").write_text("camfilter\n")
    (system.root / "sys/class/video4linux/video10").symlink_to(real)
    found = look_at_virtual_camera(replace(system, nodes=Nodes(shut=frozenset({"video10"}))))
    assert found.status is Status.FAIL
    assert "'camfilter' (exclusive_caps=1): not writable for ada" in found.detail


def test_a_driver_without_a_node_is_a_failure(machine: MakeSystem) -> None:
    found = look_at_virtual_camera(machine({"/sys/module/v4l2loopback/version": "0.15.0"}))
    assert (found.status, found.detail) == (
        Status.FAIL,
        "none: v4l2loopback is loaded without a node",
    )


# Secure Boot

VARIABLE = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


@pytest.mark.parametrize(("value", "on"), [("\6\0\0\0\1", True), ("\6\0\0\0\0", False)])
def test_secure_boot_is_read_from_the_firmware(machine: MakeSystem, value: str, on: bool) -> None:
    assert secure_boot_on(machine({VARIABLE: value})) is on


@pytest.mark.parametrize(
    ("answer", "on"),
    [
        (Answer(0, "SecureBoot enabled\n"), True),
        (Answer(0, "SecureBoot disabled\n"), False),
        (Answer(NOT_FOUND), None),
    ],
)
def test_secure_boot_is_asked_of_mokutil_where_the_variable_is_hidden(
    machine: MakeSystem, answer: Answer, on: bool | None
) -> None:
    system = machine({"/sys/firmware/efi/fw_platform_size": "64"}, {"mokutil": answer})
    assert secure_boot_on(system) is on


def test_a_machine_without_uefi_has_no_secure_boot(machine: MakeSystem) -> None:
    assert look_at_secure_boot(machine()) == Finding(Status.OK, "off")


def test_secure_boot_matters_until_the_driver_is_loaded(machine: MakeSystem) -> None:
    before = look_at_secure_boot(machine({VARIABLE: "\6\0\0\0\1"}))
    assert before.status is Status.WARN
    assert "mokutil --import" in before.hint
    assert look_at_secure_boot(machine(LOADED)).status is Status.OK


# tray

SCREEN = {"DISPLAY": ":0", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/bus"}


def test_without_a_screen_there_is_no_tray(machine: MakeSystem) -> None:
    found = look_at_tray(machine())
    assert found.status is Status.WARN
    assert "no screen" in found.detail


@pytest.mark.parametrize(
    ("command", "output"),
    [("busctl", "b true\n"), ("gdbus", "(true,)\n"), ("dbus-send", "   boolean true\n")],
)
def test_any_of_three_programs_can_ask_the_bus(
    machine: MakeSystem, command: str, output: str
) -> None:
    found = look_at_tray(machine(answers={command: Answer(0, output)}, env=SCREEN))
    assert found.detail == "a StatusNotifier host is there"


def test_an_old_tray_on_the_x_screen_counts(machine: MakeSystem) -> None:
    answers = {"busctl": Answer(0, "b false\n"), "tray": Answer(0, '{"xembed": true}')}
    assert look_at_tray(machine(answers=answers, env=SCREEN)).detail == "an XEmbed tray is there"


def test_gnome_is_told_which_extension_it_needs(machine: MakeSystem) -> None:
    answers = {"busctl": Answer(0, "b false\n"), "tray": Answer(0, '{"xembed": false}')}
    env = {**SCREEN, "XDG_CURRENT_DESKTOP": "ubuntu:GNOME"}
    found = look_at_tray(machine(answers=answers, env=env))
    assert (found.status, found.detail) == (Status.WARN, "no tray host found")
    assert "AppIndicator" in found.hint


def test_a_tray_needs_pyside(machine: MakeSystem) -> None:
    assert look_at_tray(machine(env=SCREEN, python_folders=())).detail == "PySide6 is not installed"


def test_what_could_not_be_asked_is_said(machine: MakeSystem) -> None:
    found = look_at_tray(machine(env={"WAYLAND_DISPLAY": "wayland-0"}))
    assert "the session bus and the X screen could not be asked" in found.detail


# the program


def test_a_camfilter_that_does_not_run_is_fine(machine: MakeSystem, tmp_path: Path) -> None:
    found = look_at_control(machine(env={"XDG_RUNTIME_DIR": str(tmp_path)}))
    assert found == Finding(Status.OK, "camfilter is not running")


def served(path: Path, answer: bytes) -> socket.socket:
    """A socket that answers one client, or never if there is no answer."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        with server.accept()[0] as client:
            assert json.loads(client.recv(4096)) == {"request": "status"}
            client.sendall(answer)

    if answer:
        threading.Thread(target=serve, daemon=True).start()
    return server


@pytest.fixture
def runtime() -> Iterator[Path]:
    folder = Path("/tmp") / f"cf-{os.getpid()}"  # short: a socket's path has 107 bytes at most
    (folder / "camfilter").mkdir(parents=True)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no local sockets here")
@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (b'{"ok": true, "status": {"state": "protected"}}\n', Status.OK, "says protected"),
        (b"nonsense\n", Status.FAIL, "does not answer"),
        (b"", Status.FAIL, "does not answer"),
    ],
)
def test_a_running_camfilter_is_asked_for_its_state(
    machine: MakeSystem, runtime: Path, answer: bytes, status: Status, words: str
) -> None:
    with served(runtime / "camfilter" / "control.sock", answer):
        found = look_at_control(machine(env={"XDG_RUNTIME_DIR": str(runtime)}))
    assert found.status is status
    assert words in found.detail


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no local sockets here")
def test_a_socket_left_over_is_nobody(machine: MakeSystem, runtime: Path) -> None:
    system = machine(env={"XDG_RUNTIME_DIR": str(runtime)})
    served(runtime / "camfilter" / "control.sock", b"").close()
    assert len(control_sockets(system)) == 1
    assert look_at_control(system).detail == "camfilter is not running"


def test_no_config_file_is_fine(machine: MakeSystem) -> None:
    assert look_at_config(machine()).status is Status.OK


def test_a_sound_config_file_is_counted(machine: MakeSystem) -> None:
    system = machine()
    system.config_folder.mkdir()
    (system.config_folder / "config.toml").write_text("epsilon = '6/255'\nchain_length = 5\n")
    assert look_at_config(system).detail.endswith("config.toml, 2 settings")


@pytest.mark.parametrize(
    "content", [b"epsilon = '6/255'\nmode = \n", b"\nmode = '\xff'\n", b"\nchain_length = 0\n"]
)
def test_a_config_file_that_cannot_be_used_fails_with_its_line(
    machine: MakeSystem, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    system = machine(env={"CAMFILTER_CONFIG": str(path)})
    (result,) = run_checks([Check("config", look_at_config, 20.0)], system, 20.0)
    assert result.finding.status is Status.FAIL
    assert "line 2" in result.finding.detail


def test_a_config_file_that_is_named_has_to_be_there(machine: MakeSystem) -> None:
    found = look_at_config(machine(env={"CAMFILTER_CONFIG": "/no/such.toml"}))
    assert (found.status, found.detail) == (Status.FAIL, "there is no /no/such.toml")


# the list


def test_names_are_unique_and_linux_checks_stay_on_linux() -> None:
    names = {platform: [c.name for c in checks_for(platform, 2)] for platform in ("linux", "win32")}
    assert len(set(names["linux"])) == len(names["linux"])
    assert set(names["linux"]) - set(names["win32"]) == {
        "holders",
        "access",
        "v4l2loopback",
        "virtual camera",
        "secure boot",
        "tray",
    }


def test_the_dry_run_can_be_left_out() -> None:
    assert "filter" not in [check.name for check in checks_for("linux", 0)]
