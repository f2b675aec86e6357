from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from batch_support import frame_count, record
from camfilter import __version__
from camfilter.__main__ import main
from camfilter.app.instance import instance_name
from camfilter.app.sockets import SocketTransport, runtime_folder
from camfilter.assembly import open_surrogate
from camfilter.errors import NotRunning
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels, Size
from camfilter.sources import open_source
from camfilter.sources.base import frames_of
from camfilter.sources.demo import DemoSource
from camfilter.surrogate.provider import Provider

Capture = pytest.CaptureFixture[str]
GOOD = b"an older good file"
TIMEOUT_S = 120


def camfilter(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "camfilter", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        **options,
    )


def refused(capfd: Capture, *words: object) -> str:
    """Run a command that must be refused; the one line that it says."""
    status = main([str(word) for word in words])
    said = capfd.readouterr()
    assert status == 2
    assert "Traceback" not in said.out + said.err
    (line,) = said.err.splitlines()
    assert line.startswith("camfilter: ")
    assert line.endswith((".", "help."))
    return line


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def save(path: Path, pixels: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), pixels)
    return path


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = str(tmp_path_factory.mktemp("home"))
    for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, home)
    for name in [name for name in os.environ if name.startswith("CAMFILTER_")]:
        monkeypatch.delenv(name)


# Words.


def test_the_version(capfd: Capture) -> None:
    assert main(["--version"]) == 0
    assert capfd.readouterr() == (f"camfilter {__version__}\n", "")


@pytest.mark.parametrize("words", [[], ["run"], ["demo"], ["devices"]], ids=" ".join)
def test_help(capfd: Capture, words: list[str]) -> None:
    assert main([*words, "--help"]) == 0
    said = capfd.readouterr()
    assert "Usage: camfilter" in said.out
    assert said.err == ""


def test_no_words_at_all_print_the_help(capfd: Capture) -> None:
    assert main([]) == 2
    said = capfd.readouterr()
    assert "Usage: camfilter" in said.out + said.err
    assert "See camfilter --help" not in said.err


@pytest.mark.parametrize(
    "words",
    [["dance"], ["run", "--dance"], ["run", "somewhere"], ["--dance"], ["run", "--epsilon"]],
    ids=" ".join,
)
def test_words_that_mean_nothing(capfd: Capture, words: list[str]) -> None:
    assert refused(capfd, *words).endswith("See camfilter --help.")


# A good run.


