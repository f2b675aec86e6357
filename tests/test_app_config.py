from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from camfilter.__main__ import main
from camfilter.app.config import Layers, config_path, load_layers
from camfilter.app.config_file import FileSettings, parse_config, read_config
from camfilter.app.config_follower import ConfigFollower
from camfilter.app.controller import Controller
from camfilter.app.settings import AppSettings, from_words
from camfilter.errors import SettingError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def layers_of(file: Path, flags: dict[str, Any] | None = None, **variables: str) -> Layers:
    environment = {f"CAMFILTER_{name}": text for name, text in variables.items()}
    environment["CAMFILTER_CONFIG"] = str(file)
    if not file.exists():
        file.write_text("")
    return load_layers(flags or {}, environment)


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(file: Path) -> None:
    file.write_text("chain_length = 3\nthreads = 3\nmomentum = 0.3\n")
    layers = layers_of(file, {"chain_length": 1}, CHAIN_LENGTH="2", THREADS="2")
    settings = layers.settings
    assert (settings.chain_length, settings.threads, settings.momentum) == (1, 2, 0.3)
    assert settings.epsilon == pytest.approx(6 / 255)
    names = ("chain_length", "threads", "momentum", "epsilon")
    assert [layers.origin(name) for name in names] == ["flag", "environment", "file", "default"]
    assert layers.pinned == {"chain_length", "threads"}


def test_every_spelling_of_the_command_line_works_in_the_file(file: Path) -> None:
    file.write_text('epsilon = "4/255"\nstep = "1 level"\nsource = 2\ntargets = ["fear"]\n')
    settings = layers_of(file).settings
    assert settings.epsilon == pytest.approx(4 / 255)
    assert settings.step == pytest.approx(1 / 255)
    assert (settings.source, settings.mode, settings.targets) == ("2", "targeted", ("fear",))


def test_a_mode_on_a_higher_layer_drops_the_targets_of_a_lower_one(file: Path) -> None:
    file.write_text('targets = "fear"\n')
    assert layers_of(file, {"mode": "hide"}).settings.targets == ()
    assert layers_of(file, MODE="neutral").settings.targets == ()
    assert layers_of(file, {"mode": "targeted"}).settings.targets == ("fear",)


WRONG = [
    (b"chain_lenth = 3", "line 1: There is no setting 'chain_lenth'. Did you mean chain_length?"),
    (b"# a\n\nepsilom = 3", "line 3: There is no setting 'epsilom'. Did you mean epsilon?"),
    (b"qwertz = 3", "line 1: There is no setting 'qwertz'. Settings: mode,"),
    (b"[chain]\nlength = 3", "line 1: There is no setting 'chain'"),
    (b"threads = 2\nchain_length = 0", "line 2: Chain length 0 cannot be used"),
    (b"threads = 2\nchain_length = 'x'", "line 2: Chain length 'x' cannot be used"),
    (b"epsilon = nan", "line 1: Epsilon 'nan' is outside 0 to 1"),
    (b"\nepsilon = 0.0001", "line 2: A change of 0.03 levels vanishes"),
    (b"mode = 'targeted'", "line 1: Mode targeted needs a target"),
    (b"mode = 'hide'\ntargets = 'fear'", "line 1: Mode hide takes no target"),
    (b"threads = 2\non = false", "line 2: protection is always on at the start"),
    (b"threads = 2\nsource = ", "line 2: Invalid value."),
    (b"threads = 2\nthreads = 3", "line 2: Cannot overwrite a value."),
    (b"sink = 1979-05-27", "line 1: Sink datetime.date(1979, 5, 27) cannot be used"),
    (b"threads = 2\nsource = '\xff'", "line 2: this is not UTF-8"),
    (b"\x00", "line 1, column 1: "),
    (b"a = " + b"[" * 5000, "nested too deep"),
]


@pytest.mark.parametrize(("content", "said"), WRONG, ids=[said[:40] for _, said in WRONG])
def test_what_is_wrong_is_named_with_its_line(file: Path, content: bytes, said: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_config(content, file)
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(file))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["qwertz", "onn", "o"])
def test_the_switch_is_not_offered_where_it_is_refused(file: Path, name: str) -> None:
    with pytest.raises(SettingError, match="There is no setting") as caught:
        parse_config(f"{name} = true".encode(), file)
    assert "on" not in re.findall(r"\w+", caught.value.hint)


