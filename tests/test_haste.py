from __future__ import annotations

import pytest

from camfilter.haste import Haste


def test_without_a_new_expression_there_is_no_haste() -> None:
    assert Haste(24).stages(0, need=1.0) == 0
    assert Haste(24).begun_at_stage == 0
    assert not Haste(24).goes_on(0)


def test_haste_is_greater_the_fewer_are_turned() -> None:
    haste = Haste(24)
    haste.begin(100)
    assert [haste.stages(100, need) for need in (0.0, 0.1, 0.25, 0.5, 0.7, 1.0)] == [
        0, 0, 1, 2, 3, 3,
    ]  # fmt: skip
    assert haste.begun_at_stage == 100


def test_it_ends_after_so_many_stages() -> None:
    haste = Haste(24)
    haste.begin(100)
    assert haste.stages(123, 1.0) == 3
    assert haste.goes_on(123)
    assert haste.stages(124, 1.0) == 0
    assert not haste.goes_on(124)


def spent(haste: Haste, frames: range, stage: int, pace: float = 1) -> int:
    """What a face takes whose expression is another one in every frame."""
    total = 0
    for frame in frames:
        haste.begin(stage + total)
        stages = haste.stages(stage + total, need=1.0)
        haste.spend(stages, frame, pace)
        total += stages
    return total


def test_a_face_that_never_rests_takes_what_it_saves_and_no_more() -> None:
    haste = Haste(24)
    first = spent(haste, range(30), 50)
    assert 24 <= first <= 24 + 30 * 24 / 60
    later = spent(haste, range(30, 630), 200)
    assert 230 <= later <= 600 * 24 / 60 + 1


def test_savings_fill_up_within_two_seconds_and_no_further() -> None:
    haste = Haste(24)
    spent(haste, range(10), 0)
    haste.spend(0, 70, 1)
    assert spent(haste, range(70, 78), 0) == 24
    haste.spend(0, 10_000, 1)
    assert spent(haste, range(10_000, 10_008), 0) == 24


def test_who_is_short_of_time_saves_up_more_slowly() -> None:
    haste = Haste(24)
    assert spent(haste, range(8), 0, pace=0.25) == 24
    assert spent(haste, range(8, 608), 0, pace=0.25) == pytest.approx(0.25 * 600 * 24 / 60, abs=2)
