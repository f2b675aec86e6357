from __future__ import annotations

import os
import stat
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from configparser import ConfigParser
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from camfilter.cli import setup as command
from camfilter.doctor.commands import NOT_FOUND, Answer
from camfilter.doctor.system import System, User
from camfilter.setup.desktop import Login, packaging_folder
from camfilter.setup.elsewhere import instructions
from camfilter.setup.errors import SetupError
from camfilter.setup.marker import MARKER
from camfilter.setup.plan import plan_setup, plan_undo
from camfilter.setup.running import TerminalHands, carry_out
from camfilter.setup.script import as_script
from camfilter.setup.steps import Command, Note, RemoveFile, Step, WriteFile
from camfilter.sources.v4l2 import Capabilities, Mode

PROGRAM = ("/opt/camfilter/bin/camfilter",)
OPTIONS = 'options v4l2loopback devices=1 video_nr=10 card_label="camfilter" exclusive_caps=1\n'
OURS = Capabilities("v4l2 loopback", "camfilter", captures=False, outputs=True)
DUMMY = Capabilities("v4l2 loopback", "Dummy", captures=True, outputs=True)
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


@dataclass
class Nodes:
    said: Mapping[str, Capabilities] = field(default_factory=dict)
    open: bool = True

    def capabilities(self, path: str) -> Capabilities | None:
        return self.said.get(Path(path).name)

    def modes(self, path: str) -> tuple[Mode, ...]:
        return ()

    def usable(self, path: str) -> bool:
        return self.open


@dataclass
class Hands:
    """Records; a command whose words contain a key of `fails` ends with that status."""

    fails: Mapping[str, int] = field(default_factory=dict)
    done: list[tuple[str, ...]] = field(default_factory=list)
    texts: list[str | None] = field(default_factory=list)

    def run(self, words: Sequence[str], text: str | None) -> int:
        self.done.append(tuple(words))
        self.texts.append(text)
        return next((status for word, status in self.fails.items() if word in words), 0)

    def write(self, path: Path, content: str) -> None:
        self.done.append(("write", str(path)))
        self.texts.append(content)

    def remove(self, path: Path) -> None:
        self.done.append(("remove", str(path)))


MakeSystem = Callable[..., System]


@pytest.fixture
def machine(tmp_path: Path) -> MakeSystem:
    root = tmp_path / "root"

    def make(
        *programs: str,
        files: Mapping[str, str] | None = None,
        nodes: Mapping[str, Capabilities] | None = None,
        installed: bool = True,
        **changes: object,
    ) -> System:
        root.mkdir(exist_ok=True)
        for name in programs:
            (root / "usr/bin").mkdir(parents=True, exist_ok=True)
            (root / "usr/bin" / name).touch()
        for name, text in (files or {}).items():
            path = root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name, said in (nodes or {}).items():
            folder = root / "sys/class/video4linux" / name
            folder.mkdir(parents=True)
            (folder / "name").write_text(said.card + "\n")
            (root / "dev").mkdir(exist_ok=True)
            (root / "dev" / name).touch()
            if said.driver == "v4l2 loopback":
                (root / "sys/module/v4l2loopback").mkdir(parents=True, exist_ok=True)
        info = Answer(0, "version: 0.15.0\n") if installed else Answer(1, "", "ERROR: not found.")
        system = System(
            root=root,
            env={"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"},
            platform="linux",
            user=User("ada", 1000, frozenset({1000})),
            nodes=Nodes(nodes or {}),
            run=lambda words, _s: info if "modinfo" in words[0] else Answer(NOT_FOUND),
        )
        return replace(system, **changes)  # type: ignore[arg-type]

    return make


def plan(system: System, login: Login = Login.NO) -> tuple[Step, ...]:
    return plan_setup(system, PROGRAM, login)


def commands(steps: Sequence[Step]) -> list[tuple[str, ...]]:
    return [step.words for step in steps if isinstance(step, Command)]


def written(steps: Sequence[Step]) -> dict[str, WriteFile]:
    return {step.path.name: step for step in steps if isinstance(step, WriteFile)}


def notes(steps: Sequence[Step]) -> str:
    return "\n".join(step.text for step in steps if isinstance(step, Note))


