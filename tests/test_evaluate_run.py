"""Whole evaluations with real parts: clips, filter, encoders, detector and networks."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from camfilter.cli.evaluate import evaluate as command
from camfilter.errors import CamfilterError, SettingError, SourceError
from camfilter.faces.base import FaceFinder
from camfilter.filter import FrameFilter
from camfilter.filtered import Filtered
from camfilter.frames import Pixels, RawFrame
from camfilter.lab.evaluate.cache import Cache
from camfilter.lab.evaluate.collect import collect
from camfilter.lab.evaluate.filtering import (
    KnownFaces,
    attacked_families,
    filter_clip,
    filter_without,
)
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.report import write_reports
from camfilter.lab.evaluate.run import Evaluation, evaluate
from camfilter.lab.evaluate.table import channel_table, sentences
from camfilter.settings import ChainSettings
from onnx import TensorProto, helper, numpy_helper

CHANNELS = ("u8", "vp8-360p-500k")
FIRST = next(iter(attacked_families(ChainSettings())))


def reader(folder: Path, name: str) -> Path:
    """A foreign recogniser that tells bright crops from dark ones."""
    weights = np.array([[4.0, -4.0]], np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["picture"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        ],
        "bright",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 1, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = folder / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    path.with_suffix(".toml").write_text(
        f'name = "{name}"\nfamily = "brightness"\nsize_px = 32\ncolour = "gray"\n'
        'scale = 0.00784\noffset = -1.0\noutput = "logits"\nclasses = ["happiness", "neutral"]\n'
    )
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, astronaut: Pixels, hopper: Pixels) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for label, picture in (("happiness", astronaut), ("neutral", hopper)):
        (folder / label).mkdir()
        cv2.imwrite(str(folder / label / "face.png"), picture)
    cv2.imwrite(str(folder / "wall.png"), np.full((80, 80, 3), 90, np.uint8))
    return folder


def options_of(pictures: Path, *recognisers: Path, **more: Any) -> EvaluateOptions:
    return EvaluateOptions.of(
        {
            "inputs": (pictures,),
            "seconds": 0.3,
            "read_every": 3,
            "channels": CHANNELS,
            "countermeasures": ("average",),
            "countermeasure_channels": ("vp8-360p-500k",),
            "recognisers": recognisers,
            "settings": ChainSettings.of({"surrogate": FIRST}),  # one family is faster
            **more,
        }
    )


class Counting:
    """Builds the shipped filter and counts how often."""

    def __init__(self) -> None:
        self.built: list[str | None] = []

    def __call__(
        self,
        settings: ChainSettings,
        excluded_family: str | None,
        seed: int,
        finder: FaceFinder | None = None,
    ) -> FrameFilter:
        self.built.append(excluded_family)
        return filter_without(settings, excluded_family, seed, finder)


@pytest.fixture(scope="module")
def done(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Evaluation, Path]:
    folder = tmp_path_factory.mktemp("evaluation")
    bright = reader(folder, "bright")
    return evaluate(options_of(pictures, bright), folder), folder


def comparable(figures: dict[str, Any]) -> str:
    """All that must be equal for equal seeds: everything but the measured time."""
    for look in figures["visibility"].values():
        look.pop("chain_ms", None)
    figures["verdict"] = [p for p in figures["verdict"] if not p["name"].startswith("chain time")]
    figures["options"].pop("recognisers")
    return json.dumps(figures, sort_keys=True)


def row(figures: dict[str, Any], **wanted: str | None) -> dict[str, Any]:
    found = [r for r in figures["rows"] if all(r[key] == value for key, value in wanted.items())]
    assert len(found) == 1
    return dict(found[0])


def test_the_surrogate_is_fooled_and_the_rest_is_measured(done: tuple[Evaluation, Path]) -> None:
    evaluation, _ = done
    figures = collect(evaluation)
    assert figures["subjects"]["labels"] == {"happiness": 1, "neutral": 1}
    assert figures["subjects"]["left_out"] == {"wall.png": "no face was found in it"}
    own = evaluation.plan.recognisers[0].name
    for channel in CHANNELS:
        known = row(figures, channel=channel, recogniser=own, countermeasure="plain", excluded=None)
        assert known["unseen"] is False
        assert known["readable"]["filtered"] > 0.9
        assert known["frame"]["fooled"]["all"] > known["frame"]["control"]["all"]
        bright = row(figures, channel=channel, recogniser="bright", countermeasure="plain")
        assert bright["unseen"] is True
        # The filter changes a face's texture, not how bright it is.
        assert bright["frame"]["fooled"]["all"] < 0.3
    look = figures["visibility"]["filtered"]
    assert 1 <= look["linf_levels"] <= evaluation.plan.options.settings.budget_levels
    assert 0.8 < look["ssim"] < 1
    control = figures["visibility"]["control"]
    assert control["rms_levels"] == pytest.approx(control["rms_levels_of_filter"], rel=0.1)
    assert figures["channels"]["u8"]["bitrate_overhead"] is None
    assert abs(figures["channels"]["vp8-360p-500k"]["bitrate_overhead"]) < 0.2


def test_counter_measures_are_tried_where_they_were_asked_for(
    done: tuple[Evaluation, Path],
) -> None:
    rows = collect(done[0])["rows"]
    tried = {(r["channel"], r["countermeasure"]) for r in rows}
    assert tried == {
        ("u8", "plain"),
        ("vp8-360p-500k", "plain"),
        ("vp8-360p-500k", "average"),
    }


def test_going_on_repeats_nothing(
    done: tuple[Evaluation, Path], pictures: Path, tmp_path: Path
) -> None:
    shutil.copytree(done[1], tmp_path / "copy")
    cache = Cache(tmp_path / "copy" / "cache")
    before = {p: p.stat().st_mtime_ns for p in cache.folder.rglob("*.*")}
    again = Counting()
    second = evaluate(
        options_of(pictures, done[1] / "bright.onnx"), tmp_path / "copy", make_filter=again
    )
    assert again.built == []
    assert {p: p.stat().st_mtime_ns for p in cache.folder.rglob("*.*")} == before
    assert comparable(collect(second)) == comparable(collect(done[0]))


def test_what_was_interrupted_is_taken_up(
    done: tuple[Evaluation, Path], pictures: Path, tmp_path: Path
) -> None:
    shutil.copytree(done[1], tmp_path / "copy")
    lost = sorted((tmp_path / "copy" / "cache").rglob("*vp8*.npz"))[0]
    lost.write_bytes(lost.read_bytes()[:100])  # half a file, as a full disk leaves
    again = Counting()
    options = options_of(pictures, done[1] / "bright.onnx")
    second = evaluate(options, tmp_path / "copy", make_filter=again)
    assert len(again.built) <= 1
    assert comparable(collect(second)) == comparable(collect(done[0]))


def test_another_recogniser_reads_what_is_there(
    done: tuple[Evaluation, Path], pictures: Path, tmp_path: Path
) -> None:
    shutil.copytree(done[1], tmp_path / "copy")
    more = (done[1] / "bright.onnx", reader(tmp_path, "second"))
    figures = collect(evaluate(options_of(pictures, *more), tmp_path / "copy"))
    first, second = (
        row(figures, channel="vp8-360p-500k", recogniser=name, countermeasure="plain")
        for name in ("bright", "second")
    )
    assert second["frame"]["fooled"] == first["frame"]["fooled"]
    old = row(
        collect(done[0]), channel="vp8-360p-500k", recogniser="bright", countermeasure="plain"
    )
    assert first == old


def test_the_same_seed_gives_the_same_figures_in_any_number_of_processes(
    done: tuple[Evaluation, Path], pictures: Path, tmp_path: Path
) -> None:
    second = evaluate(options_of(pictures, done[1] / "bright.onnx"), tmp_path, jobs=2)
    assert comparable(collect(second)) == comparable(collect(done[0]))


@pytest.mark.parametrize("other", [{"seed": 1}, {"motion": "lively"}])
def test_another_seed_or_motion_gives_other_clips(
    done: tuple[Evaluation, Path], pictures: Path, other: dict[str, Any]
) -> None:
    plan = done[0].plan
    changed = evaluate_plan(pictures, done[1], **other)
    subject = done[0].subjects[0]
    assert plan.clip_key(subject) != changed.clip_key(subject)


def evaluate_plan(pictures: Path, folder: Path, **more: Any) -> Any:
    from camfilter.lab.evaluate.plan import Plan  # noqa: PLC0415
    from camfilter.lab.evaluate.recognisers import load_recognisers  # noqa: PLC0415

    options = options_of(pictures, folder / "bright.onnx", **more)
    return Plan(options, load_recognisers(options.recognisers))


def test_other_settings_filter_anew(done: tuple[Evaluation, Path], pictures: Path) -> None:
    plan = done[0].plan
    other = evaluate_plan(
        pictures, done[1], settings=ChainSettings.of({"surrogate": FIRST, "epsilon": "3 levels"})
    )
    subject = done[0].subjects[0]
    assert plan.clip_key(subject) == other.clip_key(subject)
    keys = [[p.condition_key(c) for c in p.conditions] for p in (plan, other)]
    assert keys[0][0] == keys[1][0]  # the unfiltered clip stays
    assert not set(keys[0][1:]) & set(keys[1][1:])


def test_a_row_of_a_family_is_read_without_that_family(pictures: Path, tmp_path: Path) -> None:
    families = attacked_families(ChainSettings())
    if len(families) < 2:
        pytest.skip("the manifest has one family")
    made = Counting()
    options = options_of(
        pictures, channels=("u8",), countermeasures=(), faces=1, seconds=0.2,
        settings=ChainSettings(),
    )  # fmt: skip
    figures = collect(evaluate(options, tmp_path, make_filter=made))
    assert made.built == [None, *families]
    for family, names in families.items():
        excluded = [r for r in figures["rows"] if r["excluded"] == family]
        assert [r["recogniser"] for r in excluded] == list(names)
        assert all(r["unseen"] for r in excluded)


def test_no_surrogate_is_left_without_the_only_family() -> None:
    with pytest.raises(SettingError, match="No surrogate is left"):
        filter_without(ChainSettings.of({"surrogate": FIRST}), FIRST, 0)


def test_known_faces_give_the_same_filtered_clip(astronaut: Pixels) -> None:
    settings = ChainSettings.of({"surrogate": FIRST})
    frames = [np.roll(astronaut, 3 * index, axis=1) for index in range(4)]
    found = filter_clip(frames, 30, filter_without(settings, None, 0))
    known = KnownFaces(found.faces)
    again = filter_clip(frames, 30, filter_without(settings, None, 0, known))
    assert sum(map(len, found.faces)) == 4
    assert all(map(np.array_equal, found.frames, again.frames))
    assert not np.array_equal(found.frames[-1], frames[-1])


class Failing:
    """A filter that fails on every second frame, and writes over its own memory."""

    def __init__(self, real: FrameFilter) -> None:
        self._real = real
        self.closed = False

    def apply(self, raw: RawFrame) -> Filtered:
        if raw.index % 2:
            raise RuntimeError("out of luck")
        return self._real.apply(raw)

    def measure(self, raw: RawFrame, filtered: Filtered) -> list[Any]:
        return []

    def catch_up(self) -> None:
        self._real.catch_up()

    def close(self) -> None:
        self.closed = True
        self._real.close()


def test_a_failing_filter_shows_its_last_protected_frame(astronaut: Pixels) -> None:
    failing = Failing(filter_without(ChainSettings(), None, 0))
    clip = filter_clip([astronaut] * 4, 30, failing)
    assert failing.closed
    assert clip.faults == 2
    assert np.array_equal(clip.frames[0], clip.frames[1])
    assert not np.array_equal(clip.frames[0], astronaut)
    assert [len(faces) for faces in clip.faces] == [1, 0, 1, 0]


def test_nothing_to_evaluate_is_an_error(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((80, 80, 3), 90, np.uint8))
    options = EvaluateOptions.of({"inputs": (tmp_path / "wall.png",), "channels": ("u8",)})
    with pytest.raises(SourceError, match="None of 1 pictures and videos could be used: no face"):
        evaluate(options, tmp_path / "out")


def test_a_fresh_run_deletes_a_cache_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    Cache(tmp_path, fresh=True)
    assert (tmp_path / "mine.txt").exists()
    Cache(tmp_path / "cache").keep_look("a", "b", {"x": 1.0})
    assert Cache(tmp_path / "cache").look("a", "b") == {"x": 1.0}
    assert Cache(tmp_path / "cache", fresh=True).look("a", "b") is None


def test_reports_are_whole_and_stand_alone(done: tuple[Evaluation, Path], tmp_path: Path) -> None:
    evaluation, _ = done
    figures = collect(evaluation)
    files = write_reports(evaluation, figures, tmp_path)
    assert [file.name for file in files] == ["report.json", "report.csv", "report.html"]
    assert json.loads(files[0].read_text()) == figures
    lines = list(csv.DictReader(files[1].read_text().splitlines()))
    assert len(lines) == 2 * len(figures["rows"])
    first = figures["rows"][0]
    assert float(lines[0]["fooled_all"]) == first["frame"]["fooled"]["all"]
    assert lines[1]["by"] == "clip"
    page = files[2].read_text()
    assert not re.findall(r"(?:src|href)=\"(?!data:image/png;base64,)", page)
    assert not re.findall(r"https?://|@import|url\(", page)
    # Two clips, three pictures each, and three drawings for each channel.
    assert page.count("data:image/png;base64,") == 2 * 3 + 3 * len(CHANNELS)
    assert "happiness/face.png" in page
    assert "wall.png: no face was found in it" in page


def test_names_in_a_report_are_no_markup(pictures: Path, tmp_path: Path) -> None:
    odd = tmp_path / "<b>&.png"
    shutil.copyfile(pictures / "neutral" / "face.png", odd)
    options = EvaluateOptions.of(
        {
            "inputs": (odd,),
            "channels": ("u8",),
            "countermeasures": (),
            "seconds": 0.2,
            "settings": ChainSettings.of({"surrogate": FIRST}),
        }
    )
    evaluation = evaluate(options, tmp_path)
    page = write_reports(evaluation, collect(evaluation), tmp_path)[2].read_text()
    assert "&lt;b&gt;&amp;.png" in page
    assert "<b>&.png" not in page


def test_the_table_and_the_words(done: tuple[Evaluation, Path]) -> None:
    figures = collect(done[0])
    table = channel_table(figures, "vp8-360p-500k")
    own = done[0].plan.recognisers[0].name
    names = list(table.columns[0].cells)
    assert {f"{own} (surrogate)", f"{own}, average (surrogate)"} <= set(names)
    assert "bright" in names
    words = " ".join(sentences(figures))
    assert "2 clips, 1 left out." in words
    assert "On the face: Linf" in words


@pytest.fixture
def run() -> Callable[..., Any]:
    app = typer.Typer()
    app.command()(command)

    def called(*arguments: object) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return called


def test_the_command(run: Callable[..., Any], pictures: Path, tmp_path: Path) -> None:
    result = run(
        pictures / "neutral", "--out", tmp_path / "made", "--quick", "--seconds", 0.3,
        "--channel", "h264-180p-150k", "--mode", "neutral", "--epsilon", "5 levels",
        "--surrogate", FIRST, "--countermeasure", "plain",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "made" / "report.json").read_text())
    assert figures["options"]["settings"]["mode"] == "neutral"
    assert figures["visibility"]["filtered"]["linf_levels"] <= 5
    assert figures["channels"]["h264-180p-150k"]["height"] == 180
    assert "target" in figures["rows"][0]["frame"]
    assert "h264-180p-150k" in result.output
    assert "report.html" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--channel", "carrier-pigeon"), "There is no channel 'carrier-pigeon'"),
        (("--recogniser", "none.onnx"), "cannot be read"),
        (("--epsilon", "tiny"), "is not a number"),
        (("none.png",), "There is no none.png"),
    ],
)
def test_a_command_that_cannot_be_run(
    run: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = run("--out", tmp_path, "--data", tmp_path, *arguments)
    assert isinstance(result.exception, CamfilterError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_without_the_lab_the_command_says_what_to_install(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("camfilter.lab.evaluate")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = run("--out", tmp_path)
    assert isinstance(result.exception, SettingError)
    assert "needs jinja2, which is not installed" in str(result.exception)
    assert "camfilter[lab]" in str(result.exception)
