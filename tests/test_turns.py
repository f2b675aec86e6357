from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from camfilter.turns import Turns


def taken(turns: Turns, stages: int, *unmoved: bool) -> Counter[int]:
    """How often each had its turn."""
    seen: Counter[int] = Counter()
    for _ in range(stages):
        surrogate = turns.take()
        seen[surrogate] += 1
        turns.hear(surrogate, turned=not unmoved[surrogate])
    return seen


def test_the_first_turns_go_to_each_once() -> None:
    assert taken(Turns(4), 4, True, True, True, True) == Counter(range(4))


def test_who_is_not_turned_comes_oftener_and_nobody_is_left_out() -> None:
    turns = Turns(4)
    taken(turns, 20, False, False, True, False)
    seen = taken(turns, 80, False, False, True, False)
    assert seen[2] > 40
    assert min(seen.values()) >= 9


def test_equal_needs_give_equal_turns() -> None:
    for unmoved in (True, False):
        seen = taken(Turns(3), 60, unmoved, unmoved, unmoved)
        assert max(seen.values()) - min(seen.values()) <= 2


def test_one_surrogate_takes_all() -> None:
    assert taken(Turns(1), 5, False) == {0: 5}


def test_the_need_falls_as_surrogates_are_turned_and_comes_back() -> None:
    turns = Turns(4)
    assert turns.need == 1
    taken(turns, 60, False, False, True, False)
    assert 0.2 < turns.need < 0.3
    taken(turns, 60, False, False, False, False)
    assert turns.need < 0.01
    taken(turns, 60, True, True, False, False)
    assert 0.4 < turns.need < 0.6


def test_a_surrogate_in_doubt_comes_oftener_again() -> None:
    turns = Turns(4)
    for surrogate in range(4):
        for _ in range(12):
            turns.hear(surrogate, turned=True)
    assert turns.need < 0.02
    turns.doubt(np.array([False, False, True, False]))
    assert turns.need == pytest.approx(0.25, abs=0.02)
    taken = [turns.take() for _ in range(20)]
    assert taken.count(2) > 2 * taken.count(0)
