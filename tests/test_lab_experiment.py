"""The frame of the lab: what is kept, what is spread, what is written, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra lab is not installed")
pytest.importorskip("jinja2", reason="the extra lab is not installed")

from rich.console import Console  # noqa: E402

from camfilter.errors import SettingError, SinkError, SourceError, UnreadableSource  # noqa: E402
from camfilter.lab.attacks import Attack  # noqa: E402
from camfilter.lab.experiment.base import ExperimentOptions, options_of  # noqa: E402
from camfilter.lab.experiment.findings import (  # noqa: E402
    Drawing,
    Findings,
    Record,
    Table,
    new_figure,
)
from camfilter.lab.experiment.gathering import gather  # noqa: E402
from camfilter.lab.experiment.made import Keeper, Made, digest_of_lab  # noqa: E402
from camfilter.lab.experiment.running import run_experiment  # noqa: E402
from camfilter.lab.experiment.spreading import Here, InProcesses, spreader_for  # noqa: E402
from camfilter.lab.experiment.workbench import Progress, Workbench  # noqa: E402
from camfilter.lab.registry import Registry  # noqa: E402


class Options(ExperimentOptions):
    QUICK: ClassVar = {"powers": (2,)}

    powers: tuple[int, ...] = (1, 2, 3, 4)
    diary: Path


def power(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """A task: the power of what was given; it writes down that it ran."""
    with Path(order["diary"]).open("a") as diary:
        diary.write(f"{order['power']}\n")
    base = given["base"].arrays["numbers"].astype(np.float64)
    random = np.random.default_rng(order["seed"]).normal(size=len(base))
    if order["power"] == order.get("stumble"):
        raise RuntimeError("stumbled")
    return Made({"power": order["power"], "threads": torch.get_num_threads()},
                {"numbers": base ** order["power"] + random})  # fmt: skip


def base(order: dict[str, Any], _given: dict[str, Made]) -> Made:
    return Made({}, {"numbers": np.arange(order["count"], dtype=np.int16)})


def killed(_order: dict[str, Any], _given: dict[str, Made]) -> Made:
    os._exit(9)


class Powers:
    """An experiment as small as can be."""

    name: str = "powers"
    title: str = "Powers & <numbers>"
    options: type[ExperimentOptions] = Options
    code: tuple[str, ...] = ("attacks", "identities.py")

    def run(self, options: Any, workbench: Workbench) -> Findings:
        numbers = workbench.do("base", base, {"count": 3})
        orders = [{"power": p, "seed": options.seed, "diary": str(options.diary)}
                  for p in options.powers]  # fmt: skip
        made = workbench.do_all("powers", power, orders, {"base": numbers})
        figure = new_figure(2, 2)
        figure.subplots().plot([one.arrays["numbers"][2] for one in made])
        rows = [{"power": one.figures["power"], "last": float(one.arrays["numbers"][2])}
                for one in made]  # fmt: skip
        return Findings(
            [f"{len(rows)} powers, threads {made[0].figures['threads']}"],
            [Table("powers", "All powers", rows, "noted")],
            [Drawing.of("line", "A line", figure)],
            {"count": len(rows)},
        )


def ran(diary: Path) -> list[int]:
    return [int(line) for line in diary.read_text().split()] if diary.exists() else []


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary"


def bench(folder: Path, code: str = "a", **options: Any) -> Workbench:
    return Workbench(folder, code, Here(), **options)


def orders(diary: Path, *powers: int, **more: Any) -> list[dict[str, Any]]:
    return [{"power": p, "seed": 0, "diary": str(diary), **more} for p in powers]


def given(count: int = 3) -> dict[str, Made]:
    return {"base": base({"count": count}, {})}


def values(made: Sequence[Made]) -> list[list[float]]:
    return [one.arrays["numbers"].tolist() for one in made]


def test_what_was_done_is_not_done_again(tmp_path: Path, diary: Path) -> None:
    first = bench(tmp_path).do_all("p", power, orders(diary, 3, 1, 2), given())
    assert ran(diary) == [3, 1, 2]
    again = bench(tmp_path).do_all("p", power, orders(diary, 1, 2, 3, 4), given())
    assert ran(diary) == [3, 1, 2, 4]
    assert values(again)[:3] == [values(first)[place] for place in (1, 2, 0)]
    assert [one.figures["power"] for one in again] == [1, 2, 3, 4]


def test_all_that_decides_a_result_is_part_of_its_name(tmp_path: Path, diary: Path) -> None:
    for run in (
        lambda: bench(tmp_path).do_all("p", power, orders(diary, 1), given()),
        lambda: bench(tmp_path, code="b").do_all("p", power, orders(diary, 1), given()),
        lambda: bench(tmp_path).do_all("p", power, orders(diary, 1), given(4)),
        lambda: bench(tmp_path).do_all("p", power, orders(diary, 1, more=1), given()),
        lambda: bench(tmp_path, fresh=True).do_all("p", power, orders(diary, 1), given()),
    ):
        before = len(ran(diary))
        run()
        assert len(ran(diary)) == before + 1
    bench(tmp_path).do_all("p", power, orders(diary, 1), given())
    assert len(ran(diary)) == 5


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path, diary: Path) -> None:
    stumbling = [*orders(diary, 1, 2), *orders(diary, 3, stumble=3), *orders(diary, 4)]
    with pytest.raises(RuntimeError, match="stumbled"):
        bench(tmp_path).do_all("p", power, stumbling, given())
    assert ran(diary) == [1, 2, 3]
    bench(tmp_path).do_all("p", power, orders(diary, 1, 2, 3, 4), given())
    assert ran(diary) == [1, 2, 3, 3, 4]


# numpy leaves a file open that it finds to be half a zip file.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_half_a_file_is_no_result(tmp_path: Path, diary: Path) -> None:
    made = bench(tmp_path).do_all("p", power, orders(diary, 2), given())
    (file,) = tmp_path.glob("p-*.npz")
    file.write_bytes(file.read_bytes()[:-40])
    assert Keeper(tmp_path).find(file.stem) is None
    assert values(bench(tmp_path).do_all("p", power, orders(diary, 2), given())) == values(made)
    assert ran(diary) == [2, 2]


def test_progress_counts_what_was_kept_too(tmp_path: Path, diary: Path) -> None:
    told: list[object] = []
    progress = Progress(lambda name, tasks: told.append((name, tasks)), lambda: told.append("+"))
    bench(tmp_path).do_all("p", power, orders(diary, 1), given())
    bench(tmp_path, progress=progress).do_all("p", power, orders(diary, 1, 2), given())
    assert told == [("p", 2), "+", "+"]


def test_arrays_and_figures_come_back_as_they_were(tmp_path: Path) -> None:
    made = Made(
        {"none": None, "list": [1, 2.5, "ü"], "inner": {"a": True}},
        {
            "figures": np.arange(6, dtype=np.uint8).reshape(2, 3),
            "empty": np.zeros((0, 4), np.float32),
        },
    )
    keeper = Keeper(tmp_path / "new")
    keeper.keep("x", made)
    found = keeper.find("x")
    assert found is not None
    assert found.figures == made.figures
    for name, array in made.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        assert np.array_equal(found.arrays[name], array)
    assert keeper.find("y") is None


def test_two_processes_find_what_one_finds(tmp_path: Path, diary: Path) -> None:
    found = {}
    for jobs in (1, 2):
        out = tmp_path / str(jobs)
        run_experiment(Powers(), {"diary": diary, "seed": 7}, out, jobs=jobs)
        found[jobs] = Record.read(out / "powers").findings
    assert found[1].tables == found[2].tables
    assert found[1].text == found[2].text == ["4 powers, threads 1"]
    assert [drawing.png for drawing in found[1].drawings] == [
        drawing.png for drawing in found[2].drawings
    ]
    assert sorted(ran(diary)) == [1, 1, 2, 2, 3, 3, 4, 4]


def test_a_process_that_is_killed_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="ended early") as caught:
        Workbench(tmp_path, "", InProcesses(2)).do_all("k", killed, [{"a": 1}, {"a": 2}])
    assert "\n" not in str(caught.value)


def test_jobs_and_ray_exclude_each_other() -> None:
    assert isinstance(spreader_for(1, None), Here)
    assert spreader_for(3, None) == InProcesses(3)
    with pytest.raises(SettingError, match="not both"):
        spreader_for(2, "auto")


def test_a_second_run_computes_nothing_and_fresh_all(tmp_path: Path, diary: Path) -> None:
    def run(**options: Any) -> str:
        run_experiment(Powers(), {"diary": diary}, tmp_path / "out", **options)
        return (tmp_path / "out" / "powers" / "powers.csv").read_text()

    first = run()
    assert ran(diary) == [1, 2, 3, 4]
    assert run() == first
    assert ran(diary) == [1, 2, 3, 4]
    assert run(fresh=True) == first
    assert ran(diary) == [1, 2, 3, 4] * 2


def test_the_time_of_all_runs_counts_and_fresh_forgets_it(tmp_path: Path, diary: Path) -> None:
    def spent(took_s: float, **options: Any) -> tuple[float, int]:
        clock = iter([0.0, took_s]).__next__
        run_experiment(Powers(), {"diary": diary}, tmp_path, clock=clock, **options)
        record = Record.read(tmp_path / "powers")
        return record.seconds, record.runs

    assert spent(8.0) == (8.0, 1)
    assert spent(0.5) == (8.5, 2)
    assert "8 s in 2 runs" in (tmp_path / "powers" / "powers.md").read_text()
    assert spent(7.0, fresh=True) == (7.0, 1)


def test_findings_are_written_and_read_back(tmp_path: Path, diary: Path) -> None:
    clock = iter([10.0, 12.5]).__next__
    show = run_experiment(Powers(), {"diary": diary}, tmp_path, quick=True, clock=clock)
    folder = tmp_path / "powers"
    assert {file.name for file in folder.iterdir() if file.is_file()} == {
        "results.json", "powers.csv", "line.png", "powers.md", "spent.json",
    }  # fmt: skip
    record = Record.read(folder)
    assert (record.quick, record.seconds) == (True, 2.5)
    assert record.options == {"seed": 0, "powers": [2], "diary": str(diary)}
    assert record.findings.figures == {"count": 1}
    assert record.findings.drawings[0].png[1:4] == b"PNG"
    record.write(tmp_path / "copy")
    for file in (file for file in folder.glob("*.*") if file.name != "spent.json"):
        assert (tmp_path / "copy" / file.name).read_bytes() == file.read_bytes()
    page = (folder / "powers.md").read_text()
    assert page.startswith("# Powers & <numbers>\n\n`camfilter lab powers`: first look, 2 s on ")
    assert "| power | last |\n| --- | --- |\n| 2 | " in page
    assert "![A line](line.png)" in page
    console = Console(record=True, width=100)
    show(console)
    assert "All powers" in console.export_text()


def test_a_table_has_floats_in_full_and_for_people() -> None:
    rows = [{"a": 0.123456789, "b": None}, {"a": 1, "b": [0.5, "x"], "c": "y, z"}]
    table = Table("t", "T", rows)
    assert table.as_csv() == 'a,b,c\n0.123456789,,\n1,"[0.5, \'x\']","y, z"\n'
    assert table.as_text_rows() == [["0.123", "–", "–"], ["1", "0.5 x", "y, z"]]  # noqa: RUF001


@pytest.mark.parametrize("content", [None, "{", '{"name": "x"}', "[]"])
def test_findings_that_cannot_be_read_are_one_line(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(UnreadableSource, match="holds no findings") as caught:
        Record.read(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, diary: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(SinkError, match="cannot be made"):
        run_experiment(Powers(), {"diary": diary}, tmp_path / "out")


def test_all_findings_in_one_page_that_needs_nothing_else(tmp_path: Path, diary: Path) -> None:
    class Second(Powers):
        name = "second"
        title = "Second"

    run_experiment(Powers(), {"diary": diary}, tmp_path, quick=True)
    run_experiment(Second(), {"diary": diary}, tmp_path, quick=True)
    page = gather(tmp_path).read_text()
    assert 'id="powers"' in page
    assert 'id="second"' in page
    assert "Powers &amp; &lt;numbers&gt;" in page
    assert page.count('src="data:image/png;base64,') == 2
    assert 'src="http' not in page
    assert "<link" not in page


def test_nothing_to_gather_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There are no findings"):
        gather(tmp_path)


def test_the_more_particular_option_wins(tmp_path: Path) -> None:
    config = tmp_path / "lab.toml"
    config.write_text('powers = [5]\nseed = 3\ndiary = "x"\n')
    assert options_of(Options, {"diary": "d"}, quick=True).model_dump()["powers"] == (2,)
    options = options_of(Options, {"seed": 4}, config=config, quick=True)
    assert options.model_dump() == {
        "data": Path("data"), "seed": 4, "powers": (5,), "diary": Path("x"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"powers = ", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b'diary = "x"\ncolour = "red"', "The option colour cannot be used"),
        (b'diary = "x"\nseed = -1', "The option seed cannot be used"),
        (b'diary = "x"\npowers = [1, "two"]', "The option powers.1 cannot be used"),
        (None, "cannot be read"),
    ],
)
def test_a_malformed_configuration_is_one_line(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    config = tmp_path / "lab.toml"
    if content is not None:
        config.write_bytes(content)
    with pytest.raises(SettingError, match=says) as caught:
        options_of(Options, {}, config=config)
    assert "\n" not in str(caught.value)


def test_the_digest_follows_the_code(tmp_path: Path) -> None:
    assert digest_of_lab(("attacks", "data.py")) == digest_of_lab(("data.py", "attacks"))
    assert digest_of_lab(("attacks",)) != digest_of_lab(("data.py",))


def test_another_distribution_adds_an_attack_by_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere_attack.py").write_text(
        "from camfilter.lab.attacks.fgsm import FGSM\n"
        "def offered():\n    return [FGSM(epsilon=0.25, name='mine')]\n"
    )
    facts = tmp_path / "elsewhere-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[tests.of.attacks]\nmine = elsewhere_attack:offered\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry: Registry[Attack] = Registry("camfilter.lab.attacks", "tests.of.attacks", "attack")
    assert {"mine", "fgsm"} <= set(registry.names)
    assert registry.named("mine").epsilon == 0.25  # type: ignore[attr-defined]
    with pytest.raises(SettingError, match="There is no attack 'yours'"):
        registry.named("yours")


def test_results_are_plain_json(tmp_path: Path, diary: Path) -> None:
    run_experiment(Powers(), {"diary": diary}, tmp_path, quick=True)
    values = json.loads((tmp_path / "powers" / "results.json").read_text())
    assert values["tables"][0]["rows"][0]["power"] == 2
    assert str(tmp_path) not in values["machine"]
