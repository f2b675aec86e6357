from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from camfilter.errors import SettingError
from camfilter.expressions import EXPRESSIONS
from camfilter.settings import (
    LEAST_LIKELY,
    MAX_CHAIN_LENGTH,
    ChainSettings,
    Mode,
    Projection,
    parse_epsilon,
    parse_targets,
)


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("6/255", 6),
        (" 6 / 255 ", 6),
        ("0.0235", 0.0235 * 255),
        ("2.35e-2", 0.0235 * 255),
        (".5", 127.5),
        ("6 levels", 6),
        ("6levels", 6),
        ("6 Levels", 6),
        ("1 level", 1),
        ("0.5 level", 0.5),
        (6 / 255, 6),
        (1, 255),
        (0, 0),
    ],
)
def test_every_spelling_of_epsilon(text: object, levels: float) -> None:
    assert parse_epsilon(text) == pytest.approx(levels / 255, abs=1e-12)
    assert ChainSettings.of({"epsilon": text}).epsilon == pytest.approx(levels / 255, abs=1e-12)


BAD_SIZES = [
    "-1", "-6/255", "-1 level", "nan", "NaN", "inf", "-inf", "1e400", "2", "1.0001", "256 levels",
    "abc", "", " ", "/", "6/", "/255", "6/0", "0/0", "1/2/3", "levels", "6 levelss", "6%", "6,5",
    "0x10", "six", float("nan"), float("inf"), -0.1, None, True, [], {}, "6\n/2\n55x",
]  # fmt: skip


@pytest.mark.parametrize("value", BAD_SIZES, ids=repr)
@pytest.mark.parametrize("name", ["epsilon", "step"])
def test_a_size_that_cannot_be_used_is_refused_in_one_line(name: str, value: object) -> None:
    if name == "step" and value is None:
        pytest.skip("no step means: choose one")
    with pytest.raises(SettingError) as caught:
        ChainSettings.of({name: value})
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(name.capitalize())
    assert caught.value.hint


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        size = parse_epsilon(text)
    except SettingError as error:
        said = str(error)
        size = 0.0
    else:
        said = "a line"
    assert 0 <= size <= 1
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"chain_length": 0}, "Chain length 0"),
        ({"chain_length": -1}, "Chain length -1"),
        ({"chain_length": MAX_CHAIN_LENGTH + 1}, "Chain length 201"),
        ({"chain_length": 10_000}, "Chain length 10000"),
        ({"chain_length": 2.5}, "Chain length 2.5"),
        ({"chain_length": "ten"}, "Chain length 'ten'"),
        ({"mode": "shy"}, "untargeted"),
        ({"mode": None}, "Mode None"),
        ({"projection": "cube"}, "'ball' or 'none'"),
        ({"momentum": -0.1}, "Momentum -0.1"),
        ({"momentum": 1.1}, "Momentum 1.1"),
        ({"momentum": float("nan")}, "Momentum nan"),
        ({"mode": "targeted"}, "needs a target"),
        ({"mode": "targeted", "targets": ""}, "needs a target"),
        ({"mode": "targeted", "targets": "joy"}, "'joy'"),
        ({"mode": "targeted", "targets": "happiness,joy"}, "'joy'"),
        ({"mode": "targeted", "targets": 7}, "7"),
        ({"mode": "hide", "targets": "happiness"}, "Mode hide takes no target"),
        ({"mode": "neutral", "targets": "happiness"}, "Mode neutral takes no target"),
        ({"targets": "happiness"}, "Mode untargeted takes no target"),
        ({"colour": "red"}, "Colour"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(values: dict[str, object], named: str) -> None:
    with pytest.raises(SettingError) as caught:
        ChainSettings.of(values)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_first_and_last_chain_length_are_allowed() -> None:
    assert ChainSettings.of({"chain_length": 1}).chain_length == 1
    assert ChainSettings.of({"chain_length": "200"}).chain_length == MAX_CHAIN_LENGTH == 200


def test_targets_are_read_from_text_and_lists() -> None:
    assert parse_targets("happiness, Sadness ,neutral") == ("happiness", "sadness", "neutral")
    assert parse_targets(["Fear"]) == ("fear",)
    assert parse_targets(LEAST_LIKELY) == (LEAST_LIKELY,)
    assert parse_targets("") == ()
    for name in EXPRESSIONS:
        settings = ChainSettings.of({"mode": "targeted", "targets": name})
        assert settings.targets == (name,)


@pytest.mark.parametrize("step", ["0", "0.001/255", "0.009 levels"])
def test_steps_that_add_up_to_nothing_are_refused(step: str) -> None:
    with pytest.raises(SettingError, match="add up to nothing"):
        ChainSettings.of({"step": step})
    assert ChainSettings.of({"step": "0.01 levels"}).step == pytest.approx(0.01 / 255)


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError):
        ChainSettings().epsilon = 1.0  # type: ignore[misc]


