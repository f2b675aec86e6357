from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from camfilter.faces.base import Face
from camfilter.faces.cadence import Cadence
from fakes import face_at

FACE = face_at(200, 200, 100)
ELSEWHERE = face_at(450, 200, 100)


def frames_to_the_next_look(cadence: Cadence) -> int:
    return next(frames for frames in range(99) if cadence.due(frames))


def shifted(face: Face, by_px: float) -> Face:
    to_unit = face.to_unit.copy()
    to_unit[:, 2] -= to_unit[:, :2] @ np.array([by_px, 0.0])
    return replace(face, to_unit=to_unit)


def test_looks_that_confirm_are_further_and_further_apart_up_to_six_frames() -> None:
    cadence = Cadence()
    apart = []
    for _ in range(6):
        apart.append(frames_to_the_next_look(cadence))
        cadence.hear([FACE], [FACE])
    assert apart == [3, 4, 5, 6, 6, 6]


@pytest.mark.parametrize(
    ("carried", "found"),
    [
        ([FACE], [shifted(FACE, 4.0)]),
        ([FACE], [ELSEWHERE]),
        ([FACE], [FACE, ELSEWHERE]),
        ([FACE, ELSEWHERE], [FACE]),
        ([FACE], []),
    ],
    ids=["strayed", "elsewhere", "one more", "one fewer", "none"],
)
def test_news_make_it_look_at_every_picture_until_it_confirms(
    carried: list[Face], found: list[Face]
) -> None:
    cadence = Cadence()
    for _ in range(6):
        cadence.hear([FACE], [FACE])
    apart = []
    for last in ([carried, found], [carried, found], [[FACE], [FACE]]):
        cadence.hear(*last)
        apart.append(frames_to_the_next_look(cadence))
    assert apart == [1, 1, 4]


def test_a_machine_short_of_time_looks_no_oftener_for_news() -> None:
    cadence = Cadence(lambda: 4)
    cadence.hear([FACE], [ELSEWHERE])
    assert frames_to_the_next_look(cadence) == 4


def test_what_was_not_carried_brings_the_looks_together_again() -> None:
    cadence = Cadence()
    for _ in range(6):
        cadence.hear([FACE], [FACE])
    cadence.restart()
    assert frames_to_the_next_look(cadence) == 3


def test_a_shift_as_small_as_the_finders_own_noise_is_no_news() -> None:
    cadence = Cadence()
    cadence.hear([FACE, ELSEWHERE], [shifted(ELSEWHERE, 2.0), shifted(FACE, -2.0)])
    assert frames_to_the_next_look(cadence) == 4


def test_it_follows_who_says_how_often() -> None:
    wanted = [1]
    cadence = Cadence(lambda: wanted[0])
    for _ in range(9):
        cadence.hear([FACE], [FACE])
    apart = []
    for wanted[0] in (1, 4, 9):
        apart.append(frames_to_the_next_look(cadence))
    assert apart == [1, 6, 9]