# the plan


def test_a_machine_with_the_driver_installed_gets_options_first_then_loads(
    machine: MakeSystem,
) -> None:
    system = machine()
    steps = plan(system)
    options, load, at_start = steps[:3]
    assert isinstance(options, WriteFile)
    assert options.path == system.root / "etc/modprobe.d/camfilter.conf"
    assert options.content == f"# {MARKER}\n{OPTIONS}"
    assert options.words == ("sudo", "tee", str(options.path))
    assert load == Command("Load the driver now", ("sudo", "modprobe", "v4l2loopback"), "driver")
    assert isinstance(at_start, WriteFile)
    assert at_start.path == system.root / "etc/modules-load.d/camfilter.conf"
    assert at_start.content == f"# {MARKER}\nv4l2loopback\n"
    assert sorted(written(steps[3:])) == ["camfilter.desktop", "camfilter.svg"]


@pytest.mark.parametrize(
    ("program", "release", "words"),
    [
        (
            "apt-get",
            "6.1.0-9-amd64",
            ("sudo", "apt-get", "install", "v4l2loopback-dkms", "linux-headers-6.1.0-9-amd64"),
        ),
        ("dnf", "6.9.0-1.fc40", ("sudo", "dnf", "install", "akmod-v4l2loopback")),
        (
            "pacman",
            "6.6.1-1-lts",
            ("sudo", "pacman", "-S", "--needed", "v4l2loopback-dkms", "linux-lts-headers"),
        ),
    ],
)
def test_the_package_manager_that_is_there_is_asked_for_always(
    machine: MakeSystem, program: str, release: str, words: tuple[str, ...]
) -> None:
    steps = plan(machine(program, files={"/proc/sys/kernel/osrelease": release}, installed=False))
    first = steps[0]
    assert isinstance(first, Command)
    assert first.words == words
    assert first.always_ask


def test_an_unknown_package_manager_is_only_a_note(machine: MakeSystem) -> None:
    steps = plan(machine(installed=False))
    assert "Install v4l2loopback for your kernel" in notes(steps)


def test_pkexec_stands_in_where_there_is_no_sudo(machine: MakeSystem) -> None:
    assert commands(plan(machine("pkexec")))[0][0] == "pkexec"
    assert commands(plan(machine("pkexec", "sudo")))[0][0] == "sudo"


def test_root_needs_neither(machine: MakeSystem) -> None:
    system = machine(user=User("root", 0, frozenset({0})))
    assert commands(plan(system))[0] == ("modprobe", "v4l2loopback")
    assert "as yourself" not in notes(plan(system))
    sudo = replace(system, env={**system.env, "SUDO_USER": "ada"})
    assert "as yourself" in notes(plan(sudo))


def test_a_fit_driver_is_left_as_it_is(machine: MakeSystem) -> None:
    steps = plan(machine(nodes={"video10": OURS}))
    assert commands(steps) == []
    assert "/dev/video10 (camfilter) will do" in notes(steps)


def test_a_driver_loaded_with_other_options_is_explained_not_broken(machine: MakeSystem) -> None:
    steps = plan(machine(nodes={"video0": DUMMY}))
    assert commands(steps) == []
    assert "loaded with other options" in notes(steps)
    assert "sudo modprobe -r v4l2loopback; sudo modprobe v4l2loopback" in notes(steps)
    assert written(steps)["camfilter.conf"]


@pytest.mark.parametrize(
    ("line", "advised"),
    [
        ("options v4l2loopback exclusive_caps=1 card_label=OBS", False),
        ("options  v4l2loopback devices=2 exclusive_caps=0", True),
    ],
)
def test_options_that_somebody_else_wrote_are_kept(
    machine: MakeSystem, line: str, advised: bool
) -> None:
    steps = plan(machine(files={"/etc/modprobe.d/obs.conf": f"# mine\n{line}\n"}))
    assert "obs.conf already" in notes(steps)
    assert ("Add exclusive_caps=1" in notes(steps)) == advised
    paths = [step.path.parent.name for step in steps if isinstance(step, WriteFile)]
    assert "modprobe.d" not in paths


