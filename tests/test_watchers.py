from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camfilter.sinks.watchers import (
    EventWatchers,
    FakeWatchers,
    OpenFileWatchers,
    Steady,
    UnknownWatchers,
    watchers_of,
)
from sinks_support import names_in

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def seen_by(watchers: FakeWatchers, numbers: list[int | None]) -> list[bool]:
    """What is believed when so many watch, second after second."""
    believed = []
    for second, number in enumerate(numbers):
        watchers.number = number
        believed.append(watchers.watched(float(second)))
    return believed


def test_it_counts_as_watched_until_the_opposite_has_lasted() -> None:
    assert seen_by(FakeWatchers(), [0] * 6) == [True, True, True, False, False, False]


def test_a_watcher_is_believed_after_two_seconds() -> None:
    believed = seen_by(FakeWatchers(), [0] * 5 + [1] * 4)
    assert believed[4:] == [False, False, False, True, True]


def test_a_program_that_only_looks_in_changes_nothing() -> None:
    assert not any(seen_by(FakeWatchers(), [0] * 4 + [1, 1, 0, 1, 2, 0, 0, 1, 0])[4:])


def test_more_or_fewer_watchers_are_no_change() -> None:
    assert all(seen_by(FakeWatchers(), [1, 2, 1, 5, 1, 1, 3]))


def test_where_nobody_knows_it_is_watched() -> None:
    assert all(seen_by(FakeWatchers(None), [None] * 10))
    assert seen_by(FakeWatchers(), [0] * 5 + [None])[-1]


@given(st.lists(st.booleans(), max_size=60))
def test_a_belief_changes_only_when_what_is_seen_has_lasted(watching: list[bool]) -> None:
    believed = seen_by(FakeWatchers(), [int(one) for one in watching])
    for second in range(1, len(believed)):
        if believed[second] != believed[second - 1]:
            lasted = 2 if believed[second] else 3
            assert set(watching[second - lasted : second + 1]) == {believed[second]}


def test_the_system_is_asked_once_a_second_at_most() -> None:
    asked = []

    def count() -> int:
        asked.append(True)
        return 0

    steady = Steady(count)
    for tick in range(100):
        steady.watched(tick / 30)
    assert len(asked) == 4


def test_a_belief_comes_even_between_two_questions() -> None:
    steady = Steady(lambda: 0, ask_every_s=10.0)
    assert steady.watched(0.0)
    assert not steady.watched(3.0)


def holder(path: Path) -> subprocess.Popen[bytes]:
    """Another process that has the file open."""
    code = "import sys; f = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    return process


@linux_only
def test_other_processes_that_hold_the_file_are_counted(tmp_path: Path) -> None:
    node, link = tmp_path / "video10", tmp_path / "by-name"
    node.touch()
    link.symlink_to(node)
    watchers = OpenFileWatchers(str(link))
    with node.open():  # our own does not count
        assert watchers.count() == 0
        with holder(node) as one, holder(node) as two:
            assert watchers.count() == 2
            two.communicate(b"")
            assert watchers.count() == 1
            one.communicate(b"")
        assert watchers.count() == 0


@linux_only
def test_processes_that_may_not_be_looked_into_are_passed_over(tmp_path: Path) -> None:
    for name in ("1", "2", "3", "self", "cpuinfo"):
        (tmp_path / name).mkdir()
    (tmp_path / "2" / "fd").mkdir()
    (tmp_path / "2" / "fd" / "7").symlink_to("/dev/video10")
    (tmp_path / "2" / "fd" / "8").symlink_to("/dev/video10")
    (tmp_path / "3" / "fd").touch()
    assert OpenFileWatchers("/dev/video10", processes=tmp_path, own=1).count() == 1


def test_without_a_list_of_processes_it_cannot_be_known(tmp_path: Path) -> None:
    watchers = OpenFileWatchers("/dev/video10", processes=tmp_path / "proc")
    assert watchers.count() is None
    assert all(watchers.watched(float(second)) for second in range(9))
    assert OpenFileWatchers("/dev/video10", processes=tmp_path, own=1).count() is None


@pytest.mark.parametrize("node", ["/dev/null", "/nowhere"])
def test_what_tells_no_events_tells_nothing(node: str) -> None:
    watchers = EventWatchers(node)
    assert watchers.count() is None
    assert watchers.watched(9.0)


@pytest.mark.parametrize("device", ["OBS Virtual Camera", "/dev/null", "/dev/nowhere"])
def test_a_device_without_the_driver_is_always_watched(device: str) -> None:
    watchers = watchers_of(device)
    assert isinstance(watchers, UnknownWatchers)
    assert watchers.count() is None
    assert watchers.watched(0.0)


@linux_only
def test_looking_leaves_nothing_open() -> None:
    watchers = OpenFileWatchers("/dev/null")
    before = names_in(Path("/proc/self/fd"))
    for _ in range(5):
        watchers.count()
        EventWatchers("/dev/null").count()
    assert names_in(Path("/proc/self/fd")) == before