@pytest.fixture(scope="module")
def good_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The demo, protected, in a folder that holds the video and the figures."""
    folder = tmp_path_factory.mktemp("good")
    done = camfilter(
        "run", "-i", "demo", "-o", folder / "out.mkv", "--max-frames", 12,
        "--json", folder / "out.json", env=os.environ | {"FORCE_COLOR": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "12 frames in, 12 out: 12 protected" in done.stdout
    return folder, json.loads((folder / "out.json").read_text())


def test_every_frame_is_protected_within_the_budget(
    good_run: tuple[Path, dict[str, Any]],
) -> None:
    folder, figures = good_run
    assert names(folder) == ["out.json", "out.mkv"]
    assert figures["frames_in"] == figures["frames_out"] == figures["protected"] == 12
    assert figures["held"] == figures["placeholder"] == figures["off"] == 0
    assert figures["frames_with_face"] == figures["faces_measured"] == 12
    assert 1 <= figures["linf_levels"] <= figures["budget_levels"] == 6
    assert figures["fooled_share"] >= 0.95
    assert figures["psnr_face_db"] > 33
    assert figures["faults"] == {}
    assert figures["settings"]["chain_length"] == 10
    assert figures["before"]["label"] != figures["after"]["label"]


def test_what_was_written_is_the_source_but_for_the_face(
    good_run: tuple[Path, dict[str, Any]], still_faces: MediaPipeFaces
) -> None:
    folder, figures = good_run
    with open_source(str(folder / "out.mkv")) as written, DemoSource() as source:
        pairs = list(zip(frames_of(written), frames_of(source), strict=False))
    assert len(pairs) == 12
    greatest = 0
    for after, before in pairs:
        assert after.time_s == pytest.approx(before.time_s, abs=1e-3)
        move = np.abs(after.pixels.astype(np.int16) - before.pixels)
        greatest = max(greatest, int(move.max()))
        box = still_faces.find(before.pixels)[0].box
        margin = (box.right - box.left) // 8
        move[box.top - margin : box.bottom + margin, box.left - margin : box.right + margin] = 0
        assert not move.any()
    assert greatest == figures["linf_levels"]


def test_a_video_of_odd_size_comes_out_whole(tmp_path: Path, hopper: Pixels) -> None:
    clip, out = tmp_path / "clip.mkv", tmp_path / "out.mkv"
    originals = [
        np.ascontiguousarray(hopper[60:463, 50 + shift : 451 + shift]) for shift in range(5)
    ]
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 401, 403, "bgr0"
        for original in originals:
            picture = av.VideoFrame.from_ndarray(original, format="bgr24")
            container.mux(stream.encode(picture.reformat(format="bgr0")))
        container.mux(stream.encode(None))
    assert main(["run", "-i", str(clip), "-o", str(out), "--epsilon", "4 levels"]) == 0
    with open_source(str(out)) as written:
        frames = [frame.pixels for frame in frames_of(written)]
    assert [Size.of(frame) for frame in frames] == [Size(401, 403)] * 5
    for frame, original in zip(frames, originals, strict=True):
        move = np.abs(frame.astype(int) - original)
        assert 0 < move.max() <= 4
    assert names(tmp_path) == ["clip.mkv", "out.mkv"]


def test_a_folder_of_pictures_of_every_kind(
    tmp_path: Path, capfd: Capture, astronaut: Pixels, hopper: Pixels
) -> None:
    pictures = tmp_path / "in"
    pictures.mkdir()
    save(pictures / "pixel.png", np.full((1, 1, 3), 9, np.uint8))
    save(pictures / "gray.png", cv2.cvtColor(hopper, cv2.COLOR_BGR2GRAY))
    save(pictures / "deep.png", astronaut.astype(np.uint16) * 257)
    save(pictures / "alpha.png", np.dstack([astronaut, astronaut[:, :, :1]]))
    save(pictures / "odd.png", hopper[:599, :511])
    save(pictures / "plain.png", np.full((48, 64, 3), 120, np.uint8))
    figures = tmp_path / "figures.json"
    status = main(["run", "-i", str(pictures), "-o", f"{tmp_path}/out/", "--json", str(figures)])
    said = capfd.readouterr()
    assert (status, said.err) == (0, "")
    assert names(tmp_path / "out") == names(pictures)
    read = json.loads(figures.read_text())
    assert read["protected"] == read["frames_out"] == 6
    assert read["frames_with_face"] == 4
    for name in ("pixel.png", "plain.png"):
        before, after = (cv2.imread(str(place / name)) for place in (pictures, tmp_path / "out"))
        assert np.array_equal(before, after)
    for name in ("gray.png", "deep.png", "alpha.png", "odd.png"):
        after = cv2.imread(str(tmp_path / "out" / name))
        before = cv2.imread(str(pictures / name))
        assert 0 < np.abs(after.astype(int) - before).max() <= 6
    gray = cv2.imread(str(tmp_path / "out" / "gray.png"))
    assert np.array_equal(gray[:, :, 0], gray[:, :, 2])


def test_a_picture_of_8k(tmp_path: Path, capfd: Capture, hopper: Pixels) -> None:
    huge = np.full((4320, 7680, 3), 100, np.uint8)
    huge[1000:3400, 3000:5048] = cv2.resize(hopper, (2048, 2400))
    picture = save(tmp_path / "huge.bmp", huge)
    figures = tmp_path / "figures.json"
    assert main(["run", "-i", str(picture), "-o", "null", "--json", str(figures)]) == 0
    read = json.loads(figures.read_text())
    assert (read["protected"], read["frames_with_face"]) == (1, 1)
    assert 1 <= read["linf_levels"] <= 6
    assert capfd.readouterr().err == ""


def test_every_option_reaches_the_chain(tmp_path: Path, capfd: Capture, hopper: Pixels) -> None:
    picture, figures = save(tmp_path / "a.png", hopper), tmp_path / "figures.json"
    status = main([
        "run", "-i", str(picture), "-o", str(tmp_path / "b.png"), "--epsilon", "0.001",
        "--chain-length", "20", "--mode", "targeted", "--target", "happiness,neutral",
        "--step", "1/255", "--momentum", "0.5", "--projection", "none", "--provider", "cpu",
        "--threads", "2", "--chaining", "per-frame", "--stages-per-frame", "3",
        "--json", str(figures),
    ])  # fmt: skip
    assert (status, capfd.readouterr().err) == (0, "")
    read = json.loads(figures.read_text())
    assert read["settings"] == {
        "mode": "targeted", "targets": ["happiness", "neutral"], "epsilon": 0.001,
        "chain_length": 20, "step": pytest.approx(1 / 255), "momentum": 0.5,
        "projection": "none", "surrogate": None, "chaining": "per-frame", "stages_per_frame": 3,
    }  # fmt: skip
    assert read["budget_levels"] == 20
    assert read["provider"] == "cpu"
    assert read["surrogate"] == open_surrogate(provider=Provider.CPU).name


def test_the_demo_shows_before_and_after(tmp_path: Path, capfd: Capture) -> None:
    figures = tmp_path / "demo.json"
    status = main(["demo", "--out", str(tmp_path), "--chain-length", "3", "--json", str(figures)])
    said = capfd.readouterr()
    assert (status, said.err) == (0, "")
    assert names(tmp_path) == ["demo.json", "demo.mp4", "demo.png"]
    read = json.loads(figures.read_text())
    assert read["frames_in"] == read["protected"] == 150
    assert read["fooled_share"] >= 0.95
    comparison = cv2.imread(str(tmp_path / "demo.png"))
    assert comparison.shape[1] == 3 * 640
    with open_source(str(tmp_path / "demo.mp4")) as video:
        assert video.info.size == Size(640, 480)


# Sound.


def heard(path: Path) -> list[bytes]:
    """The packets of sound in a file, but one before the first picture: the encoder's run-up."""
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(audio=0) if packet.size and packet.pts >= 0]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_video_keeps_its_sound(tmp_path: Path, capfd: Capture, suffix: str) -> None:
    source, out = record(tmp_path / "in.mp4", 15, sound=True), tmp_path / f"out{suffix}"
    figures = tmp_path / "figures.json"
    assert main(["run", "-i", str(source), "-o", str(out), "--json", str(figures)]) == 0
    said = capfd.readouterr()
    assert (said.err, "sound" in said.out) == ("", False)
    assert json.loads(figures.read_text())["sound"] == "kept"
    assert (frame_count(out), heard(out)) == (15, heard(source))
    assert names(tmp_path) == sorted(["in.mp4", out.name, "figures.json"])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_ends_with_the_pictures(tmp_path: Path, suffix: str) -> None:
    source, out = record(tmp_path / "in.mp4", 45, sound=True), tmp_path / f"out{suffix}"
    assert main(["run", "-i", str(source), "-o", str(out), "--max-frames", "15"]) == 0
    kept = heard(out)
    assert frame_count(out) == 15
    assert kept == heard(source)[: len(kept)]
    with av.open(str(out)) as file:
        (sound,) = file.streams.audio
        packets = [packet for packet in file.demux(sound) if packet.size]
        last = packets[-1]
        end_s = float((last.pts + last.duration) * last.time_base)
    assert 0.45 < end_s <= 0.5 + 0.001  # Matroska counts milliseconds