def test_loading_at_start_that_somebody_else_arranged_is_kept(machine: MakeSystem) -> None:
    steps = plan(machine(files={"/etc/modules-load.d/video.conf": "v4l2loopback\n"}))
    paths = [step.path.parent.name for step in steps if isinstance(step, WriteFile)]
    assert "modules-load.d" not in paths


def test_a_taken_number_is_not_given_twice(machine: MakeSystem) -> None:
    webcam = Capabilities("uvcvideo", "Capture card", captures=True, outputs=False)
    steps = plan(machine(nodes={"video10": webcam}))
    assert "video_nr=11" in written(steps[:1])["camfilter.conf"].content


def test_secure_boot_is_explained_before_anything_is_done(machine: MakeSystem) -> None:
    steps = plan(machine(files={SECURE_BOOT: "\6\0\0\0\1"}))
    assert isinstance(steps[0], Note)
    assert "mokutil --import" in steps[0].text


def test_who_may_not_use_the_nodes_joins_their_group(machine: MakeSystem) -> None:
    system = machine(nodes={"video10": OURS})
    owner = (system.root / "dev/video10").stat().st_gid
    (system.root / "etc").mkdir()
    (system.root / "etc/group").write_text(f"video:x:{owner}:bob\n")
    shut = replace(system, nodes=Nodes({"video10": OURS}, open=False))
    assert ("sudo", "usermod", "-aG", "video", "ada") in commands(plan(shut))
    assert commands(plan(system)) == []


# what is written for the user


def test_the_desktop_entry_is_valid_and_starts_this_camfilter(machine: MakeSystem) -> None:
    entry = ConfigParser(interpolation=None)
    entry.optionxform = str  # type: ignore[assignment,method-assign]
    entry.read_string(written(plan(machine()))["camfilter.desktop"].content)
    section = entry["Desktop Entry"]
    assert section["Type"] == "Application"
    assert section["Exec"].split()[0] == PROGRAM[0]
    assert section["Icon"] == "camfilter"


def test_a_path_with_odd_letters_is_quoted(machine: MakeSystem) -> None:
    steps = plan_setup(machine(), ("/home/a b/100%/camfilter",), Login.SYSTEMD)
    files = written(steps)
    assert 'Exec="/home/a b/100%%/camfilter" ' in files["camfilter.desktop"].content
    assert 'ExecStart="/home/a b/100%%/camfilter" ' in files["camfilter.service"].content


def test_the_icon_is_a_picture(machine: MakeSystem) -> None:
    icon = written(plan(machine()))["camfilter.svg"].content
    assert ET.fromstring(icon).tag == "{http://www.w3.org/2000/svg}svg"


def test_nothing_starts_at_login_unless_asked_for(machine: MakeSystem) -> None:
    system = machine()
    home = Path(system.env["HOME"])
    assert "camfilter.service" not in written(plan(system))
    autostart = [s.path for s in plan(system, Login.AUTOSTART) if isinstance(s, WriteFile)]
    assert home / ".config/autostart/camfilter.desktop" in autostart
    unit = plan(system, Login.SYSTEMD)
    assert written(unit)["camfilter.service"].path == (
        home / ".config/systemd/user/camfilter.service"
    )
    assert commands(unit)[-1] == ("systemctl", "--user", "enable", "camfilter.service")


def test_xdg_folders_are_honoured(machine: MakeSystem, tmp_path: Path) -> None:
    system = machine()
    env = {**system.env, "XDG_DATA_HOME": str(tmp_path / "d"), "XDG_CONFIG_HOME": "relative"}
    steps = plan(replace(system, env=env), Login.SYSTEMD)
    assert written(steps)["camfilter.svg"].path.is_relative_to(tmp_path / "d")
    assert written(steps)["camfilter.service"].path.is_relative_to(tmp_path / "home/.config")


def test_the_menu_entry_says_what_it_lacks(machine: MakeSystem) -> None:
    assert "needs PySide6" in notes(plan(machine(python_folders=())))


def test_templates_have_no_marker_of_their_own() -> None:
    names = sorted(path.name for path in packaging_folder().iterdir())
    assert names == [
        "camfilter-autostart.desktop",
        "camfilter.desktop",
        "camfilter.service",
        "camfilter.svg",
    ]
    for path in packaging_folder().iterdir():
        assert MARKER not in path.read_text()


