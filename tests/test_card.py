from __future__ import annotations

import numpy as np
import pytest

from camfilter.card import draw_card
from camfilter.frames import Size

REASON = "ValueError in the filter."


@pytest.mark.parametrize(
    "size",
    [Size(1, 1), Size(1, 1000), Size(1000, 1), Size(3, 5), Size(160, 90), Size(640, 480),
     Size(1281, 721), Size(480, 1080), Size(3840, 2160)],
    ids=str,
)  # fmt: skip
def test_a_card_of_any_size(size: Size) -> None:
    card = draw_card(size, REASON)
    assert card.shape == (size.height, size.width, 3)
    assert card.dtype == np.uint8


def test_the_reason_can_be_seen() -> None:
    size = Size(640, 360)
    plain, one, other = (draw_card(size, text) for text in ("", REASON, "The camera is gone."))
    assert not np.array_equal(plain, one)
    assert not np.array_equal(one, other)
    assert np.array_equal(one, draw_card(size, REASON))


@pytest.mark.parametrize("size", [Size(640, 360), Size(200, 800), Size(1280, 720)], ids=str)
def test_text_stays_inside_the_card(size: Size) -> None:
    wide = draw_card(size, "W" * 52 + " " + "M" * 52 + " " + "long words " * 60)
    background = wide[0, 0]
    assert (wide[:, :2] == background).all()
    assert (wide[:, -2:] == background).all()
    assert (wide[-2:] == background).all()


@pytest.mark.parametrize("reason", ["", "\n\n", "a\nb\tc", "é漢字", "%s {} \\n", "x" * 5000])
def test_any_reason_can_be_drawn(reason: str) -> None:
    assert draw_card(Size(320, 240), reason).any()
