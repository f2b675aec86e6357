"""Experiments on a real cluster: two Ray nodes on this machine."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install camfilter[ray]")
pytest.importorskip("torch", reason="the extra lab is not installed")
pytest.importorskip("foolbox", reason="the extra lab is not installed")

import camfilter
from camfilter.errors import SettingError, SourceError, UnreadableSource
from camfilter.lab.experiment.findings import Record
from camfilter.lab.experiment.made import Made
from camfilter.lab.experiment.running import experiment_named, run_experiment
from camfilter.lab.experiment.spreading import OnRay
from camfilter.lab.experiment.workbench import Progress, Workbench

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray's own code

DATA = Path(
    os.environ.get("CAMFILTER_DATA", Path(str(camfilter.__file__)).parents[2] / "shared" / "data")
)
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # workers import tasks from here
        cluster: Any = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        cluster.add_node(num_cpus=1)
        yield cluster.address
        cluster.shutdown()


def square(order: dict[str, Any], given: dict[str, Made]) -> Made:
    """A task that writes down who begins it and that it ended.

    The first one ends once a second has begun, the others once there is a gate: so a test can kill
    one of them in the middle.
    """
    folder = Path(order["folder"])
    number = int(order["number"])
    with (folder / "begun").open("a") as diary:
        diary.write(f"{number} {os.getpid()}\n")
    _wait_until(
        lambda: len(begun(folder)) > 1 if number == 0 else (folder / "gate").exists(),
    )
    with (folder / "ended").open("a") as diary:
        diary.write(f"{number}\n")
    return Made({"number": number}, {"square": given["base"].arrays["numbers"] * number**2})


def begun(folder: Path) -> list[tuple[int, int]]:
    """Numbers of the tasks that were begun, and who did."""
    lines = (folder / "begun").read_text().splitlines()
    return [(int(number), int(process)) for number, process in map(str.split, lines)]


def ended(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "ended").read_text().split()]


def stumbles(order: dict[str, Any], _given: dict[str, Made]) -> Made:
    raise UnreadableSource(f"Picture {order['number']} is no picture.", "Leave it out.")


def dies(order: dict[str, Any], _given: dict[str, Made]) -> Made:
    if order["number"]:
        with (Path(order["folder"]) / "begun").open("a") as diary:
            diary.write(f"{order['number']} {os.getpid()}\n")
        os._exit(9)
    return Made()


def _wait_until(true: Any) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > until_s:
            raise TimeoutError
        time.sleep(0.01)


@pytest.mark.skipif(not (DATA / "ferplus_test.npz").is_file(), reason=f"FER+ is not in {DATA}")
def test_a_cluster_finds_what_one_process_finds(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(DATA.parent)  # workers stand elsewhere: a relative path means this one
    options = {"data": Path(DATA.name), "sets": ("ferplus",), "faces": 8, "chain_length": 2,
               "epsilons": (2 / 255,), "sides": False}  # fmt: skip
    run_experiment(experiment_named("caa"), options, tmp_path / "here")
    run_experiment(experiment_named("caa"), options, tmp_path / "cluster", ray=address)
    here, cluster = (Record.read(tmp_path / who / "caa").findings for who in ("here", "cluster"))
    assert cluster.tables == here.tables
    assert cluster.text == here.text
    assert [drawing.png for drawing in cluster.drawings] == [
        drawing.png for drawing in here.drawings
    ]
    assert (tmp_path / "cluster" / "report.html").is_file()


def test_a_killed_worker_loses_nothing_and_repeats_nothing_finished(
    address: str, tmp_path: Path
) -> None:
    killed: list[int] = []

    def on_task() -> None:
        if not killed:
            still = dict(begun(tmp_path))
            for number in ended(tmp_path):
                still.pop(number)
            killed.append(min(still))
            os.kill(still[killed[0]], signal.SIGKILL)
            (tmp_path / "gate").touch()

    def bench(**more: Any) -> Workbench:
        return Workbench(tmp_path / "kept", "code", OnRay(address), **more)

    orders = [{"number": number, "folder": str(tmp_path)} for number in range(5)]
    given = {"base": Made({}, {"numbers": np.arange(3)})}
    made = bench(progress=Progress(on_task=on_task)).do_all("squares", square, orders, given)
    assert [one.figures["number"] for one in made] == [0, 1, 2, 3, 4]
    assert [one.arrays["square"].tolist() for one in made] == [
        [0, n**2, 2 * n**2] for n in range(5)
    ]
    assert Counter(number for number, _ in begun(tmp_path)) == Counter([*range(5), *killed])
    assert sorted(ended(tmp_path)) == [0, 1, 2, 3, 4]
    again = bench().do_all("squares", square, orders, given)
    assert len(begun(tmp_path)) == 6
    assert [one.figures for one in again] == [one.figures for one in made]


def test_what_a_task_raises_there_is_raised_here(address: str, tmp_path: Path) -> None:
    bench = Workbench(tmp_path, "code", OnRay(address))
    with pytest.raises(UnreadableSource) as caught:
        bench.do_all("stumbles", stumbles, [{"number": 1}, {"number": 1}])
    assert str(caught.value) == str(UnreadableSource("Picture 1 is no picture.", "Leave it out."))
    assert not list(tmp_path.glob("*.npz"))


def test_no_cluster_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no Ray cluster at"):
        Workbench(tmp_path, "code", OnRay("127.0.0.1:1")).do_all(
            "squares", square, [{"number": 1}, {"number": 2}], {}
        )


def test_a_task_that_always_loses_its_worker_is_given_up(address: str, tmp_path: Path) -> None:
    work = Workbench(tmp_path, "code", OnRay(address, more_tries=1)).do_all
    with pytest.raises(SourceError, match="gave a task up") as caught:
        work("dies", dies, [{"number": number, "folder": str(tmp_path)} for number in (0, 1)])
    assert "\n" not in str(caught.value)
    assert len(begun(tmp_path)) == 2
    assert len(list(tmp_path.glob("dies-*.npz"))) == 1
