from __future__ import annotations

import numpy as np

from camfilter.app.controller import Preview
from camfilter.tray.pictures import PairKeeper, magnified_difference
from fakes import noise

FIRST, SECOND = noise(32, 24, 1), noise(32, 24, 2)


def test_a_change_is_magnified_around_grey() -> None:
    after = FIRST.copy()
    after[0, 0] += np.array([1, 6, 0], np.uint8)
    difference = magnified_difference(FIRST, after)
    assert difference.dtype == np.uint8
    assert difference[0, 0].tolist() == [148, 248, 128]
    assert (difference[1:] == 128).all()


def test_a_pair_of_one_moment_is_shown_at_once() -> None:
    pair = Preview(FIRST, FIRST + np.uint8(6))
    shown = PairKeeper().newest(pair, 6, 0.0, strict=True)
    assert shown is not None
    assert shown.before is FIRST


def test_the_picture_before_is_found_among_the_last_ones() -> None:
    pairs = PairKeeper()
    assert pairs.newest(Preview(FIRST, noise(32, 24, 0)), 6, 0.0, strict=True) is None
    shown = pairs.newest(Preview(SECOND, FIRST + np.uint8(3)), 6, 0.1, strict=True)
    assert shown is not None
    assert shown.before is FIRST


def test_two_moments_are_shown_only_after_a_while_and_never_magnified() -> None:
    pairs = PairKeeper()
    good, mixed = Preview(FIRST, FIRST + np.uint8(1)), Preview(SECOND, noise(32, 24, 3))
    first = pairs.newest(good, 6, 0.0, strict=False)
    assert pairs.newest(mixed, 6, 0.4, strict=False) is first
    assert pairs.newest(mixed, 6, 0.6, strict=False) is mixed
    assert pairs.newest(mixed, 6, 0.7, strict=True) is None


def test_a_card_is_shown_beside_the_picture_whatever_their_difference() -> None:
    pair = Preview(FIRST, SECOND)
    shown = PairKeeper().newest(pair, None, 0.0, strict=False)
    assert shown is not None
    assert shown.after is SECOND


def test_nothing_is_kept_when_the_controller_keeps_nothing() -> None:
    pairs = PairKeeper()
    pairs.newest(Preview(FIRST, FIRST), 0, 0.0, strict=False)
    assert pairs.newest(None, 0, 0.1, strict=False) is None
    assert pairs.newest(Preview(SECOND, FIRST), 0, 0.2, strict=True) is None
