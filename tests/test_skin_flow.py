"""What a face wears stays on its skin inside the crop."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from camfilter.chain_recipe import Recipe
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from camfilter.geometry import cut_crop
from camfilter.lab.evaluate.turning import Relief, relief_of, turned
from camfilter.over_time import ChainOverTime
from camfilter.settings import ChainSettings
from camfilter.skin_flow import SkinFlow, carried
from fakes import LinearSurrogate, face_at, noise
from test_over_time import scene

CELLS = 48


def skin(shift_px: float = 0.0, seed: int = 0) -> np.ndarray:
    """A crop with some texture, moved to the right."""
    soft = cv2.GaussianBlur(noise(64, 64, seed=seed)[..., 0].astype(np.float32), (0, 0), 2)
    soft = 0.5 + (soft - soft.mean()) / (8 * soft.std())
    matrix = np.array([[1, 0, shift_px], [0, 1, 0]], np.float64)
    moved = cv2.warpAffine(soft, matrix, (64, 64), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(np.clip(moved, 0, 1), np.float32)


def spot(x: float, y: float) -> np.ndarray:
    rows, columns = np.mgrid[0:CELLS, 0:CELLS]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8).astype(np.float32)


def middle_of(picture: np.ndarray) -> tuple[float, float]:
    rows, columns = np.mgrid[0:CELLS, 0:CELLS]
    weight = np.clip(picture, 0, None) / np.clip(picture, 0, None).sum()
    return float((columns * weight).sum()), float((rows * weight).sum())


@pytest.mark.parametrize("shift_px", [-3.0, 2.0, 4.0])
def test_a_texture_goes_where_the_skin_goes(shift_px: float) -> None:
    places = SkinFlow(skin(), CELLS).moved(skin(shift_px))
    assert places is not None
    x, y = middle_of(carried(spot(24, 20), places))
    assert x == pytest.approx(24 + shift_px * CELLS / 64, abs=0.3)
    assert y == pytest.approx(20, abs=0.3)


def test_small_movements_add_up_until_they_are_worth_it() -> None:
    flow, texture, carries = SkinFlow(skin(), CELLS), spot(24, 24), 0
    for frame in range(1, 31):
        places = flow.moved(skin(frame * 0.15))
        if places is not None:
            texture, carries = carried(texture, places), carries + 1
    assert 4 < carries < 20
    assert middle_of(texture)[0] == pytest.approx(24 + 4.5 * CELLS / 64, abs=0.5)


def test_the_light_and_the_sensors_noise_move_nothing() -> None:
    flow = SkinFlow(skin(), CELLS)
    random = np.random.default_rng(0)
    for gain in np.linspace(0.9, 1.1, 12):
        grain = random.normal(0, 1.2 / 255, (64, 64)).astype(np.float32)
        assert flow.moved(np.clip(np.float32(gain) * skin() + grain, 0, 1)) is None


def test_a_face_at_rest_is_looked_at_in_every_third_frame() -> None:
    flow = SkinFlow(skin(), CELLS)
    assert flow.moved(skin()) is None
    found = [flow.moved(skin(4)) is not None for _ in range(3)]
    assert found == [False, False, True]


@pytest.mark.parametrize(("shift_px", "found"), [(0.2, False), (0.4, True)])
def test_skin_is_followed_once_it_moved_by_a_fifth_of_a_cell(shift_px: float, found: bool) -> None:
    assert (SkinFlow(skin(), CELLS).moved(skin(shift_px)) is not None) == found


def test_a_face_that_creeps_is_looked_at_in_the_next_frame_already() -> None:
    """It moved too little to be followed, and too much to be at rest."""
    flow = SkinFlow(skin(), CELLS)
    assert flow.moved(skin(0.23)) is None
    assert flow.moved(skin(0.46)) is not None


def test_a_wall_that_moves_around_a_still_face_moves_no_skin() -> None:
    def before_a_wall(shift_px: float) -> np.ndarray:
        picture = skin(shift_px)
        picture[6:58, 6:58] = skin(seed=1)[6:58, 6:58]
        return picture

    assert SkinFlow(before_a_wall(0), CELLS).moved(before_a_wall(2)) is None


def test_what_comes_into_the_crop_at_its_edge_is_not_left_bare() -> None:
    rows, columns = np.mgrid[0:CELLS, 0:CELLS].astype(np.float32)
    worn = np.full((CELLS, CELLS), 0.02, np.float32)
    assert carried(worn, np.stack([columns - 3, rows], axis=-1)) == pytest.approx(worn)


def test_a_texture_stays_sharp_however_often_it_is_carried() -> None:
    fine = cv2.GaussianBlur(noise(CELLS, CELLS)[..., 0].astype(np.float32) - 127, (0, 0), 1)
    flow, texture = SkinFlow(skin(), CELLS), fine
    for frame in range(1, 61):  # to and fro, by half a cell in each frame
        places = flow.moved(skin(2 * np.sin(frame / 3)))
        texture = texture if places is None else carried(texture, places)
    assert texture[8:40, 8:40].std() > 0.75 * fine[8:40, 8:40].std()


def test_another_picture_is_no_movement_of_the_skin_to_follow_for_ever() -> None:
    flow, other = SkinFlow(skin(), CELLS), skin(seed=5)
    flow.moved(other)
    assert flow.moved(other) is None


@pytest.fixture(scope="module")
def relief(hopper: Pixels) -> Relief:
    found = relief_of(hopper)
    assert found is not None
    return found


def test_on_a_real_head_that_turns_the_nose_keeps_what_it_wears(
    hopper: Pixels, relief: Relief
) -> None:
    """A mark on the tip of the nose, painted on the still and worn by the face, stay together."""
    finder = MediaPipeFaces(stills=True)
    face = finder.find(hopper)[0]
    finder.close()
    flow = None
    texture = spot(24, 28.3)  # the nose lies at 0.50, 0.59 of the crop
    inverse = cv2.invertAffineTransform(face.to_unit)
    tip = inverse[:, :2] @ np.array([0.5, 0.59]) + inverse[:, 2]
    mark = np.zeros_like(hopper)
    cv2.circle(mark, (int(tip[0]), int(tip[1])), 4, (255, 255, 255), -1)
    for yaw in np.linspace(0, 16, 17):
        crop = cut_crop(turned(hopper, relief, float(yaw), 0), face, 64)
        if flow is None:
            flow = SkinFlow(crop, CELLS)
        places = flow.moved(crop)
        texture = texture if places is None else carried(texture, places)
    marked = cut_crop(turned(mark, relief, 16.0, 0), face, CELLS)
    wanted = middle_of(np.asarray(marked))
    assert wanted[0] > 25.5
    assert middle_of(texture) == pytest.approx(wanted, abs=1.0)


@pytest.mark.parametrize(("on_skin", "least", "most"), [(True, 0.8, 1.0), (False, -1.0, 0.65)])
def test_the_chain_carries_what_a_face_wears(on_skin: bool, least: float, most: float) -> None:
    """The crop stays where it was, and the skin moves by three cells inside it."""
    works = ChainOverTime(
        LinearSurrogate(CELLS),
        ChainSettings.of({"mode": "neutral"}),
        recipe=Recipe(on_skin=on_skin, alert=False),
    )
    face = face_at(100, 100, 96, track=0)
    for _ in range(60):
        before = works.perturb_faces(scene(), [face]).delta[0]
    works.catch_up()
    state = works._worn[0]
    momentum, stages = state.momentum, state.stages
    works.follow(ChainSettings.of({"mode": "neutral", "stages_per_frame": 0.1}))
    for _ in range(3):
        after = works.perturb_faces(scene(6), [face]).delta[0]
    assert state.stages == stages, "no stage tells them apart"
    inside = slice(10, 38)
    for one, other in ((before, after), (momentum, state.momentum)):
        left, right = one[inside, 10:35], other[inside, 13:38]
        assert least <= np.corrcoef(left.ravel(), right.ravel())[0, 1] <= most


def test_what_moves_further_than_skin_can_is_not_followed() -> None:
    flow = SkinFlow(skin(), CELLS)
    assert flow.moved(skin(9)) is None  # seven cells in one frame
    for _ in range(3):  # and it starts again from there, at rest
        assert flow.moved(skin(9)) is None
    assert flow.moved(skin(12)) is not None
