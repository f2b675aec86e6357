from __future__ import annotations

import cv2
import numpy as np
import pytest

from camfilter.faces.changes import Changes
from camfilter.frames import Pixels, Size
from fakes import noise

SIZE = Size(640, 360)


@pytest.fixture
def desk() -> Pixels:
    """A dim wall, brighter to one side, and a desk with things on it."""
    across = np.linspace(70, 120, SIZE.width)[None, :, None]
    wall = np.repeat(np.repeat(across, SIZE.height, axis=0), 3, axis=2)
    things = cv2.resize(noise(16, 3, seed=4), (SIZE.width, 120), interpolation=cv2.INTER_CUBIC)
    wall[240:] = things
    return wall.astype(np.uint8)


def news(*pictures: Pixels) -> list[bool]:
    changes, answers = Changes(), []
    for pixels in pictures:
        answers.append(changes.sudden(pixels) is not None)
        changes.know()
    return answers[1:]


def seen(pixels: Pixels, seed: int, gain: float = 1.0) -> Pixels:
    """As a sensor in dim light sees it."""
    random = np.random.default_rng(seed)
    return np.clip(gain * pixels + random.normal(0, 5, pixels.shape), 0, 255).astype(np.uint8)


def shifted(pixels: Pixels, x: float, y: float) -> Pixels:
    matrix = np.array([[1.0, 0, x], [0, 1, y]])
    return cv2.warpAffine(pixels, matrix, pixels.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def with_head(pixels: Pixels, face: Pixels, x: int, width_px: int) -> Pixels:
    """The middle of a portrait in front of the scene, soft at its edge."""
    scale = width_px / 150
    matrix = np.array([[scale, 0, x - 225 * scale], [0, scale, 140 - 130 * scale]])
    shape = np.zeros(face.shape[:2], np.float32)
    cv2.ellipse(shape, (225, 130), (75, 105), 0, 0, 360, (1.0,), -1)
    area = (SIZE.width, SIZE.height)
    mask = cv2.GaussianBlur(cv2.warpAffine(shape, matrix, area), (0, 0), 2)[..., None]
    return (mask * cv2.warpAffine(face, matrix, area) + (1 - mask) * pixels).astype(np.uint8)


def test_the_first_picture_and_another_size_are_news_all_over(desk: Pixels) -> None:
    changes = Changes()
    whole = changes.sudden(desk)
    assert whole is not None
    assert (whole.right, whole.bottom) == (SIZE.width, SIZE.height)
    changes.know()
    assert changes.sudden(desk) is None
    assert changes.sudden(desk[:180, :320]) is not None


def test_noise_and_the_light_of_the_whole_picture_are_none(desk: Pixels) -> None:
    lit = [seen(desk, index, gain) for index, gain in enumerate([1, 1, 1.1, 0.95, 0.9, 1.05])]
    assert not any(news(*lit))


@pytest.mark.parametrize("step_px", [(1, 0), (3, 2), (0, -4)])
def test_what_only_moves_is_none(desk: Pixels, step_px: tuple[float, float]) -> None:
    moved = [seen(shifted(desk, i * step_px[0], i * step_px[1]), i) for i in range(8)]
    assert sum(news(*moved)) <= 1


def test_a_head_that_moves_is_none(desk: Pixels, astronaut: Pixels) -> None:
    moved = [seen(with_head(desk, astronaut, 200 + 5 * i, 110), i) for i in range(20)]
    assert sum(news(*moved)) <= 4


@pytest.mark.parametrize("x", [60, 200, 330, 500])
@pytest.mark.parametrize("width_px", [40, 60, 110])
def test_a_head_that_comes_at_once_is_news_where_it_is(
    desk: Pixels, astronaut: Pixels, x: int, width_px: int
) -> None:
    changes = Changes()
    changes.sudden(seen(desk, 0))
    changes.know()
    assert changes.sudden(seen(desk, 1)) is None
    changes.know()
    where = changes.sudden(seen(with_head(desk, astronaut, x, width_px), 2))
    assert where is not None
    assert where.left <= x - width_px / 2
    assert x + width_px / 2 <= where.right


def test_a_head_that_slides_in_is_news_while_it_comes(desk: Pixels, astronaut: Pixels) -> None:
    coming = [seen(with_head(desk, astronaut, -60 + 8 * i, 80), i) for i in range(16)]
    assert sum(news(*coming)) >= 2