# carrying out


def test_steps_happen_in_order_once_agreed_to(machine: MakeSystem) -> None:
    hands, said = Hands(), list[str]()
    steps = plan(machine())
    assert carry_out(steps, hands, lambda _step: True, said.append)
    assert [words[:2] for words in hands.done[:3]] == [
        ("sudo", "tee"),
        ("sudo", "modprobe"),
        ("sudo", "tee"),
    ]
    assert hands.texts[0] == f"# {MARKER}\n{OPTIONS}"
    assert hands.done[3][0] == "write"


def test_a_declined_installation_loads_nothing_but_the_menu_entry_still_comes(
    machine: MakeSystem,
) -> None:
    hands, said = Hands(), list[str]()
    steps = plan(machine("apt-get", installed=False))
    assert carry_out(steps, hands, lambda step: not step.always_ask, said.append)  # type: ignore[union-attr]
    assert [words[0] for words in hands.done] == ["write", "write"]
    assert sum(line.startswith("Left out") for line in said) == 3


def test_a_refused_module_is_not_loaded_at_every_start(machine: MakeSystem) -> None:
    hands, said = Hands({"modprobe": 1}), list[str]()
    assert not carry_out(plan(machine()), hands, lambda _step: True, said.append)
    assert not any("modules-load.d" in word for words in hands.done for word in words)
    assert any("sudo modprobe v4l2loopback ended with status 1" in line for line in said)


def test_a_file_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot be written"):
        TerminalHands().write(tmp_path / "file" / "below", "x")
    said: list[str] = []
    step = WriteFile("x", tmp_path / "file" / "below", "x", "g")
    assert not carry_out([step], TerminalHands(), lambda _step: True, said.append)
    assert said[0].startswith("Failed: ")


def test_a_missing_program_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    step = Command("x", ("camfilter-no-such-program",), "g")
    assert not carry_out([step], TerminalHands(), lambda _step: True, said.append)
    assert "is not installed" in said[0]


# there and back


def test_user_level_steps_really_happen_and_are_really_taken_back(machine: MakeSystem) -> None:
    system = machine(nodes={"video10": OURS}, user=User("root", 0, frozenset({0})))
    for folder in ("modprobe.d", "modules-load.d"):
        (system.root / "etc" / folder).mkdir(parents=True)
    foreign = Path(system.env["HOME"]) / ".local/share/applications/other.desktop"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("[Desktop Entry]\n")
    steps = plan(system, Login.AUTOSTART)
    assert carry_out(steps, TerminalHands(), lambda _step: True, lambda _line: None)
    files = [step for step in steps if isinstance(step, WriteFile)]
    assert len(files) == 5
    for step in files:
        assert step.path.read_text() == step.content
        assert [path.name for path in step.path.parent.glob(".camfilter-*")] == []

    again = plan(system, Login.AUTOSTART)
    assert [step for step in again if not isinstance(step, Note)] == []

    undo = plan_undo(system, PROGRAM)
    assert {step.path for step in undo if isinstance(step, RemoveFile)} == {
        step.path for step in files
    }
    assert "stays loaded" in notes(undo)
    assert carry_out(undo, TerminalHands(), lambda _step: True, lambda _line: None)
    assert not any(step.path.exists() for step in files)
    assert foreign.read_text() == "[Desktop Entry]\n"
    assert plan_undo(system, PROGRAM) == ()


def test_a_file_without_our_marker_is_neither_overwritten_nor_removed(
    machine: MakeSystem,
) -> None:
    system = machine()
    entry = Path(system.env["HOME"]) / ".local/share/applications/camfilter.desktop"
    entry.parent.mkdir(parents=True)
    entry.write_text("[Desktop Entry]\nName=mine\n")
    steps = plan(system)
    assert "camfilter.desktop" not in written(steps)
    assert "is not from camfilter setup" in notes(steps)
    assert plan_undo(system, PROGRAM) == ()


def test_an_older_file_of_ours_is_renewed(machine: MakeSystem) -> None:
    system = machine(files={"/etc/modprobe.d/camfilter.conf": f"# {MARKER}\noptions old\n"})
    assert written(plan(system)[:1])["camfilter.conf"].content.endswith(OPTIONS)


