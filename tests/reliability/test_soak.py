"""A short soak; `scripts/soak.py` soaks for two hours of stream time."""

from __future__ import annotations

from pathlib import Path

import pytest

from reliability.soak import Measured, Soak


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return Soak(tmp_path_factory.mktemp("soak"), minutes=1.5, rate_hz=6, parts=3).run()


def test_everything_happened(soaked: Measured) -> None:
    named = {"camera lost", "session died", "sink failed", "another size"}
    assert all(soaked.happened[name] == 15 for name in named)
    assert soaked.happened["toggle"] == soaked.happened["config edited"] == 30
    assert soaked.happened["surrogate opened"] >= 3 + 6
    assert {"protected", "holding", "placeholder"} <= set(soaked.states)


def test_nothing_leaked(soaked: Measured) -> None:
    assert soaked.leaks == []


def test_no_thread_and_no_file_more(soaked: Measured) -> None:
    assert soaked.growth(soaked.threads) <= 0
    assert soaked.growth(soaked.files) <= 0


def test_memory_does_not_grow_with_each_session(soaked: Measured) -> None:
    """Before filters were let go of, each of those runs took 40 MB more."""
    later = soaked.memory_mb[len(soaked.memory_mb) // 2 :]
    assert later[-1] - later[0] < 40


def test_a_leak_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camfilter.guard.greatest_change", lambda *_: 0)
    monkeypatch.setattr("camfilter.filter.compose", lambda pixels, *_: pixels.copy())
    found = Soak(tmp_path, minutes=0.2, rate_hz=6, parts=1).run()
    assert any("bare" in leak for leak in found.leaks)


def test_growth_would_be_seen() -> None:
    grown = Measured(memory_mb=[100.0 + i for i in range(60)], threads=[5] * 45 + [6] * 15)
    assert grown.stray() > 0.05
    assert grown.growth(grown.threads) == 1
    assert grown.p99([1.0] * 75 + [2.0] * 25) == (1.0, 2.0)
