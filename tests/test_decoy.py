"""What a stage aims at."""

from __future__ import annotations

import numpy as np
import pytest

from camfilter.decoy import DECOYS, Decoys, goal, is_turned
from camfilter.expressions import EXPRESSIONS
from camfilter.settings import ChainSettings, Mode


def beliefs(*names: str) -> np.ndarray:
    """What some surrogates give a clean face, each another expression."""
    probabilities = np.full((len(names), 8), 0.05, np.float32)
    for surrogate, name in enumerate(names):
        probabilities[surrogate, EXPRESSIONS.index(name)] = 0.65
    return probabilities


def decoys(seed: int = 0) -> Decoys:
    return Decoys(np.random.default_rng(seed))


def aim(name: str, which: Decoys, stage: int = 0, **values: object) -> np.ndarray:
    return goal(ChainSettings.of(values), beliefs(name), 0, which, stage)


@pytest.mark.parametrize("truth", EXPRESSIONS)
@pytest.mark.parametrize("seed", range(4))
def test_the_decoy_is_never_the_truth(truth: str, seed: int) -> None:
    label = aim(truth, decoys(seed))
    assert label.sum() == 0
    assert label[EXPRESSIONS.index(truth)] == -1
    wanted = EXPRESSIONS[int(label.argmax())]
    assert wanted in DECOYS
    assert wanted != truth


def test_the_decoy_stays_until_the_truth_becomes_it_and_does_not_come_back() -> None:
    which = decoys()
    first = int(aim("happiness", which).argmax())
    assert int(aim("neutral", which).argmax()) == first
    other = int(aim(EXPRESSIONS[first], which).argmax())
    assert other != first
    assert int(aim("happiness", which).argmax()) == other


@pytest.mark.parametrize("seed", range(4))
def test_a_decoy_that_one_surrogate_reads_already_is_none(seed: int) -> None:
    which = decoys(seed)
    for names in (("fear", "sadness"), ("sadness", "sadness", "disgust")):
        assert EXPRESSIONS[which.away_from(beliefs(*names))] == "anger"
    assert EXPRESSIONS[which.away_from(beliefs("happiness", "anger"))] == "sadness"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("share", "wanted"), [(0.8, "anger"), (0.6, "sadness")])
def test_what_a_surrogate_reads_nearly_is_no_decoy(share: float, wanted: str, seed: int) -> None:
    which = decoys(seed)
    read = beliefs("anger", "happiness") if wanted == "sadness" else beliefs("happiness", "neutral")
    read[1, EXPRESSIONS.index("sadness")] = 0.65 * share
    assert EXPRESSIONS[which.away_from(read)] == wanted


@pytest.mark.parametrize(("share", "truths"), [(0.6, 2), (0.4, 1)])
def test_who_cannot_tell_two_apart_leaves_both(share: float, truths: int) -> None:
    read = beliefs("happiness")
    read[0, EXPRESSIONS.index("surprise")] = 0.65 * share
    label = goal(ChainSettings(), read, 0, decoys(), 0)
    assert np.count_nonzero(label < 0) == truths
    assert label[label < 0].sum() == -1
    assert label.max() == 1


def test_the_decoy_is_not_left_where_it_is_the_second_choice() -> None:
    read = beliefs("sadness", "sadness", "anger", "neutral")  # nothing is left
    read[3, EXPRESSIONS.index("anger")] = 0.6
    label = goal(ChainSettings(), read, 3, decoys(), 0)
    assert label[EXPRESSIONS.index("anger")] == 1
    assert label[EXPRESSIONS.index("neutral")] == -1


@pytest.mark.parametrize("seed", range(4))
def test_a_face_that_is_read_as_either_becomes_neutral(seed: int) -> None:
    assert EXPRESSIONS[decoys(seed).away_from(beliefs("sadness", "anger"))] == "neutral"


def test_what_nothing_is_left_for_still_has_a_decoy() -> None:
    taken = decoys().away_from(beliefs("sadness", "anger", "neutral"))
    assert EXPRESSIONS[taken] in DECOYS