def test_the_unit_is_disabled_before_it_is_removed(machine: MakeSystem) -> None:
    system = machine()
    unit = Path(system.env["HOME"]) / ".config/systemd/user/camfilter.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(f"# {MARKER}\n[Unit]\n")
    first, second = plan_undo(system, PROGRAM)
    assert isinstance(first, Command)
    assert first.words == ("systemctl", "--user", "disable", "--now", "camfilter.service")
    assert isinstance(second, RemoveFile)
    hands = Hands({"systemctl": 1})  # no user manager: the file goes all the same
    assert not carry_out([first, second], hands, lambda _step: True, lambda _line: None)
    assert hands.done[-1] == ("remove", str(unit))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_the_printed_script_does_the_same(machine: MakeSystem, tmp_path: Path) -> None:
    system = machine()
    for folder in ("modprobe.d", "modules-load.d"):
        (system.root / "etc" / folder).mkdir(parents=True)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, body in {"sudo": '"$@"', "modprobe": f'echo "$@" >>{tmp_path}/loaded'}.items():
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(stat.S_IRWXU)
    steps = plan(system)
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    subprocess.run(["sh"], input=as_script(steps), text=True, env=env, check=True)
    assert (tmp_path / "loaded").read_text() == "v4l2loopback\n"
    for step in written(steps).values():
        assert step.path.read_text() == step.content
    undo = as_script(plan_undo(system, PROGRAM))
    subprocess.run(["sh"], input=undo, text=True, env=env, check=True)
    assert not any(step.path.exists() for step in written(steps).values())


# the command


@pytest.fixture
def run(machine: MakeSystem, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    app = typer.Typer()
    app.command()(command.setup)

    def invoke(*words: str, system: System | None = None, typed: str = "") -> tuple[int, str]:
        chosen = system or machine(nodes={"video10": OURS}, user=User("root", 0, frozenset({0})))
        for folder in ("modprobe.d", "modules-load.d"):
            (chosen.root / "etc" / folder).mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr(command, "System", lambda: chosen)
        result = CliRunner().invoke(app, list(words), input=typed)
        return result.exit_code, result.stdout

    return invoke


def test_print_only_changes_nothing(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, text = run("--print-only")
    assert code == 0
    assert text.startswith("#!/bin/sh\nset -e\n")
    assert not (tmp_path / "home").exists()


def test_each_step_is_shown_and_asked_for(
    run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    code, text = run(typed="n\ny\ny\n")
    assert code == 0
    assert OPTIONS in text
    assert not (tmp_path / "root/etc/modprobe.d/camfilter.conf").exists()
    assert (tmp_path / "home/.local/share/applications/camfilter.desktop").exists()


def test_yes_does_it_and_undo_takes_it_back(
    run: Callable[..., tuple[int, str]], machine: MakeSystem, tmp_path: Path
) -> None:
    system = machine(nodes={"video10": OURS}, user=User("root", 0, frozenset({0})))
    assert run("--yes", system=system)[0] == 0
    assert (tmp_path / "root/etc/modprobe.d/camfilter.conf").exists()
    assert run("--undo", "--yes", system=system)[0] == 0
    left = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert left == []
    assert run("--undo", system=system) == (0, "Nothing of camfilter setup is here.\n")


def test_yes_does_not_agree_to_a_package_manager(
    run: Callable[..., tuple[int, str]], machine: MakeSystem
) -> None:
    user = User("root", 0, frozenset({0}))
    system = machine("apt-get", installed=False, user=user)
    code, text = run("--yes", system=system)
    assert code == 0
    assert "apt-get install v4l2loopback-dkms" in text
    assert "nobody is here to agree" in text


@pytest.mark.parametrize(
    ("platform", "words"), [("darwin", "OBS Virtual Camera"), ("win32", "UnityCapture")]
)
def test_other_systems_get_instructions(
    run: Callable[..., tuple[int, str]], machine: MakeSystem, platform: str, words: str
) -> None:
    code, text = run(system=machine(platform=platform))
    assert code == 0
    assert words in text
    assert text.splitlines()[0].startswith("1. ")
    assert len(text.splitlines()) == len(instructions(platform))