@pytest.mark.parametrize(
    ("word", "text", "said"),
    [
        ("fps", float("nan"), "Fps nan cannot be used: less than or equal to 240."),
        ("fps", "0", "Fps '0' cannot be used: greater than or equal to 1."),
        ("size", "0x0", "Size '0x0' cannot be used: greater than or equal to 16."),
        ("--size", "640x9999", "Size '640x9999' cannot be used: less than or equal to 4320."),
    ],
)
def test_a_word_of_the_command_line_is_named_as_it_was_written(
    word: str, text: object, said: str
) -> None:
    with pytest.raises(SettingError) as caught:
        from_words({word: text})
    assert str(caught.value) == said


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_read(file: Path) -> None:
    assert parse_config(b"\xef\xbb\xbfthreads = 2\r\n", file).settings.threads == 2


def test_what_is_no_readable_file_is_said(tmp_path: Path) -> None:
    assert read_config(tmp_path / "none") is None
    with pytest.raises(SettingError, match="is not a file"):
        read_config(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(SettingError, match="is not a file"):
        read_config(pipe)
    large = tmp_path / "large"
    large.write_bytes(b"#" * 70_000)
    with pytest.raises(SettingError, match="larger"):
        read_config(large)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(SettingError, match="cannot be read"):
        read_config(loop)


def test_a_named_file_must_be_there_and_the_usual_one_need_not(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="There is no file"):
        load_layers({}, {"CAMFILTER_CONFIG": str(tmp_path / "none")})
    assert config_path({"CAMFILTER_CONFIG": "/x/y"}) == Path("/x/y")
    assert config_path({}).name == "config.toml"


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("CHAIN_LENGTH", "0", "CAMFILTER_CHAIN_LENGTH: Chain length '0' cannot be used"),
        ("CHAIN_LENGT", "3", "Did you mean CAMFILTER_CHAIN_LENGTH?"),
        ("ON", "false", "CAMFILTER_ON: protection is always on"),
    ],
)
def test_a_wrong_variable_is_named(file: Path, variable: str, text: str, said: str) -> None:
    with pytest.raises(SettingError) as caught:
        layers_of(file, **{variable: text})
    assert said in str(caught.value)


def test_an_empty_variable_and_one_of_somebody_else_are_left_alone(file: Path) -> None:
    assert layers_of(file, EPSILON="", RECORDINGS_OF_MINE="7").environment == {}


class Following:
    """A controller and a follower that looks when the test says so."""

    def __init__(self, file: Path, flags: dict[str, Any] | None = None, **variables: str) -> None:
        self.file = file
        layers = layers_of(file, flags, **variables)
        self.controller = Controller(layers.settings)
        self.follower = ConfigFollower(self.controller, layers)

    def edit(self, text: str) -> None:
        self.file.write_text(text)
        self.follower.look()

    @property
    def fault(self) -> str:
        return self.controller.status().config_fault

    def get(self, name: str) -> Any:
        return getattr(self.controller.settings, name)


def test_an_edit_applies_and_a_removed_line_goes_back_to_the_default(file: Path) -> None:
    file.write_text("chain_length = 3\n")
    following = Following(file)
    following.follower.look()
    assert following.get("chain_length") == 3
    following.edit("chain_length = 4\nthreads = 2\n")
    assert (following.get("chain_length"), following.get("threads")) == (4, 2)
    following.edit("threads = 2\n")
    assert (following.get("chain_length"), following.get("threads")) == (10, 2)


def test_what_was_set_while_running_stays_until_the_file_says_something_new(file: Path) -> None:
    file.write_text("chain_length = 3\n")
    following = Following(file)
    following.controller.change({"chain_length": 7, "threads": 5})
    following.edit("chain_length = 3\nmomentum = 0.5\n")
    assert (following.get("chain_length"), following.get("momentum")) == (7, 0.5)
    following.edit("chain_length = 4\nmomentum = 0.5\n")
    assert (following.get("chain_length"), following.get("threads")) == (4, 5)
    following.edit("chain_length = 4\nmomentum = 0.5\nthreads = 1\n")  # the default, but said
    assert following.get("threads") == 1


def test_flags_and_environment_win_over_the_file_however_often_it_is_edited(file: Path) -> None:
    file.write_text("chain_length = 3\n")
    following = Following(file, {"chain_length": 1}, THREADS="2")
    following.edit("chain_length = 4\nthreads = 3\nmomentum = 0.5\n")
    assert (following.get("chain_length"), following.get("threads")) == (1, 2)
    assert following.get("momentum") == 0.5


