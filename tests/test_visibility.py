from __future__ import annotations

import numpy as np
import pytest

from camfilter.visibility import masking


def test_smooth_skin_takes_less_than_texture() -> None:
    picture = np.full((64, 64), 0.5, np.float32)
    rng = np.random.default_rng(0)
    picture[:, 32:] += rng.choice([-0.2, 0.2], (64, 32)).astype(np.float32)
    share = masking(picture, 48)
    assert share.shape == (48, 48)
    assert share[:, :18].mean() == pytest.approx(0.22, abs=0.01)
    assert share[:, 30:].mean() > 0.9


def test_the_darkest_cells_take_half() -> None:
    dark, lit = (masking(np.full((64, 64), level, np.float32), 48) for level in (0.01, 0.5))
    assert np.allclose(dark, lit / 2, atol=0.01)


def test_any_picture_leaves_something_and_never_more_than_all() -> None:
    rng = np.random.default_rng(1)
    for picture in (np.zeros((64, 64)), np.ones((64, 64)), rng.random((64, 64))):
        share = masking(picture.astype(np.float32), 48)
        assert share.dtype == np.float32
        assert 0.1 <= share.min() <= share.max() <= 1
