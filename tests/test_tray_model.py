from __future__ import annotations

import pytest

from camfilter.surrogate.reading import Reading
from camfilter.tray.model import STATES, view_of
from tray_support import status


@pytest.mark.parametrize(
    ("state", "headline", "detail"),
    [
        ("protected", "Protected", "The far end sees the protected picture."),
        ("holding", "Holding the last picture", "The far end sees the last protected picture."),
        ("placeholder", "Showing a card", "The far end sees a card, not you."),
        ("off", "Protection is off", "The far end sees your real face."),
    ],
)
def test_each_state_has_words_of_its_own(state: str, headline: str, detail: str) -> None:
    view = view_of(status(state=state))
    assert (view.state, view.headline, view.detail) == (state, headline, detail)
    assert view.tooltip == f"camfilter: {headline}. {detail}"
    assert state in STATES


def test_the_reason_is_shown_where_there_is_one() -> None:
    assert view_of(status(state="holding", reason="No new picture.")).detail == "No new picture."


def test_a_run_that_ended_is_an_error_and_offers_another_try() -> None:
    view = view_of(status(), "There is no camera 0.")
    assert (view.state, view.detail, view.failed) == ("error", "There is no camera 0.", True)


def test_a_sink_that_is_away_is_an_error_that_may_mend_itself() -> None:
    view = view_of(status(sink_fault="The virtual camera is gone."))
    assert (view.state, view.detail) == ("error", "The virtual camera is gone.")
    assert not view.failed


def test_a_state_that_nobody_knows_is_an_error() -> None:
    assert view_of(status(state="dancing")).state == "error"


def test_the_tooltip_is_short() -> None:
    assert len(view_of(status(), "so long " * 100).tooltip) <= 120


@pytest.mark.parametrize(
    ("epsilon", "level", "text", "exact"),
    [
        ("6/255", 6, "6 levels", True),
        ("1/255", 1, "1 level", True),
        ("0.02", 5, "5.1 levels", False),
        ("64/255", 16, "64 levels", False),
        ("0.001", 1, "0.3 levels", False),
    ],
)
def test_epsilon_is_shown_as_it_is_though_the_slider_has_16_places(
    epsilon: str, level: int, text: str, exact: bool
) -> None:
    view = view_of(status({"epsilon": epsilon}))
    assert (view.epsilon_level, view.epsilon_text, view.epsilon_exact) == (level, text, exact)


def test_without_projection_epsilon_counts_for_each_stage() -> None:
    assert view_of(status({"projection": "none"})).epsilon_text == "6 levels each"


@pytest.mark.parametrize(
    ("length", "place", "text", "exact"),
    [(1, 1, "1 stage", True), (10, 10, "10 stages", True), (120, 50, "120 stages", False)],
)
def test_chain_length_is_shown_as_it_is(length: int, place: int, text: str, exact: bool) -> None:
    view = view_of(status({"chain_length": length}))
    assert (view.stages, view.stages_text, view.stages_exact) == (place, text, exact)


def test_a_schedule_of_targets_shows_its_last_one_as_chosen() -> None:
    view = view_of(status({"targets": "happiness,neutral"}))
    assert (view.mode, view.target) == ("targeted", "neutral")
    assert view.target_text == "happiness, then neutral"


def test_figures_in_words() -> None:
    told = status(held_out_after=Reading("sadness", 0.62, 1.6), verdict="Protected.")
    figures = {figure.name: figure.value for figure in view_of(told).figures}
    assert figures == {
        "Frames a second": "30",
        "Time for a frame": "8.4 ms",
        "Runs on": "CPU",
        "Without the filter": "happiness 93%",
        "Surrogates read": "neutral 41%",
        "Another reads": "sadness 62%",
        "Entropy": "2.41 of 3 bits (was 0.40)",
        "Verdict": "Protected.",
        "Sent to": "virtual camera /dev/video10",
    }


@pytest.mark.parametrize("state", ["off", "placeholder"])
def test_readings_of_earlier_frames_are_not_shown_as_if_they_held_now(state: str) -> None:
    told = status(state=state, held_out_after=Reading("sadness", 0.62, 1.6), verdict="Protected.")
    figures = {figure.name: figure.value for figure in view_of(told).figures}
    read = ("Surrogates read", "Another reads", "Entropy", "Verdict")
    assert {figures[name] for name in read} == {"\N{EM DASH}"}


def test_a_fault_in_the_config_file_is_a_warning() -> None:
    assert view_of(status(config_fault="config.toml, line 3: no.")).warning.endswith("line 3: no.")
