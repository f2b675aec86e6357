from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.faces.placement import apart
from camfilter.frames import Pixels, Size
from camfilter.lab.evaluate.changes import (
    Change,
    changing_clip,
    pairs_of,
    since_change_s,
    to_and_fro,
)
from camfilter.lab.evaluate.motion import moving_clip
from camfilter.lab.evaluate.subjects import Subject

SIZE = Size(320, 180)
TIMES_S = np.arange(12) / 30
SHARES = Change(at_s=0.1, takes_s=0.1).shares(TIMES_S)


def subject(name: str, label: str | None) -> Subject:
    return Subject(name, Path(name), label=label)


PEOPLE = {
    "ann": [subject("a1", "neutral"), subject("a2", "neutral"), subject("a3", "happiness")],
    "bob": [subject("b1", "neutral"), subject("b2", "neutral")],
    "eve": [subject("e1", "anger"), subject("e2", "surprise"), subject("e3", "sadness")],
}


def test_a_pair_is_two_expressions_of_one_person() -> None:
    for seed in range(20):
        pairs = pairs_of(PEOPLE, 9, np.random.default_rng(seed))
        assert [before.name[0] + after.name[0] for before, after in pairs] == ["aa", "ee"]
        assert all(before.label != after.label for before, after in pairs)
        assert "a2" not in {one.name for pair in pairs for one in pair}


def test_pairs_are_no_more_than_asked_for_and_drawn_by_chance() -> None:
    drawn = {pairs_of(PEOPLE, 1, np.random.default_rng(seed))[0] for seed in range(40)}
    assert len({before.name[0] for before, _ in drawn}) == 2
    assert len(drawn) > 4
    assert pairs_of(PEOPLE, 0, np.random.default_rng(0)) == []


@pytest.fixture(scope="module")
def clip(astronaut: Pixels, hopper: Pixels, still_faces: MediaPipeFaces) -> list[Pixels]:
    stills = (astronaut, hopper[:512, :512])
    return changing_clip(stills, SIZE, TIMES_S, 5, still_faces, SHARES)


def test_until_the_change_it_is_a_moving_still(
    clip: list[Pixels], astronaut: Pixels, still_faces: MediaPipeFaces
) -> None:
    face = still_faces.find(astronaut)[0]
    plain = moving_clip(astronaut, face.box, SIZE, TIMES_S, np.random.default_rng(5))
    same = [np.array_equal(one, other) for one, other in zip(clip, plain, strict=True)]
    assert same == [True] * 4 + [False] * 8


def test_the_other_face_comes_where_the_first_one_was(
    clip: list[Pixels], astronaut: Pixels, still_faces: MediaPipeFaces
) -> None:
    face = still_faces.find(astronaut)[0]
    plain = moving_clip(astronaut, face.box, SIZE, TIMES_S, np.random.default_rng(5))
    (was,), (now,) = still_faces.find(plain[-1]), still_faces.find(clip[-1])
    assert apart(was, now) < 0.08


def test_without_a_face_there_is_no_clip(astronaut: Pixels, still_faces: MediaPipeFaces) -> None:
    blank = np.zeros_like(astronaut)
    for stills in ((astronaut, blank), (blank, astronaut)):
        assert changing_clip(stills, SIZE, TIMES_S, 5, still_faces, SHARES) == []


def test_time_counts_from_the_first_frame_that_shows_the_change() -> None:
    times_s = np.arange(9) / 10
    once = since_change_s(times_s, Change(at_s=0.25, takes_s=0.2).shares(times_s))
    assert once == pytest.approx([-1, -1, -1, 0, 0.1, 0.2, 0.3, 0.4, 0.5])
    twice = since_change_s(times_s, np.array([0, 0, 0.5, 1, 1, 1, 0.3, 0.1, 0.1]))
    assert twice == pytest.approx([-1, -1, 0, 0.1, 0.2, 0.3, 0, 0.1, 0.2])
    assert (since_change_s(times_s, np.zeros(9)) == -1).all()


def test_to_and_fro_an_expression_comes_and_goes() -> None:
    times_s = np.arange(3000) / 30
    shares = to_and_fro(times_s, np.random.default_rng(1))
    assert (shares[:6] == 0).all()
    assert shares.min() >= 0
    assert shares.max() <= 1
    moves = np.diff(shares) != 0
    stays = shares[:-1][~moves]
    assert ((stays <= 0.2) | (stays >= 0.55)).all()
    turns = int((moves[1:] & ~moves[:-1]).sum())
    assert 100 / (0.9 + 0.33) < turns < 100 / (0.2 + 0.13)
    assert (to_and_fro(times_s, np.random.default_rng(2)) != shares).any()