def test_the_defaults() -> None:
    settings = ChainSettings()
    assert (settings.mode, settings.projection) == (Mode.UNTARGETED, Projection.BALL)
    assert (settings.chain_length, settings.momentum) == (10, 1.0)
    assert settings.budget_levels == 6
    assert settings.vanishes == ""


def test_the_plain_attack_takes_the_whole_epsilon_in_one_step() -> None:
    assert ChainSettings(chain_length=1).step_size == pytest.approx(6 / 255)
    assert ChainSettings(chain_length=2).step_size == pytest.approx(6 / 255)


def test_with_the_ball_a_step_is_two_and_a_half_nth_of_epsilon() -> None:
    settings = ChainSettings(chain_length=10)
    assert settings.step_size == pytest.approx(2.5 * 6 / 255 / 10)
    assert settings.budget == pytest.approx(6 / 255)


def test_without_projection_the_change_grows_with_the_chain() -> None:
    settings = ChainSettings.of({"projection": "none", "epsilon": "2 levels", "chain_length": 10})
    assert settings.step_size == pytest.approx(2 / 255)
    assert settings.budget == pytest.approx(20 / 255)
    assert settings.budget_levels == 20
    most = ChainSettings.of({"projection": "none", "epsilon": 0.1, "chain_length": 200})
    assert (most.budget, most.budget_levels) == (1.0, 255)


def test_a_step_of_its_own_bounds_the_budget() -> None:
    values = {"epsilon": "6 levels", "step": "1 level", "chaining": "per-frame"}
    short = ChainSettings.of({**values, "chain_length": 3})
    assert short.step_size == pytest.approx(1 / 255)
    assert short.budget_levels == 3
    long = ChainSettings.of({**values, "chain_length": 30})
    assert long.budget_levels == 6
    free = ChainSettings.of({**values, "chain_length": 30, "projection": "none"})
    assert free.budget_levels == 30


def test_over_time_small_steps_reach_the_whole_budget() -> None:
    values = {"epsilon": "6 levels", "step": "1 level", "chain_length": 3}
    assert ChainSettings.of(values).budget_levels == 6


def test_a_chain_without_projection_is_never_spread_over_time() -> None:
    assert ChainSettings().over_time
    assert not ChainSettings.of({"projection": "none"}).over_time
    assert not ChainSettings.of({"chaining": "per-frame"}).over_time


@pytest.mark.parametrize("levels", range(1, 256))
def test_whole_levels_are_a_budget_of_as_many(levels: int) -> None:
    values = {"epsilon": f"{levels}/255", "chain_length": 1}
    assert ChainSettings.of(values).budget_levels == levels


@pytest.mark.parametrize(
    ("epsilon", "chain_length", "projection", "levels"),
    [
        ("0.001", 1, "ball", 0),
        ("0.001", 1, "none", 0),
        ("0.001", 2, "none", 1),
        ("0.001", 10, "none", 3),
        ("0.001", 200, "ball", 0),
        ("0.0001", 19, "none", 0),
        ("0.0001", 20, "none", 1),
        ("0.5 levels", 1, "ball", 0),
        ("0.51 levels", 1, "ball", 1),
        ("0", 10, "ball", 0),
    ],
)
def test_a_change_that_8_bits_cannot_hold_is_told(
    epsilon: str, chain_length: int, projection: str, levels: int
) -> None:
    values = {"epsilon": epsilon, "chain_length": chain_length, "projection": projection}
    settings = ChainSettings.of(values)
    assert settings.budget_levels == levels
    assert bool(settings.vanishes) is (levels == 0)
    if levels == 0:
        assert "vanishes" in settings.vanishes
        assert "8 bits" in settings.vanishes
