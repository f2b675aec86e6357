"""Each fault alone, some in pairs, some random schedules; `scripts/inject_faults.py` runs them all.

A warning of numpy's is no error here: in the running program it is none, either.
"""

from __future__ import annotations

import random
from functools import partial
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camfilter.guard import Guard
from reliability.faults import Fault
from reliability.runs import (
    HEAL_S,
    Named,
    Outcome,
    all_faults,
    all_pairs,
    random_schedule,
    silent_faults,
    with_faults,
)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

_CHAININGS: Final = ("over-time", "per-frame")
_SINGLE: Final = [*all_faults(), *silent_faults()]
_PAIRS: Final = random.Random(6).sample(list(all_pairs()), 20)


def name_of(named: Named) -> str:
    seam, fault = named
    return f"{seam}: {fault.name}"


def assert_kept(outcome: Outcome) -> None:
    assert outcome.broken == []
    assert outcome.heal_s <= HEAL_S
    assert outcome.looked_at["protected"]


@pytest.mark.parametrize("named", _SINGLE, ids=name_of)
def test_one_fault_leaks_nothing_and_heals(named: Named) -> None:
    number = _SINGLE.index(named)
    outcome = with_faults(named, seed=number, ticks=18, chaining=_CHAININGS[number % 2])
    assert_kept(outcome)
    assert outcome.struck, f"{name_of(named)} never took effect"


@pytest.mark.parametrize("pair", _PAIRS, ids=lambda p: f"{name_of(p[0])} + {name_of(p[1])}")
def test_two_faults_leak_nothing_and_heal(pair: tuple[Named, Named]) -> None:
    assert_kept(with_faults(*pair, ticks=18))


@pytest.mark.parametrize("seed", range(8))
def test_a_random_schedule_leaks_nothing_and_heals(seed: int) -> None:
    outcome = random_schedule(seed, steps=300)
    assert outcome.broken == []
    assert outcome.heal_s <= HEAL_S
    assert sum(outcome.looked_at.values()) > 30


@settings(
    derandomize=True,
    deadline=None,
    max_examples=10,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.randoms(use_true_random=False), st.integers(0, 99))
def test_no_schedule_that_hypothesis_draws_leaks(dice: random.Random, seed: int) -> None:
    outcome = random_schedule(seed, steps=60, dice=dice)
    assert outcome.broken == []
    assert outcome.heal_s <= HEAL_S


# Proof that the tests above can fail: with one of the guard's proofs taken away they do.


def fault(seam: str, name: str) -> Named:
    (found,) = (
        named
        for named in [*all_faults(), *silent_faults()]
        if (named[0], named[1].name) == (seam, name)
    )
    return found


def blind(*_arguments: object) -> int:
    return 0


PLANTED = {
    "no proof of a change": (
        "camfilter.guard.greatest_change", blind, fault("around", "a copy of it"),
    ),
    "no limit on the change": (
        "camfilter.guard.greatest_change", blind, fault("filter", "too much"),
    ),
    "the filter's memory is kept": (
        "camfilter.guard.own_copy",
        lambda _raw, pixels: pixels,
        fault("around", "a buffer that is written to later"),
    ),
    "earlier frames are forgotten": (
        "camfilter.proof.EarlierFrames.refuse_again",
        blind,
        fault("around", "an earlier raw frame"),
    ),
    "faces that vanish are not missed": (
        "camfilter.proof.SeenFaces.refuse_missing",
        blind,
        fault("around", "a copy of the raw frame, and no face"),
    ),
    "lost faces are let go": (
        "camfilter.faces.hold.HeldFaces._still_there",
        lambda *_: None,
        fault("faces", "no face"),
    ),
    "the filter is believed about its budget": (
        "camfilter.protector.Protector._allowed_levels",
        lambda _self: 255,
        fault("filter", "a lie about the budget"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("target", "defect", "named"), PLANTED.values(), ids=PLANTED)
def test_a_planted_defect_of_the_guard_is_found(
    monkeypatch: pytest.MonkeyPatch, target: str, defect: object, named: Named
) -> None:
    monkeypatch.setattr(target, defect)
    if "_still_there" in target:  # the guard would stand in for it
        monkeypatch.setattr("camfilter.proof.SeenFaces.refuse_missing", blind)
    assert with_faults(named, seed=2, chaining="per-frame").broken


def test_a_picture_that_is_held_for_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    patient = partial(Guard, fresh_s=1.0, hold_s=3.0)
    monkeypatch.setattr("camfilter.app.controller.Guard", patient)
    assert with_faults(fault("chain", "dead session")).broken


def test_a_state_that_is_not_true_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "camfilter.app.controller.Controller._seen", lambda *_: ("protected", "all is well")
    )
    assert with_faults(fault("chain", "dead session")).broken


def test_a_fault_that_never_heals_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camfilter.protector.Protector._fail", lambda *_: None)
    outcome = with_faults(fault("chain", "dead session"), chaining="per-frame")
    assert outcome.heal_s > HEAL_S


def test_a_fault_has_a_name_of_its_own_at_its_seam() -> None:
    names = [name_of(named) for named in [*all_faults(), *silent_faults()]]
    assert all(isinstance(named[1], Fault) for named in all_faults())
    doubled = {name for name in names if names.count(name) > 1}
    assert doubled == set()
