from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from batch_support import frame_count, portrait, record
from camfilter.batch.local import TRIES, run_local
from camfilter.batch.manifest import FILE_NAME, DoneWork, fingerprint
from camfilter.batch.tasks import STAGE_FOLDER, Task, plan
from camfilter.batch.work import Outcome, Worker
from camfilter.cli.batch import batch
from camfilter.errors import CamfilterError, SettingError, SinkError, SourceNotFound
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.settings import ChainSettings
from camfilter.sources.pictures import read_picture
from camfilter.surrogate.provider import Provider

SHORT = ChainSettings(chain_length=1)
FIGURES = {"frames": 1}
TIMEOUT_S = 120


def command(*words: object) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(batch)
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, CamfilterError):
        return 2, str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# The plan.


def test_what_a_folder_holds_keeps_its_place(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mkv", "sub/a.mp4", "notes.txt", ".hidden/c.mp4", "p.jpg", "p.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    tasks = plan([tmp_path / "in"], tmp_path / "out", ".mp4")
    assert [task.target.as_posix() for task in tasks] == [
        "a.mp4", "b.mkv.mp4", "p.jpg.png", "p.png", "sub/a.mp4",
    ]  # fmt: skip
    assert len({task.stage for task in tasks}) == len(tasks)


def test_results_inside_the_input_folder_are_no_input(tmp_path: Path) -> None:
    portrait(tmp_path / "p.png")
    portrait(tmp_path / "out" / "old.png")
    assert [task.source.name for task in plan([tmp_path], tmp_path / "out", ".mp4")] == ["p.png"]


def test_a_plan_that_would_lose_something_is_refused(tmp_path: Path) -> None:
    one, two = portrait(tmp_path / "x" / "p.png"), portrait(tmp_path / "y" / "p.png")
    with pytest.raises(SettingError, match=r"both become .* into different folders"):
        plan([one, two], tmp_path / "out", ".mp4")
    with pytest.raises(SinkError, match="one of the recordings"):
        plan([one], one.parent, ".mp4")
    with pytest.raises(SourceNotFound, match="no file or folder"):
        plan([tmp_path / "absent"], tmp_path / "out", ".mp4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceNotFound, match="no video and no picture"):
        plan([tmp_path / "empty"], tmp_path / "out", ".mp4")


# What is done already.


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (tmp_path / "a.png").write_bytes(b"recording")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_bytes(b"result")
    return Task(tmp_path / "a.png", tmp_path / "out", Path("a.png"))


def test_finished_work_is_known_again(task: Task) -> None:
    DoneWork(task.out, "s").add(task, FIGURES)
    found = DoneWork(task.out, "s").of(task)
    assert found is not None
    assert found.figures == FIGURES


@pytest.mark.parametrize("change", ["source", "result", "settings", "gone"])
def test_work_counts_as_done_only_while_nothing_changed(task: Task, change: str) -> None:
    DoneWork(task.out, "s").add(task, FIGURES)
    if change == "source":
        task.source.write_bytes(b"another recording")
    if change == "result":
        task.output.write_bytes(b"half")
    if change == "gone":
        task.output.unlink()
    assert DoneWork(task.out, "t" if change == "settings" else "s").of(task) is None


def test_a_result_whose_line_is_missing_is_known_as_of_its_recording(task: Task) -> None:
    task.output.unlink()
    DoneWork(task.out, "s").begin([task])
    task.output.write_bytes(b"result")  # and here the machine lost its power
    again = DoneWork(task.out, "s")
    assert again.of(task) is None
    assert again.results == {task.output}
    again.begin([task])
    other = Task(task.source.with_name("b.png"), task.out, task.target)
    with pytest.raises(SinkError, match=r"out/a\.png is there already, made of .*a\.png\. Choose"):
        again.begin([other])


def test_a_name_is_given_back_where_no_result_came(task: Task) -> None:
    task.output.unlink()
    work = DoneWork(task.out, "s")
    work.begin([task])
    work.end([task])
    task.output.write_bytes(b"somebody's own")
    for list_of_work in (work, DoneWork(task.out, "s")):
        assert not list_of_work.results
        with pytest.raises(SinkError, match="is there already, and no batch made it"):
            list_of_work.begin([task])


def test_half_a_line_counts_as_none_and_harms_no_other(task: Task) -> None:
    work = DoneWork(task.out, "s")
    work.add(task, FIGURES)
    listed = task.out / FILE_NAME
    whole = listed.read_bytes()
    listed.write_bytes(whole[: len(whole) // 2])
    again = DoneWork(task.out, "s")
    assert again.of(task) is None
    again.add(task, FIGURES)
    assert DoneWork(task.out, "s").of(task) is not None


def test_the_fingerprint_follows_settings_and_graphs() -> None:
    one = fingerprint({"epsilon": 0.1}, ["a", "b"])
    assert one == fingerprint({"epsilon": 0.1}, ["b", "a"])
    assert one != fingerprint({"epsilon": 0.2}, ["a", "b"])
    assert one != fingerprint({"epsilon": 0.1}, ["a", "c"])


# One worker.


@pytest.fixture(scope="module")
def worker() -> Worker:
    return Worker(SHORT, Provider.CPU)


def done(worker: Worker, source: Path, out: Path, suffix: str = ".mp4") -> Outcome:
    (task,) = plan([source], out, suffix)
    return worker.protect(task)


def test_a_video_keeps_its_frames_and_its_sound(worker: Worker, tmp_path: Path) -> None:
    outcome = done(worker, record(tmp_path / "a.mp4", 30, sound=True), tmp_path / "out")
    assert outcome.error == ""
    assert {k: outcome.figures[k] for k in ("frames", "protected", "faces", "sound")} == {
        "frames": 30, "protected": 30, "faces": 30, "sound": "kept",
    }  # fmt: skip
    with av.open(str(outcome.task.output)) as file:
        (sound,) = file.streams.audio
        assert float(sound.duration * sound.time_base) == pytest.approx(1.0, abs=0.05)
    assert frame_count(outcome.task.output) == 30
    assert names(tmp_path / "out") == ["a.mp4"]


def test_a_picture_is_changed_on_the_face_and_nowhere_else(
    worker: Worker, tmp_path: Path, still_faces: MediaPipeFaces
) -> None:
    source = portrait(tmp_path / "p.png")
    outcome = done(worker, source, tmp_path / "out")
    assert outcome.error == ""
    before, after = read_picture(source), read_picture(outcome.task.output)
    (face,) = still_faces.find(before)
    change = cv2.absdiff(before, after)
    assert 0 < int(change.max()) <= SHORT.budget_levels
    change[face.box.slices()] = 0
    assert not change.any()


def test_a_recording_that_cannot_be_read_leaves_nothing(worker: Worker, tmp_path: Path) -> None:
    for name in ("bad.mp4", "bad.png"):
        (tmp_path / name).write_bytes(b"nothing of the kind" * 9)
        outcome = done(worker, tmp_path / name, tmp_path / "out")
        assert name in outcome.error
        assert "\n" not in outcome.error
        assert names(tmp_path / "out") == []


def test_a_recording_cut_short_fails_and_leaves_an_older_result(
    worker: Worker, tmp_path: Path
) -> None:
    whole = record(tmp_path / "a.mkv", 40).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cut.mkv").write_bytes(b"older")
    outcome = done(worker, tmp_path / "cut.mkv", tmp_path / "out", ".mkv")
    assert "cut short" in outcome.error
    assert (tmp_path / "out" / "cut.mkv").read_bytes() == b"older"
    assert names(tmp_path / "out") == ["cut.mkv"]


def test_what_a_killed_worker_left_is_cleared_away(worker: Worker, tmp_path: Path) -> None:
    (task,) = plan([portrait(tmp_path / "p.png")], tmp_path / "out", ".mp4")
    task.stage.mkdir(parents=True)
    (task.stage / "half.png").write_bytes(b"half")
    assert worker.protect(task).error == ""
    assert not task.stage.exists()


# Several workers.


def test_a_killed_worker_loses_nothing_and_repeats_nothing_finished(tmp_path: Path) -> None:
    recordings = [record(tmp_path / f"{name}.mp4", 45) for name in "abc"]
    tasks = plan(recordings, tmp_path / "out", ".mp4")
    outcomes: list[Outcome] = []
    finished_ns: dict[Path, int] = {}
    started: list[int] = []
    killed: list[int] = []

    def kill_in_the_middle(_frames: int) -> None:
        if len(outcomes) == 1 and not killed:
            killed.append(started[0])
            os.kill(started[0], signal.SIGKILL)

    def on_done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        finished_ns[outcome.task.output] = outcome.task.output.stat().st_mtime_ns

    run_local(
        tasks, SHORT, Provider.CPU, 1, on_done, on_frames=kill_in_the_middle,
        on_start=started.append,
    )  # fmt: skip
    assert len(killed) == 1
    assert len(started) == 2
    assert sorted(outcome.task.source.stem for outcome in outcomes) == ["a", "b", "c"]
    assert [outcome.error for outcome in outcomes] == ["", "", ""]
    assert {path: path.stat().st_mtime_ns for path in finished_ns} == finished_ns
    assert [frame_count(task.output) for task in tasks] == [45, 45, 45]
    assert not any((tmp_path / "out" / STAGE_FOLDER).iterdir())


def test_a_recording_that_kills_every_worker_is_given_up_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    fatal, good = record(tmp_path / "a.mp4", 45), portrait(tmp_path / "b.png")
    outcomes: list[Outcome] = []
    started: list[int] = []
    run_local(
        plan([fatal, good], tmp_path / "out", ".mp4"), SHORT, Provider.CPU, 1, outcomes.append,
        on_frames=lambda frames: os.kill(started[-1], signal.SIGKILL) if frames >= 30 else None,
        on_start=started.append,
    )  # fmt: skip
    assert [(o.task.source.name, o.error) for o in outcomes] == [
        ("a.mp4", f"Its worker died {TRIES} times at it."), ("b.png", ""),
    ]  # fmt: skip
    assert len(started) == TRIES + 1


# The command.


def test_a_batch_goes_on_after_a_failure_names_it_and_resumes(tmp_path: Path) -> None:
    portrait(tmp_path / "in" / "one.png")
    portrait(tmp_path / "in" / "sub" / "two.png")
    (tmp_path / "in" / "bad.mp4").write_bytes(b"no video at all")
    words = (tmp_path / "in", "--out", tmp_path / "out", "--chain-length", 1, "--workers", 1)
    code, said = command(*words, "--json", tmp_path / "figures.json")
    assert code == 1
    assert "2 files protected (2 frames), 0 were done before, 1 failed." in said
    assert "Failed: " in said.splitlines()[-1]
    assert "bad.mp4 is not a video" in said.splitlines()[-1]
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["done"], figures["kept"], figures["failed"]) == (2, 0, 1)
    assert names(tmp_path / "out") == [FILE_NAME, "one.png", "sub/two.png"]
    before = (tmp_path / "out" / "one.png").stat().st_mtime_ns

    (tmp_path / "in" / "bad.mp4").unlink()
    portrait(tmp_path / "in" / "three.png")
    code, said = command(*words)
    assert code == 0
    assert "1 files protected (1 frames), 2 were done before, 0 failed." in said
    assert (tmp_path / "out" / "one.png").stat().st_mtime_ns == before

    code, said = command(*words, "--epsilon", "9/255")
    assert "3 files protected" in said
    after = (tmp_path / "out" / "one.png").stat().st_mtime_ns
    assert after != before


def test_the_result_of_another_recording_is_not_replaced(tmp_path: Path) -> None:
    monday, tuesday = (portrait(tmp_path / day / "p.png") for day in ("monday", "tuesday"))
    out = tmp_path / "out"
    words = ("--out", out, "--chain-length", 1, "--workers", 1)
    assert command(monday, *words)[0] == 0
    before = (out / "p.png").read_bytes()
    code, said = command(tuesday, *words)
    assert (code, said) == (
        2, f"{out / 'p.png'} is there already, made of {monday}. Choose another folder.",
    )  # fmt: skip
    assert (out / "p.png").read_bytes() == before
    assert "1 were done before" in command(monday, *words)[1]
    assert "1 files protected" in command(monday, *words, "--epsilon", "9/255")[1]


def test_a_file_that_no_batch_made_is_not_replaced(tmp_path: Path) -> None:
    source, own = portrait(tmp_path / "p.png"), tmp_path / "out" / "p.png"
    own.parent.mkdir()
    own.write_bytes(b"somebody's own")
    code, said = command(source, "--out", own.parent)
    assert (code, said) == (
        2, f"{own} is there already, and no batch made it. Choose another folder.",
    )  # fmt: skip
    assert (names(own.parent), own.read_bytes()) == (["p.png"], b"somebody's own")


def test_results_beside_their_recordings_are_no_input_the_next_time(tmp_path: Path) -> None:
    portrait(tmp_path / "p.jpg")
    words = (tmp_path, "--out", tmp_path, "--chain-length", 1, "--workers", 1)
    assert command(*words)[0] == 0
    assert names(tmp_path) == [FILE_NAME, "p.jpg", "p.jpg.png"]
    code, said = command(*words)
    assert (code, "0 files protected (0 frames), 1 were done before" in said) == (0, True)
    assert names(tmp_path) == [FILE_NAME, "p.jpg", "p.jpg.png"]


def test_figures_replace_no_recording_no_result_and_not_the_list(tmp_path: Path) -> None:
    source, out = portrait(tmp_path / "in" / "p.png"), tmp_path / "out"
    words = (source.parent, "--out", out, "--chain-length", 1, "--workers", 1)
    assert command(*words)[0] == 0
    files = (source, out / "p.png", out / FILE_NAME)
    before = [path.read_bytes() for path in files]
    for path in files:
        code, said = command(*words, "--json", path)
        assert (code, "read or written" in said) == (2, True)
        assert [path.read_bytes() for path in files] == before


def test_a_recording_without_a_face_is_named(tmp_path: Path) -> None:
    portrait(tmp_path / "in" / "face.png")
    wall = tmp_path / "in" / "wall.png"
    assert cv2.imwrite(str(wall), np.full((60, 80, 3), 90, np.uint8))
    code, said = command(
        tmp_path / "in", "--out", tmp_path / "out", "--chain-length", 1, "--workers", 1
    )
    assert code == 0
    assert said.splitlines()[1:] == [f"{wall}: no face was found, so nothing was changed."]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has loaded")
def test_workers_that_are_being_loaded_are_interrupted_in_silence(tmp_path: Path) -> None:
    recordings = [portrait(tmp_path / f"{name}.png") for name in "ab"]
    words = ["batch", *map(str, recordings), "--out", str(tmp_path / "out"), "--workers", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "camfilter", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as running:  # fmt: skip
        until_s = time.monotonic() + TIMEOUT_S
        while not any(is_loading(pid) for pid in children(running.pid)):
            assert running.poll() is None
            assert time.monotonic() < until_s
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=TIMEOUT_S)
    assert (running.returncode, said) == (130, b"")
    assert names(tmp_path / "out") == [FILE_NAME]


def children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []  # it has ended


def is_loading(pid: str) -> bool:
    """Whether a process is a worker that has begun to load what it needs."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"spawn_main" in words and "numpy" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def test_an_interrupted_batch_leaves_nothing_half_written(tmp_path: Path) -> None:
    recordings = [record(tmp_path / f"{name}.mp4", 600) for name in "ab"]
    out = tmp_path / "out"
    words = ["batch", *map(str, recordings), "--out", str(out), "--workers", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "camfilter", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        until_s = time.monotonic() + TIMEOUT_S
        while not any(path.stat().st_size for path in out.glob(f"{STAGE_FOLDER}/*/.camfilter-*")):
            assert running.poll() is None
            assert time.monotonic() < until_s
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=TIMEOUT_S)
    assert (running.returncode, said) == (130, b"")
    assert [path.name for path in out.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--video", "gif"), "no video of kind 'gif'"),
        (("--provider", "abacus"), "no provider 'abacus'"),
        (("--epsilon", "0"), "vanishes"),
        (("--ray", "nowhere:1"), "Ray"),
    ],
    ids=str,
)
def test_bad_words_are_one_line(tmp_path: Path, words: tuple[str, ...], complaint: str) -> None:
    portrait(tmp_path / "p.png")
    if "--ray" in words and "ray" in sys.modules:
        pytest.skip("Ray is here, and waits half a minute for a cluster that is not")
    code, said = command(tmp_path / "p.png", "--out", tmp_path / "out", *words)
    assert code == 2
    assert complaint in said
    assert len(said.splitlines()) == 1


def test_pictures_without_a_face_come_out_as_they_are(worker: Worker, tmp_path: Path) -> None:
    plain = np.full((60, 80, 3), 90, np.uint8)
    assert cv2.imwrite(str(tmp_path / "wall.png"), plain)
    outcome = done(worker, tmp_path / "wall.png", tmp_path / "out")
    assert (outcome.error, outcome.figures["faces"]) == ("", 0)
    assert np.array_equal(read_picture(outcome.task.output), plain)
