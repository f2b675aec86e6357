from __future__ import annotations

import pytest

from camfilter.app.settings import AppSettings
from camfilter.tray.actions import Actions
from camfilter.tray.engine import Engine
from camfilter.tray.question import TURN_OFF, Question
from tray_support import Answers, Loop, Scripted


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def actions(answers: Answers) -> Actions:
    return Actions(Engine(AppSettings(), Scripted), answers)


def settings(actions: Actions) -> AppSettings:
    return actions.engine.controller.settings


def test_turning_off_while_somebody_may_watch_asks_first(
    actions: Actions, answers: Answers
) -> None:
    actions.switch(False)
    assert answers.asked == [TURN_OFF]
    assert settings(actions).on
    answers.yes = True
    actions.toggle()
    assert not settings(actions).on


def test_turning_off_unwatched_or_on_does_not_ask(actions: Actions, answers: Answers) -> None:
    controller = actions.engine.controller
    assert isinstance(controller, Scripted)
    controller.said = {"watched": False}
    actions.switch(False)
    assert not settings(actions).on
    controller.said = {"watched": True}
    actions.switch(False)
    actions.toggle()
    assert settings(actions).on
    assert not answers.asked


def test_one_question_at_a_time(actions: Actions) -> None:
    class Impatient(Answers):
        def ask(self, question: Question) -> bool:
            super().ask(question)
            actions.switch(False)
            return False

    impatient = Impatient()
    actions._questioner = impatient
    actions.switch(False)
    assert len(impatient.asked) == 1
    assert settings(actions).on


def test_each_wish_reaches_the_controller(actions: Actions) -> None:
    actions.set_epsilon(12)
    actions.set_chain_length(25)
    actions.set_mode("hide")
    actions.set_camera("HD Webcam")
    now = settings(actions)
    assert (now.budget_levels, now.chain_length, now.mode) == (12, 25, "hide")
    assert now.source == "HD Webcam"


def test_mode_targeted_takes_the_target_that_was_last_chosen(actions: Actions) -> None:
    actions.set_mode("targeted")
    assert settings(actions).targets == ("happiness",)
    actions.set_target("sadness")
    actions.set_mode("neutral")
    assert settings(actions).targets == ()
    actions.set_mode("targeted")
    assert settings(actions).targets == ("sadness",)


def test_what_is_refused_is_said_in_one_line_and_forgotten_after_the_next_wish(
    actions: Actions,
) -> None:
    shown: list[str] = []
    actions.done = lambda: shown.append(actions.notice)
    actions.set_chain_length(0)
    actions.set_chain_length(5)
    assert shown[0].startswith("Chain length 0 cannot be used")
    assert "\n" not in shown[0]
    assert shown[1] == ""
    assert settings(actions).chain_length == 5


def test_controls_are_brought_up_to_date_when_the_answer_is_no(actions: Actions) -> None:
    shown: list[bool] = []
    actions.done = lambda: shown.append(settings(actions).on)
    actions.switch(False)
    assert shown == [True]


def test_another_virtual_camera_starts_a_new_run_with_the_same_settings() -> None:
    loop = Loop("0")
    engine = Engine(AppSettings(epsilon="3/255"), loop.make)
    actions = Actions(engine, Answers())
    engine.start()
    actions.set_sink("virtual:/dev/video11")
    engine.close()
    assert len(loop.made) == 2
    assert engine.controller.settings.sink == "virtual:/dev/video11"
    assert engine.controller.settings.budget_levels == 3
    actions.set_sink("virtual:/dev/video11")
    assert len(loop.made) == 2


def test_the_preview_is_switched_only_when_it_changes(actions: Actions) -> None:
    actions.show_preview(True)
    assert settings(actions).preview
    before = settings(actions)
    actions.show_preview(True)
    assert settings(actions) is before
    actions.show_preview(False)
    assert not settings(actions).preview
