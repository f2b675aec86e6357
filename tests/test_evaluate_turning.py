from __future__ import annotations

import cv2
import numpy as np
import pytest

from camfilter.faces.base import Box
from camfilter.frames import Pixels, Size
from camfilter.lab.evaluate.clips import make_clip
from camfilter.lab.evaluate.motion import MOTIONS, moving_clip
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.subjects import Subject
from camfilter.lab.evaluate.turning import Relief, mesh_of, relief_of, turned
from camfilter.sources.demo import portrait_path


@pytest.fixture(scope="module")
def relief(hopper: Pixels) -> Relief:
    found = relief_of(hopper)
    assert found is not None
    return found


def nose_between_the_eyes(picture: Pixels) -> tuple[float, float]:
    """Where its tip lies beside and below the middle of the eyes, in distances of the eyes."""
    mesh = mesh_of(picture)
    assert mesh is not None
    first, second, nose = mesh[[33, 263, 4], :2]
    along = (second - first) / np.linalg.norm(second - first)
    way = (nose - (first + second) / 2) / np.linalg.norm(second - first)
    return float(way @ along), float(way @ np.array([-along[1], along[0]]))


def test_the_nose_stands_before_the_cheeks(hopper: Pixels, relief: Relief) -> None:
    mesh = mesh_of(hopper)
    assert mesh is not None
    eyes, nose = mesh[[33, 263]], mesh[4]
    heights = [relief.height_px[int(y), int(x)] for x, y, _ in [nose, *eyes]]
    assert heights[0] > max(heights[1:]) + 0.1 * np.ptp(eyes[:, 0])


def test_a_head_turns_to_the_side_and_nods(hopper: Pixels, relief: Relief) -> None:
    across, down = nose_between_the_eyes(hopper)
    right, left = (nose_between_the_eyes(turned(hopper, relief, yaw, 0))[0] for yaw in (20, -20))
    assert right > across + 0.08
    assert left < across - 0.08
    below, above = (
        nose_between_the_eyes(turned(hopper, relief, 0, pitch))[1] for pitch in (12, -12)
    )
    assert below > down > above


def test_what_is_far_from_the_head_stays_and_so_does_all_at_no_angle(
    hopper: Pixels, relief: Relief
) -> None:
    assert np.array_equal(turned(hopper, relief, 0, 0), hopper)
    away = relief.weight == 0
    assert away.any()
    assert np.array_equal(turned(hopper, relief, 25, 10)[away], hopper[away])


def test_a_smaller_picture_has_a_smaller_relief(relief: Relief) -> None:
    whole = Size.of(relief.weight)
    half = relief.resized(Size(whole.width // 2, whole.height // 2))
    assert half.height_px.max() == pytest.approx(relief.height_px.max() / 2, rel=0.02)
    assert half.centre == pytest.approx((relief.centre[0] / 2, relief.centre[1] / 2), rel=0.02)
    assert half.weight.max() <= 1


@pytest.mark.parametrize("width_px", [901, 1000, 1017])
def test_a_large_picture_turns_too(hopper: Pixels, width_px: int) -> None:
    """It is shrunk before it is moved, whatever its sides are."""
    large = cv2.resize(hopper, (width_px, 1201)).view(np.uint8)
    relief = relief_of(large)
    assert relief is not None
    face, times_s = Box(300, 200, 700, 800), np.array([0.0, 0.4])
    random = np.random.default_rng(1)
    still, moved = moving_clip(
        large, face, Size(320, 180), times_s, random, MOTIONS["turning"], relief
    )
    assert still.shape == moved.shape == (180, 320, 3)


def test_a_picture_without_a_face_has_none() -> None:
    assert relief_of(np.full((120, 160, 3), 90, np.uint8)) is None


def test_heads_of_a_turning_clip_turn_and_those_of_a_lively_one_do_not() -> None:
    subject = Subject("hopper", portrait_path())
    swings = {}
    for motion in ("lively", "turning"):
        options = EvaluateOptions.of({"channels": ("u8",), "seconds": 1.5, "motion": motion})
        frames = make_clip(subject, options).frames[::5]
        swings[motion] = np.ptp([nose_between_the_eyes(pixels)[0] for pixels in frames])
    assert swings["turning"] > 2 * swings["lively"]
