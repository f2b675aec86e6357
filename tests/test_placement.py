from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from camfilter.faces.base import Face
from camfilter.faces.placement import apart, steadied
from fakes import face_at


def moved(face: Face, right_px: float, down_px: float = 0.0) -> Face:
    """The face elsewhere; its box stays, which `apart` takes its unit from."""
    shift = face.to_unit[:, :2] @ [right_px, down_px]
    return replace(face, to_unit=np.column_stack([face.to_unit[:, :2], face.to_unit[:, 2] - shift]))


def test_apart_is_told_in_widths_of_the_face() -> None:
    face = face_at(300, 200, 100)
    width_px = face.box.right - face.box.left
    assert apart(face, face) == 0
    assert apart(face, moved(face, 3, 4)) == pytest.approx(5 / width_px)


def test_apart_tells_of_turning() -> None:
    face, turned = face_at(300, 200, 100), face_at(300, 200, 100, 10)
    assert apart(face, turned) > 0.05


def test_a_find_near_a_carried_face_moves_it_a_quarter_of_the_way() -> None:
    carried = face_at(300, 200, 100)
    found = moved(carried, 4)
    steady = steadied(found, [face_at(500, 200, 100), carried])
    assert apart(carried, steady) == pytest.approx(apart(carried, found) / 4)
    assert apart(found, steady) == pytest.approx(apart(carried, found) * 3 / 4)
    assert np.array_equal(steady.outline, found.outline)


def test_finds_again_and_again_bring_a_wrong_placement_right() -> None:
    found = face_at(300, 200, 100)
    steady = moved(found, 6)
    for _ in range(12):
        steady = steadied(found, [steady])
    assert apart(found, steady) < 0.003


@pytest.mark.parametrize("right_px", [20.0, 400.0])
def test_a_find_elsewhere_stays_as_found(right_px: float) -> None:
    carried = face_at(300, 200, 100)
    found = moved(carried, right_px)
    assert steadied(found, [carried]) is found


def test_a_find_without_carried_faces_stays_as_found() -> None:
    found = face_at(300, 200, 100)
    assert steadied(found, []) is found
