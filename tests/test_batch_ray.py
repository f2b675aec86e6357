"""A batch on a real cluster: two Ray nodes on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batch_support import frame_count, record
from camfilter.batch.on_ray import run_on_ray
from camfilter.batch.tasks import plan
from camfilter.batch.work import Outcome
from camfilter.settings import ChainSettings
from camfilter.surrogate.provider import Provider

pytest.importorskip("ray", reason="Ray is not installed: pip install camfilter[ray]")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    cluster: Any = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()


def at_work() -> list[int]:
    """Process ids of workers that are at a recording now."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if words.startswith(b"ray::Worker.protect"):
            found.append(int(folder.name))
    return found


@pytest.mark.filterwarnings("ignore")
def test_a_killed_worker_loses_nothing_and_repeats_nothing_finished(
    address: str, tmp_path: Path
) -> None:
    recordings = [record(tmp_path / "first.mp4", 10)]
    recordings += [record(tmp_path / f"long{number}.mp4", 300) for number in range(2)]
    tasks = plan(recordings, tmp_path / "out", ".mp4")
    outcomes: list[Outcome] = []
    finished_ns: dict[Path, int] = {}
    killed: list[int] = []

    def on_done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        finished_ns[outcome.task.output] = outcome.task.output.stat().st_mtime_ns
        if not killed:
            victims = at_work()
            assert victims, "nobody is at work any more: the recordings are too short"
            killed.append(victims[0])
            os.kill(victims[0], signal.SIGKILL)

    run_on_ray(tasks, ChainSettings(chain_length=1), Provider.CPU, address, on_done)
    assert len(killed) == 1
    assert [outcome.error for outcome in outcomes] == ["", "", ""]
    assert sorted(o.task.source.stem for o in outcomes) == ["first", "long0", "long1"]
    assert {path: path.stat().st_mtime_ns for path in finished_ns} == finished_ns
    assert [frame_count(task.output) for task in tasks] == [10, 300, 300]
