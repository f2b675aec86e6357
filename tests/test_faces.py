from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from skimage import data

from camfilter.faces.base import Box, Face
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.faces.placement import apart
from camfilter.faces.quiet import quiet_native_log
from camfilter.faces.template import KEYPOINTS, MESH_POINTS, OVAL
from camfilter.frames import Pixels, Size
from camfilter.sources.demo import portrait_path
from camfilter.sources.pictures import read_picture

EYES_OF_ASTRONAUT = np.array([[203.0, 101.5], [246.5, 103.5]])
EYES_OF_HOPPER = np.array([[221.0, 189.0], [305.0, 187.0]])
EYES_IN_CROP = np.array(KEYPOINTS[:2])
FACE_OF_HOPPER = Box(165, 124, 364, 340)


def eyes_in_crop(face: Face, eyes: np.ndarray) -> np.ndarray:
    return eyes @ face.to_unit[:, :2].T + face.to_unit[:, 2]


def into(pixels: Pixels, size: Size, x: int, y: int, scale: float) -> Pixels:
    """A picture shrunk into a gray frame with its corner at x, y."""
    frame = np.full((size.height, size.width, 3), 110, np.uint8)
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame[y : y + small.shape[0], x : x + small.shape[1]] = small
    return frame


def test_real_portraits_are_found(
    still_faces: MediaPipeFaces, astronaut: Pixels, hopper: Pixels
) -> None:
    for pixels, eyes in ((astronaut, EYES_OF_ASTRONAUT), (hopper, EYES_OF_HOPPER)):
        (face,) = still_faces.find(pixels)
        assert (face.track, face.missed_frames) == (-1, 0)
        assert face.outline.dtype == np.float32
        assert face.to_unit.shape == (2, 3)
        assert np.abs(eyes_in_crop(face, eyes) - EYES_IN_CROP).max() < 0.06
        for x, y in eyes:
            assert cv2.pointPolygonTest(face.outline, (x, y), False) > 0


def test_the_box_goes_round_the_face(still_faces: MediaPipeFaces, hopper: Pixels) -> None:
    (face,) = still_faces.find(hopper)
    assert face.box == Box.around(face.outline)
    assert face.box.overlap(FACE_OF_HOPPER) > 0.85


def test_the_outline_is_convex(
    still_faces: MediaPipeFaces, astronaut: Pixels, hopper: Pixels
) -> None:
    far = into(hopper, Size(1280, 720), 820, 300, 0.4)
    for pixels in (astronaut, hopper, far):
        for face in still_faces.find(pixels):
            hull = cv2.convexHull(face.outline)
            assert cv2.contourArea(face.outline) == pytest.approx(cv2.contourArea(hull), rel=1e-3)


def test_the_transform_neither_mirrors_nor_stretches(
    still_faces: MediaPipeFaces, astronaut: Pixels
) -> None:
    (face,) = still_faces.find(astronaut)
    linear = face.to_unit[:, :2]
    scale_squared = np.linalg.det(linear)
    assert scale_squared > 0
    assert np.allclose(linear @ linear.T, scale_squared * np.eye(2), atol=1e-9)


def test_the_same_face_larger_is_the_same_face(still_faces: MediaPipeFaces, hopper: Pixels) -> None:
    huge = cv2.resize(hopper, None, fx=4, fy=4)
    (face,) = still_faces.find(huge)
    assert np.abs(eyes_in_crop(face, 4 * EYES_OF_HOPPER) - EYES_IN_CROP).max() < 0.06