def heard(which: Decoys, *unmoved: bool, stages: int = 12) -> int | None:
    """The decoy after each of some surrogates read the truth for some stages, or did not."""
    for _ in range(stages):
        for surrogate, read in enumerate(unmoved):
            which.hear(surrogate, truth_is_read=read)
    return which.away_from(beliefs("happiness"))


def test_a_decoy_that_moves_most_surrogates_stays() -> None:
    which = decoys()
    first = which.away_from(beliefs("happiness"))
    assert heard(which, False, False, False, True, stages=50) == first


def test_what_leaves_two_of_five_unmoved_gives_way() -> None:
    which = decoys()
    first = which.away_from(beliefs("happiness"))
    assert heard(which, True, True, False, False, False, stages=50) != first


def test_who_reads_the_truth_once_in_four_stages_is_moved() -> None:
    which = decoys()
    first = which.away_from(beliefs("happiness"))
    for _ in range(20):
        assert heard(which, *[False] * 4, stages=3) == first
        assert heard(which, *[True] * 4, stages=1) == first


BAD, FAIR = (True, True, True, False), (True, True, False, False)
"""What leaves three of four surrogates unmoved, and what leaves half of them."""

GOOD = (True, False, False, False)
"""What leaves a quarter of them."""


def tried(which: Decoys, *unmoved: bool) -> int | None:
    """What a face is given after something was tried for so long that it may give way."""
    return heard(which, *unmoved, stages=24 // len(unmoved))


def test_what_moves_few_gives_way_and_the_best_stays() -> None:
    for best, outcomes in enumerate(((FAIR, BAD, BAD), (BAD, FAIR, BAD), (BAD, BAD, FAIR))):
        which = decoys()
        held = [which.away_from(beliefs("happiness"))]
        held += [tried(which, *outcome) for outcome in outcomes]
        assert set(held[:2]) == {EXPRESSIONS.index(name) for name in DECOYS}
        assert held[2] is None, "after both decoys the truth is only left"
        assert held[3] == held[best]
        assert heard(which, *FAIR, stages=50) == held[best]


def test_a_decoy_that_moves_enough_ends_the_search() -> None:
    which = decoys()
    second = tried(which, *BAD)
    assert heard(which, *GOOD, stages=50) == second


def test_a_decoy_is_judged_by_what_it_gives_once_the_texture_is_its_own() -> None:
    which = decoys()
    first = which.away_from(beliefs("happiness"))
    heard(which, *BAD, stages=2)
    assert heard(which, *GOOD, stages=50) == first


def test_a_new_faces_first_stages_are_not_enough_to_give_a_decoy_up() -> None:
    which = decoys()
    first = which.away_from(beliefs("happiness"))
    assert heard(which, *BAD, stages=5) == first
    assert heard(which, *BAD, stages=1) != first


def test_what_was_hardly_better_does_not_come_back() -> None:
    """Each change begins with a momentum of its own, and is seen."""
    which = decoys()
    first = which.away_from(beliefs("happiness"))

    def unmoved(count: int) -> list[bool]:
        return [surrogate < count for surrogate in range(12)]

    heard(which, *unmoved(6), stages=2)
    assert heard(which, *unmoved(10), stages=2) is None
    assert heard(which, *unmoved(7), stages=20) is None
    assert heard(which, *unmoved(9), stages=20) == first


@pytest.mark.parametrize(("share", "free"), [(0.1, True), (0.25, False)])
def test_what_all_surrogates_half_believe_is_no_decoy_where_the_other_is_free(
    share: float, free: bool
) -> None:
    read = beliefs("happiness", "happiness")
    read[:, EXPRESSIONS.index("sadness")] = share
    drawn = {EXPRESSIONS[decoys(seed).away_from(read)] for seed in range(20)}
    assert drawn == (set(DECOYS) if free else {"anger"})


def test_a_decoy_that_comes_out_of_reach_later_gives_way_too() -> None:
    which = decoys()
    first = which.away_from(beliefs("happiness"))
    assert heard(which, *GOOD, stages=200) == first
    assert heard(which, *BAD, stages=20) != first


def test_one_that_failed_comes_back_when_the_others_do_worse() -> None:
    which = decoys()
    first = which.away_from(beliefs("happiness"))
    for _ in range(2):
        assert tried(which, *FAIR) != first
    assert heard(which, *GOOD, stages=100) is None
    assert heard(which, True, True, True, True, stages=20) == first


def test_a_face_that_can_have_neither_may_be_given_none() -> None:
    which = decoys()
    both = beliefs("sadness", "anger")
    assert EXPRESSIONS[which.away_from(both)] == "neutral"
    tried(which, *BAD)
    assert which.away_from(both) is None


def test_a_decoy_found_by_trying_is_left_where_the_face_comes_to_show_it() -> None:
    which = decoys()
    second = tried(which, *BAD)
    assert second is not None
    first = next(EXPRESSIONS.index(n) for n in DECOYS if EXPRESSIONS.index(n) != second)
    assert which.away_from(beliefs(EXPRESSIONS[second])) == first


def test_without_a_decoy_each_surrogate_leaves_what_it_reads_itself() -> None:
    settings = ChainSettings()
    read = beliefs("fear", "happiness")
    for surrogate, truth in enumerate(("fear", "happiness")):
        label = goal(settings, read, surrogate, None, 0)
        assert label[EXPRESSIONS.index(truth)] == -1
        assert np.count_nonzero(label) == 1


def test_faces_do_not_share_a_decoy_by_rule() -> None:
    chosen = {int(aim("happiness", decoys(seed)).argmax()) for seed in range(20)}
    assert chosen == {EXPRESSIONS.index(name) for name in DECOYS}


def test_the_other_modes_aim_at_what_they_say() -> None:
    assert aim("anger", decoys(), mode="neutral").argmax() == 0
    assert np.allclose(aim("anger", decoys(), mode="hide"), 1 / 8)
    least = aim("anger", decoys(), mode="targeted", targets="least-likely")
    assert least.argmax() == 0
    assert least.sum() == 1


def test_a_schedule_ends_with_its_last_target_and_stays_there() -> None:
    values = {"mode": "targeted", "targets": "happiness,fear", "chain_length": 4}
    seen = [
        EXPRESSIONS[int(aim("anger", decoys(), stage, **values).argmax())] for stage in range(9)
    ]
    assert seen == ["happiness"] * 2 + ["fear"] * 7


@pytest.mark.parametrize(
    ("mode", "logits", "turned"),
    [
        (Mode.UNTARGETED, {"happiness": 1.0, "anger": 4.0}, True),
        (Mode.UNTARGETED, {"happiness": 1.0, "anger": 2.0}, False),
        (Mode.UNTARGETED, {"happiness": 1.0, "anger": 2.75}, False),
        (Mode.UNTARGETED, {"happiness": 4.0, "anger": 1.0}, False),
        (Mode.UNTARGETED, {"happiness": 1.0, "fear": 4.0}, True),
        (Mode.TARGETED, {"happiness": 1.0, "anger": 4.0}, True),
        (Mode.TARGETED, {"happiness": 1.0, "fear": 4.0}, False),
        (Mode.NEUTRAL, {"anger": 3.0, "happiness": 2.0}, False),
        (Mode.HIDE, {"anger": 0.5}, True),
        (Mode.HIDE, {"anger": 1.5}, False),
        (Mode.HIDE, {"anger": 3.0}, False),
    ],
)
def test_a_surrogate_is_turned_once_it_reads_what_it_shall_for_sure(
    mode: Mode, logits: dict[str, float], turned: bool
) -> None:
    answer = np.array([logits.get(name, 0.0) for name in EXPRESSIONS], np.float32)
    truth, aim = EXPRESSIONS.index("happiness"), EXPRESSIONS.index("anger")
    assert is_turned(mode, answer, truth, aim) is turned