def test_sound_that_does_not_fit_costs_no_picture(tmp_path: Path, capfd: Capture) -> None:
    source = record(tmp_path / "in.mkv", 15, sound=True, sound_codec="wavpack")
    out, figures = tmp_path / "out.mp4", tmp_path / "figures.json"
    out.write_bytes(GOOD)
    assert main(["run", "-i", str(source), "-o", str(out), "--json", str(figures)]) == 0
    (line,) = [line for line in capfd.readouterr().out.splitlines() if "sound" in line]
    assert line.startswith("The sound was left out: ")
    assert json.loads(figures.read_text())["sound"].startswith("left out: ")
    assert (frame_count(out), heard_streams(out)) == (15, 0)
    assert names(tmp_path) == ["figures.json", "in.mkv", "out.mp4"]


def heard_streams(path: Path) -> int:
    with av.open(str(path)) as file:
        return len(file.streams.audio)


def test_a_video_without_sound_says_so_to_programs_alone(tmp_path: Path, capfd: Capture) -> None:
    source, figures = record(tmp_path / "in.mp4", 3), tmp_path / "figures.json"
    out = tmp_path / "out.mp4"
    assert main(["run", "-i", str(source), "-o", str(out), "--json", str(figures)]) == 0
    assert "sound" not in capfd.readouterr().out
    assert json.loads(figures.read_text())["sound"] == "none"
    assert main(["run", "-i", str(source), "-o", "null", "--json", str(figures)]) == 0
    assert "sound" not in json.loads(figures.read_text())