def test_a_gray_picture_has_its_face_too(still_faces: MediaPipeFaces, hopper: Pixels) -> None:
    gray = cv2.cvtColor(cv2.cvtColor(hopper, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    (face,) = still_faces.find(gray)
    assert face.box.overlap(FACE_OF_HOPPER) > 0.85


@pytest.mark.parametrize("name", ["coffee", "chelsea", "gravel"])
def test_a_picture_without_a_face_has_none(still_faces: MediaPipeFaces, name: str) -> None:
    picture = getattr(data, name)()
    picture = np.dstack([picture] * 3) if picture.ndim == 2 else picture
    assert still_faces.find(np.ascontiguousarray(picture[:, :, ::-1])) == []


@pytest.mark.parametrize(
    "size", [Size(1, 1), Size(1, 3000), Size(3000, 1), Size(15, 15), Size(16, 17), Size(5000, 17)],
    ids=str,
)  # fmt: skip
def test_a_picture_too_small_for_a_face_has_none(still_faces: MediaPipeFaces, size: Size) -> None:
    assert still_faces.find(np.full((size.height, size.width, 3), 90, np.uint8)) == []


def test_odd_sizes_and_slices_are_read(still_faces: MediaPipeFaces, hopper: Pixels) -> None:
    for pixels in (hopper[:599, :511], np.asfortranarray(hopper)):
        (face,) = still_faces.find(pixels)
        assert face.box.overlap(FACE_OF_HOPPER) > 0.85


@pytest.mark.parametrize(
    ("width_px", "x", "y"), [(60, 711, 293), (80, 423, 411), (80, 822, 350), (100, 82, 125)]
)
def test_a_far_face_is_found(
    still_faces: MediaPipeFaces, hopper: Pixels, width_px: int, x: int, y: int
) -> None:
    scale = width_px / 199
    (face,) = still_faces.find(into(hopper, Size(1280, 720), x, y, scale))
    corners = np.array([[165, 124], [364, 340]], np.float32) * scale + [x, y]
    wanted = Box.around(corners.astype(np.float32))
    assert face.box.overlap(wanted) > 0.5


def test_two_faces_side_by_side_are_found_largest_first(
    still_faces: MediaPipeFaces, astronaut: Pixels, hopper: Pixels
) -> None:
    both = np.zeros((600, 1024, 3), np.uint8)
    both[:, 512:] = hopper
    both[:512, :512] = astronaut
    first, second = still_faces.find(both)
    assert first.box.area > second.box.area
    assert (
        np.abs(eyes_in_crop(first, EYES_OF_HOPPER + np.array([512, 0])) - EYES_IN_CROP).max() < 0.08
    )
    assert np.abs(eyes_in_crop(second, EYES_OF_ASTRONAUT) - EYES_IN_CROP).max() < 0.08


@pytest.mark.parametrize("roll_deg", [30, 90])
def test_a_rolled_face_stands_upright_in_its_crop(
    still_faces: MediaPipeFaces, hopper: Pixels, roll_deg: float
) -> None:
    turn = cv2.getRotationMatrix2D((256, 256), roll_deg, 0.8)
    rolled = cv2.warpAffine(hopper, turn, (512, 600))
    (face,) = still_faces.find(rolled)
    eyes = EYES_OF_HOPPER @ turn[:, :2].T + turn[:, 2]
    assert np.abs(eyes_in_crop(face, eyes) - EYES_IN_CROP).max() < 0.1


def test_the_picture_is_left_alone(still_faces: MediaPipeFaces, hopper: Pixels) -> None:
    before = hopper.copy()
    still_faces.find(hopper)
    assert np.array_equal(hopper, before)


@pytest.fixture(scope="module")
def moving_faces() -> Iterator[MediaPipeFaces]:
    finder = MediaPipeFaces()
    yield finder
    finder.close()


def test_a_moving_face_is_followed(moving_faces: MediaPipeFaces, hopper: Pixels) -> None:
    for step in range(12):
        shift = np.array([6 * step, 3 * step])
        frame = into(hopper, Size(700, 700), int(shift[0]), int(shift[1]), 1.0)
        (face,) = moving_faces.find(frame)
        assert np.abs(eyes_in_crop(face, EYES_OF_HOPPER + shift) - EYES_IN_CROP).max() < 0.08


@pytest.mark.parametrize("scale", [0.5, 0.33])
def test_a_new_face_is_placed_as_well_as_one_that_is_followed(hopper: Pixels, scale: float) -> None:
    """The first guess of the mesh strays further: by 6 % of the width here, by half at worst."""
    noise = np.random.default_rng(0).normal(0, 5, (360, 640, 3))
    picture = into(hopper, Size(640, 360), 200, 60, scale)
    noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    finder = MediaPipeFaces()
    (first,), (later,) = (finder.find(noisy), [finder.find(noisy) for _ in range(4)][-1])
    finder.close()
    assert apart(first, later) < 0.02


def test_frames_may_change_their_size(
    moving_faces: MediaPipeFaces, hopper: Pixels, astronaut: Pixels
) -> None:
    for pixels in (hopper, hopper[:400], astronaut, np.zeros((1, 1, 3), np.uint8), hopper):
        moving_faces.find(pixels)
    assert moving_faces.find(hopper)


def test_a_far_face_among_moving_pictures_is_looked_for_in_every_frame(hopper: Pixels) -> None:
    finder = MediaPipeFaces(detect_every=6)
    far = into(hopper, Size(1280, 720), 711, 293, 0.3)
    seen = [len(finder.find(far)) for _ in range(8)]
    finder.close()
    finder.close()
    assert seen == [1] * 8


def test_the_template_is_symmetric() -> None:
    mirrored = {(round(1 - x, 3), y) for x, y in MESH_POINTS.values()}
    assert mirrored == set(MESH_POINTS.values())
    assert KEYPOINTS[0] == (round(1 - KEYPOINTS[1][0], 3), KEYPOINTS[1][1])
    assert {(round(1 - x, 2), y) for x, y in OVAL} == set(OVAL)


# Boxes.


def test_boxes() -> None:
    box = Box(2, 3, 6, 8)
    assert box.area == 20
    assert box.within(Size(4, 5)) == Box(2, 3, 4, 5)
    assert box.within(Size(1, 1)).area == 0
    assert box.common(Box(6, 8, 9, 9)).area == 0
    assert box.overlap(box) == 1
    assert box.overlap(Box(4, 3, 8, 8)) == pytest.approx(10 / 30)
    assert box.overlap(Box(50, 50, 60, 60)) == 0
    assert Box(1, 1, 1, 1).overlap(Box(1, 1, 1, 1)) == 0
    assert np.zeros((10, 10))[box.slices()].shape == (5, 4)


def test_a_box_holds_all_points_of_an_outline() -> None:
    points = np.array([[1.2, -3.7], [4.0, 2.0], [-0.5, 0.0]], np.float32)
    assert Box.around(points) == Box(-1, -4, 5, 3)


# Quiet.

TALK = """
import os, sys
from camfilter.faces.quiet import quiet_native_log
os.write(2, b"before ")
with quiet_native_log():
    os.write(2, b"inside ")
    print("python inside", file=sys.stderr)
    sys.stderr.flush()
os.write(2, b"after")
"""

FIND = """
import numpy as np, cv2
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.sources.demo import portrait_path
finder = MediaPipeFaces()
portrait = cv2.imread(str(portrait_path()))
far = np.full((720, 1280, 3), 110, np.uint8)
far[293:473, 711:865] = cv2.resize(portrait, (154, 180), interpolation=cv2.INTER_AREA)
for _ in range(40):
    finder.find(np.zeros((90, 160, 3), np.uint8))
assert any([finder.find(far) for _ in range(6)])
assert finder.find(cv2.resize(portrait, (700, 600)))
finder.close()
"""


def errors_of(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stderr


def test_native_chatter_is_kept_from_the_error_stream_and_only_inside_the_block() -> None:
    assert errors_of(TALK) == "before after"


def test_errors_pass_through_quiet_blocks() -> None:
    with pytest.raises(ValueError, match="mine"), quiet_native_log():
        raise ValueError("mine")


def test_finding_faces_writes_nothing_however_late_the_first_one_comes() -> None:
    assert errors_of(FIND) == ""


def test_a_far_face_is_seen_at_once_and_followed_while_it_moves() -> None:
    portrait = cv2.resize(read_picture(portrait_path()), None, fx=0.3, fy=0.3)
    finder = MediaPipeFaces()
    lefts = []
    for step in range(12):
        frame = np.full((720, 1280, 3), 110, np.uint8)
        left = 300 + 6 * step
        frame[100 : 100 + portrait.shape[0], left : left + portrait.shape[1]] = portrait
        (face,) = finder.find(frame)
        lefts.append(face.box.left - left)
    finder.close()
    assert max(lefts) - min(lefts) <= 3