def test_a_mode_that_was_given_as_a_flag_is_not_changed_by_targets_in_the_file(file: Path) -> None:
    file.write_text("")
    following = Following(file, {"mode": "neutral"})
    following.edit("targets = 'fear'\n")
    assert (following.get("mode"), following.get("targets")) == ("neutral", ())
    assert following.fault == ""
    file.write_text("targets = 'fear'\n")
    following = Following(file, {"mode": "targeted"})
    following.edit("targets = 'anger'\n")
    assert following.get("targets") == ("anger",)
    following = Following(file, {"targets": "fear"})
    following.edit("mode = 'hide'\n")
    assert (following.get("mode"), following.get("targets")) == ("targeted", ("fear",))


def test_mode_and_targets_are_edited_together(file: Path) -> None:
    file.write_text("mode = 'targeted'\ntargets = 'fear'\n")
    following = Following(file)
    following.controller.change({"mode": "hide"})
    following.edit("targets = 'fear'\n")  # the mode is implied now
    assert (following.get("mode"), following.get("targets")) == ("targeted", ("fear",))
    following.edit("")
    assert (following.get("mode"), following.get("targets")) == ("untargeted", ())


def test_a_wrong_edit_keeps_the_last_good_file_and_says_why(file: Path) -> None:
    file.write_text("chain_length = 3\n")
    following = Following(file)
    following.edit("chain_length = 5\nthreads = 'many'\n")
    assert following.get("chain_length") == 3
    assert "line 2: Threads 'many'" in following.fault
    following.follower.look()
    assert "line 2" in following.fault
    following.edit("chain_length = 5\n")
    assert (following.get("chain_length"), following.fault) == (5, "")


def test_whatever_becomes_of_the_file_nothing_crashes_and_it_heals(file: Path) -> None:
    file.write_text("chain_length = 3\n")
    following = Following(file)
    file.unlink()
    following.follower.look()
    assert "is gone" in following.fault
    file.mkdir()
    following.follower.look()
    assert "is not a file" in following.fault
    file.rmdir()
    file.write_bytes(b"\xff\xfe")
    following.follower.look()
    assert "not UTF-8" in following.fault
    assert following.get("chain_length") == 3
    following.edit("chain_length = 3\n")
    assert following.fault == ""
    assert following.get("chain_length") == 3


def test_a_file_that_could_not_be_read_for_a_moment_is_no_fault_for_ever(file: Path) -> None:
    file.write_text("chain_length = 3\n")
    layers = layers_of(file)
    controller = Controller(layers.settings)
    trouble = [SettingError("It is locked.")]

    def read(path: Path) -> bytes | None:
        if trouble:
            raise trouble.pop()
        return read_config(path)

    follower = ConfigFollower(controller, layers, read=read)
    follower.look()
    assert controller.status().config_fault == "It is locked."
    follower.look()
    assert controller.status().config_fault == ""


def test_a_file_that_is_made_while_running_is_found(file: Path) -> None:
    layers = Layers(AppSettings(), file, FileSettings(), {}, {})
    controller = Controller(layers.settings)
    follower = ConfigFollower(controller, layers)
    follower.look()
    assert controller.status().config_fault == ""
    file.write_text("threads = 2\n")
    follower.look()
    assert controller.settings.threads == 2


def test_the_sink_in_the_file_waits_for_the_next_start(file: Path) -> None:
    file.write_text("")
    following = Following(file)
    following.edit("sink = 'null'\nthreads = 2\n")
    assert (following.get("sink"), following.get("threads")) == ("virtual", 2)


def test_the_thread_looks_again_and_again(file: Path) -> None:
    file.write_text("")
    layers = layers_of(file)
    looks = threading.Semaphore(0)

    def read(path: Path) -> bytes | None:
        looks.release()
        return read_config(path)

    controller = Controller(layers.settings)
    with ConfigFollower(controller, layers, every_s=0.01, read=read):
        file.write_text("threads = 2\n")
        for _ in range(3):
            assert looks.acquire(timeout=30)
        assert controller.settings.threads == 2


def test_the_config_command(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CAMFILTER_CONFIG", str(file))
    file.write_text('epsilon = "3/255"\nsurrogate = "plain\\"48"\n')
    assert main(["config", "path"]) == 0
    assert capsys.readouterr().out.strip() == str(file)
    assert main(["config", "check"]) == 0
    assert "is right" in capsys.readouterr().out
    assert main(["config", "show"]) == 0
    shown = capsys.readouterr().out
    again = parse_config(shown.encode(), file)
    assert again.settings == load_layers({}, {"CAMFILTER_CONFIG": str(file)}).settings
    assert "# file" in shown
    file.write_text("epsilom = 3\n")
    assert main(["config", "check"]) == 2
    error = capsys.readouterr().err
    assert "line 1" in error
    assert len(error.splitlines()) == 1