# Others at work.


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for control sockets with a short name, as a socket's name may not be long."""
    with tempfile.TemporaryDirectory(prefix="cf-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield runtime_folder(os.environ)


def test_a_file_that_a_live_run_writes_is_left_to_it(
    tmp_path: Path, capfd: Capture, runtime: Path
) -> None:
    out = tmp_path / "live.mkv"
    live = [sys.executable, str(Path(__file__).parent / "live_process.py"), f"sink={out}"]
    with subprocess.Popen(live, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        try:
            deadline = time.monotonic() + TIMEOUT_S
            while not list(runtime.glob("*.sock")) and time.monotonic() < deadline:
                assert running.poll() is None
                time.sleep(0.02)
            line = refused(capfd, "run", "-i", "demo", "-o", out, "--max-frames", 1)
            assert line.startswith(f"camfilter: Another camfilter writes {out} already.")
            assert not out.exists()
        finally:
            running.send_signal(signal.SIGTERM)
            running.communicate(timeout=TIMEOUT_S)
    assert main(["run", "-i", "demo", "-o", str(out), "--max-frames", "1"]) == 0
    assert frame_count(out) == 1


def test_a_run_over_files_has_its_file_alone_and_sends_callers_away(
    tmp_path: Path, capfd: Capture, runtime: Path
) -> None:
    source, out = record(tmp_path / "in.mp4", 300), tmp_path / "out.mp4"
    words = ["run", "-i", str(source), "-o", str(out)]
    with subprocess.Popen(
        [sys.executable, "-m", "camfilter", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        try:
            deadline = time.monotonic() + TIMEOUT_S
            while not list(runtime.glob("*.sock")) and time.monotonic() < deadline:
                assert running.poll() is None
                time.sleep(0.02)
            assert "already" in refused(capfd, *words)
            channel = SocketTransport(runtime).connect(instance_name(str(out)))
            assert channel.receive(TIMEOUT_S) is None
            channel.close()
            assert running.poll() is None
        finally:
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=TIMEOUT_S)
    assert running.returncode == 130
    with pytest.raises(NotRunning):
        SocketTransport(runtime).connect(instance_name(str(out)))


def test_a_run_that_fails_gives_its_file_back(
    tmp_path: Path, capfd: Capture, runtime: Path
) -> None:
    out = tmp_path / "out.mkv"
    for _ in range(2):
        assert "There is no" in refused(capfd, "run", "-i", tmp_path / "no.png", "-o", out)
        refused(capfd, "run", "-i", "demo", "-o", out, "--surrogate", "nobody")
    with SocketTransport(runtime).listen(instance_name(str(out))):
        assert "already" in refused(capfd, "run", "-i", "demo", "-o", out)


def test_devices_lists_cameras_or_says_that_there_is_none(capfd: Capture) -> None:
    assert main(["devices"]) == 0
    said = capfd.readouterr()
    assert "camera" in said.out.lower()
    assert said.err == ""


# Settings that cannot be used.


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--epsilon", "-1"], "Epsilon '-1'"),
        (["--epsilon", "nan"], "Epsilon 'nan'"),
        (["--epsilon", "2"], "Epsilon '2'"),
        (["--epsilon", "abc"], "Epsilon 'abc'"),
        (["--epsilon", ""], "Epsilon ''"),
        (["--epsilon", "0"], "vanishes"),
        (["--epsilon", "0.001", "--chain-length", "1"], "vanishes"),
        (["--step", "-1"], "Step '-1'"),
        (["--chain-length", "0"], "Chain length 0"),
        (["--chain-length", "10000"], "Chain length 10000"),
        (["--chain-length", "abc"], "chain-length"),
        (["--momentum", "nan"], "Momentum nan"),
        (["--momentum", "2"], "Momentum 2"),
        (["--mode", "shy"], "'shy'"),
        (["--mode", "targeted"], "needs a target"),
        (["--mode", "targeted", "--target", "joy"], "'joy'"),
        (["--mode", "hide", "--target", "happiness"], "takes no target"),
        (["--projection", "cube"], "'cube'"),
        (["--surrogate", "nobody"], "'nobody'"),
        (["--provider", "abacus"], "'abacus'"),
        (["--threads", "0"], "Threads 0"),
        (["--max-frames", "0"], "max-frames"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_setting_that_cannot_be_used(
    tmp_path: Path, capfd: Capture, words: list[str], named: str
) -> None:
    out = tmp_path / "out.mkv"
    out.write_bytes(GOOD)
    assert named in refused(capfd, "run", "-i", "demo", "-o", out, *words)
    assert names(tmp_path) == ["out.mkv"]
    assert out.read_bytes() == GOOD


# Sources that cannot be read.


def _empty(folder: Path, name: str) -> Path:
    (folder / name).touch()
    return folder / name


def _noise(folder: Path, name: str) -> Path:
    (folder / name).write_bytes(np.random.default_rng(0).bytes(5000))
    return folder / name


def _truncated_video(folder: Path) -> Path:
    writer = cv2.VideoWriter(
        str(folder / "cut.mkv"), cv2.VideoWriter.fourcc(*"FFV1"), 25, (160, 120)
    )
    for seed in range(8):
        pixels = np.random.default_rng(seed).integers(0, 256, (120, 160, 3), np.uint8)
        writer.write(pixels)
    writer.release()
    content = (folder / "cut.mkv").read_bytes()
    (folder / "cut.mkv").write_bytes(content[: len(content) // 2])
    return folder / "cut.mkv"


def _truncated_picture(folder: Path, suffix: str) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    ok, content = cv2.imencode(suffix, pixels)
    assert ok
    (folder / f"cut{suffix}").write_bytes(content.tobytes()[:100])
    return folder / f"cut{suffix}"


BAD_SOURCES: dict[str, Callable[[Path], object]] = {
    "missing file": lambda folder: folder / "missing.mkv",
    "missing picture": lambda folder: folder / "missing.png",
    "empty video": lambda folder: _empty(folder, "empty.mkv"),
    "empty picture": lambda folder: _empty(folder, "empty.png"),
    "noise as a video": lambda folder: _noise(folder, "noise.mp4"),
    "noise as a picture": lambda folder: _noise(folder, "noise.jpg"),
    "noise without a name": lambda folder: _noise(folder, "noise"),
    "truncated video": _truncated_video,
    "truncated png": lambda folder: _truncated_picture(folder, ".png"),
    "truncated jpeg": lambda folder: _truncated_picture(folder, ".jpg"),
    "truncated webp": lambda folder: _truncated_picture(folder, ".webp"),
    "truncated tiff": lambda folder: _truncated_picture(folder, ".tiff"),
    "folder without pictures": lambda folder: folder,
    "nothing": lambda _: "",
    "an address": lambda _: "http://localhost/a.mp4",
    "a camera that is not there": lambda _: "4711",
    "a name with a null": lambda _: "a\0b.mkv",
}


@pytest.mark.parametrize("make", BAD_SOURCES.values(), ids=BAD_SOURCES)
def test_a_source_that_cannot_be_read(
    tmp_path: Path,
    capfd: Capture,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], object],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    out = tmp_path / "out" / "out.mkv"
    out.write_bytes(GOOD)
    source = make(tmp_path / "in")
    before = names(tmp_path / "in")
    refused(capfd, "run", "-i", source, "-o", out)
    assert names(tmp_path / "in") == before
    assert names(tmp_path / "out") == ["out.mkv"]
    assert out.read_bytes() == GOOD


# Sinks that cannot be written.


BAD_SINKS: dict[str, Callable[[Path], object]] = {
    "in a missing folder": lambda folder: folder / "missing" / "out.mkv",
    "below a file": lambda folder: folder / "in.png" / "out.mkv",
    "a folder below a file": lambda folder: f"{folder / 'in.png'}/out/",
    "an unknown kind": lambda folder: folder / "out.xyz",
    "no kind": lambda folder: folder / "out",
    "nothing": lambda _: "",
    "the source": lambda folder: folder / "in.png",
    "the folder of the source": lambda folder: folder,
    "the folder of the source, as a folder": lambda folder: f"{folder}/",
    "the source by another way": lambda folder: folder / ".." / folder.name / "in.png",
    "a virtual camera that is not there": lambda _: "virtual:/dev/video4711",
}


@pytest.mark.parametrize("make", BAD_SINKS.values(), ids=BAD_SINKS)
def test_a_sink_that_cannot_be_written(
    tmp_path: Path,
    capfd: Capture,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], object],
) -> None:
    monkeypatch.chdir(tmp_path)
    source = save(tmp_path / "in.png", np.full((48, 64, 3), 120, np.uint8))
    before = source.read_bytes()
    refused(capfd, "run", "-i", source, "-o", make(tmp_path))
    assert names(tmp_path) == ["in.png"]
    assert source.read_bytes() == before


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may write anywhere"
)
def test_a_folder_that_may_not_be_written(tmp_path: Path, capfd: Capture) -> None:
    tmp_path.chmod(0o555)
    try:
        refused(capfd, "run", "-i", "demo", "-o", tmp_path / "out.mkv", "--max-frames", 1)
        refused(capfd, "demo", "--out", tmp_path)
    finally:
        tmp_path.chmod(0o755)


def test_the_demo_in_a_missing_folder(tmp_path: Path, capfd: Capture) -> None:
    refused(capfd, "demo", "--out", tmp_path / "missing")
    assert names(tmp_path) == []


def test_more_pictures_than_a_picture_file_can_hold(tmp_path: Path, capfd: Capture) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(GOOD)
    refused(capfd, "run", "-i", "demo", "-o", out, "--max-frames", 2)
    assert (names(tmp_path), out.read_bytes()) == (["out.png"], GOOD)


def test_figures_that_cannot_be_written_are_told_before_any_work(
    tmp_path: Path, capfd: Capture
) -> None:
    out, source = tmp_path / "out.png", save(tmp_path / "in.png", np.zeros((9, 9, 3), np.uint8))
    out.write_bytes(GOOD)
    before = source.read_bytes()
    for figures in (tmp_path / "missing" / "out.json", tmp_path, source):
        refused(capfd, "run", "-i", source, "-o", out, "--json", figures)
        assert (names(tmp_path), out.read_bytes()) == (["in.png", "out.png"], GOOD)
        assert source.read_bytes() == before


def test_figures_replace_nothing_that_is_read_or_written(tmp_path: Path, capfd: Capture) -> None:
    pictures, out, demo = (tmp_path / name for name in ("in", "out", "demo"))
    for folder in (pictures, out, demo):
        folder.mkdir()
    gray = np.full((48, 64, 3), 120, np.uint8)
    one, old = save(pictures / "one.png", gray), save(out / "one.png", gray)
    other, film = tmp_path / "other.png", record(tmp_path / "film.mp4", 3)
    other.hardlink_to(one)
    before = {path: path.read_bytes() for path in (one, old, film)}
    for words in (
        ("run", "-i", film, "-o", tmp_path / "new.mp4", "--json", tmp_path / "new.mp4"),
        ("run", "-i", film, "-o", tmp_path / "new.mp4", "--json", tmp_path / "in/../film.mp4"),
        ("run", "-i", one, "-o", "null", "--json", other),
        ("run", "-i", pictures, "-o", "null", "--json", pictures / "two.PNG"),
        ("run", "-i", pictures, "-o", out, "--json", old),
        ("demo", "--out", demo, "--json", demo / "demo.mp4"),
        ("demo", "--out", demo, "--json", demo / "demo.png"),
    ):
        assert "read or written" in refused(capfd, *words)
        assert {path: path.read_bytes() for path in before} == before
    assert names(tmp_path) == ["demo", "film.mp4", "in", "other.png", "out"]
    assert [names(folder) for folder in (pictures, out, demo)] == [["one.png"], ["one.png"], []]


def test_figures_may_lie_beside_the_pictures_that_are_read(tmp_path: Path) -> None:
    save(tmp_path / "one.png", np.full((48, 64, 3), 120, np.uint8))
    figures = tmp_path / "figures.json"
    assert main(["run", "-i", str(tmp_path), "-o", "null", "--json", str(figures)]) == 0
    assert json.loads(figures.read_text())["frames_out"] == 1


def test_a_picture_among_those_that_are_read_is_not_written_over(
    tmp_path: Path, capfd: Capture
) -> None:
    source = save(tmp_path / "in.png", np.full((48, 64, 3), 120, np.uint8))
    before = source.read_bytes()
    refused(capfd, "run", "-i", tmp_path, "-o", source)
    assert source.read_bytes() == before


# Endings.


@pytest.mark.parametrize("source", ["demo", "talk.mp4"])
def test_an_interrupted_run_leaves_nothing_half_written(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, source: str
) -> None:
    out = tmp_path / "out.mkv"
    out.write_bytes(GOOD)
    if source != "demo":
        source = str(record(tmp_path_factory.mktemp("talk") / source, 300, sound=True))
    words = ["run", "-i", source, "-o", str(out), "--chain-length", "20"]
    with subprocess.Popen(
        [sys.executable, "-m", "camfilter", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            unfinished = [path for path in tmp_path.rglob("*") if path != out and path.is_file()]
            if any(path.stat().st_size for path in unfinished):
                break
            assert running.poll() is None
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=TIMEOUT_S)
    assert running.returncode == 130
    assert "Traceback" not in said
    assert (names(tmp_path), out.read_bytes()) == (["out.mkv"], GOOD)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_standard_output_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "camfilter", "devices"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_a_reader_that_went_away_is_no_error_to_look_at() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "camfilter", "devices"],
            stdout=write, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    finally:
        os.close(write)
    assert done.stderr == ""
