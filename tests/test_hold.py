from __future__ import annotations

import cv2
import numpy as np
import pytest

from camfilter.faces.base import Face
from camfilter.faces.hold import HeldFaces
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from fakes import FakeFaces, face_at

FRAME = np.zeros((480, 640, 3), np.uint8)


def centre(face: Face) -> np.ndarray:
    return np.asarray(face.outline.mean(axis=0), np.float64)


def crop_centre(face: Face) -> np.ndarray:
    """Where the middle of the crop lies in the frame."""
    inverse = cv2.invertAffineTransform(face.to_unit)
    return inverse[:, :2] @ [0.5, 0.5] + inverse[:, 2]


def run(*answers: list[Face], hold_frames: int = 15) -> list[list[Face]]:
    held = HeldFaces(FakeFaces(*answers), hold_frames)
    return [held.find(FRAME) for _ in answers]


def test_a_face_that_is_seen_comes_as_the_finder_saw_it() -> None:
    seen = face_at(300, 200, 100, 10)
    ((face,),) = run([seen])
    assert np.array_equal(face.outline, seen.outline)
    assert np.array_equal(face.to_unit, seen.to_unit)
    assert (face.box, face.missed_frames, face.track) == (seen.box, 0, 0)


def test_a_face_keeps_its_track_while_it_moves() -> None:
    frames = run(*[[face_at(100 + 12 * i, 200, 100)] for i in range(20)])
    assert {face.track for faces in frames for face in faces} == {0}
    assert all(len(faces) == 1 for faces in frames)


def test_two_faces_keep_their_tracks_in_whatever_order_they_come() -> None:
    def pair(step: int) -> list[Face]:
        faces = [face_at(100 + 5 * step, 200, 100), face_at(400 - 5 * step, 200, 90)]
        return faces[:: 1 if step % 2 else -1]

    frames = run(*[pair(step) for step in range(10)])
    for step, faces in enumerate(frames):
        by_track = {face.track: crop_centre(face)[0] for face in faces}
        assert sorted(by_track) == sorted({face.track for face in frames[0]})
        left, right = (
            track for track, _ in sorted(
                {f.track: crop_centre(f)[0] for f in frames[0]}.items(), key=lambda item: item[1]
            )
        )  # fmt: skip
        assert by_track[left] == pytest.approx(100 + 5 * step, abs=1e-3)
        assert by_track[right] == pytest.approx(400 - 5 * step, abs=1e-3)


def test_a_new_face_and_one_that_jumped_get_a_new_track() -> None:
    frames = run(
        [face_at(100, 200, 100)],
        [face_at(100, 200, 100), face_at(400, 200, 100)],
        [face_at(100, 400, 100)],
        hold_frames=0,
    )
    assert [sorted(face.track for face in faces) for faces in frames] == [[0], [0, 1], [2]]


def test_a_lost_face_inside_one_that_is_seen_is_that_one() -> None:
    frames = run([face_at(310, 210, 40)], [face_at(300, 200, 110)])
    assert [[face.track for face in faces] for faces in frames] == [[0], [1]]


def test_a_lost_face_beside_one_that_is_seen_is_carried_on() -> None:
    frames = run([face_at(300, 200, 100)], [face_at(350, 200, 100)], [face_at(420, 200, 100)])
    assert [len(faces) for faces in frames] == [1, 1, 2]


def test_a_lost_face_is_carried_on_for_so_many_frames_and_then_let_go() -> None:
    frames = run([face_at(300, 200, 100)], *[[] for _ in range(7)], hold_frames=5)
    assert [[face.missed_frames for face in faces] for faces in frames] == [
        [0], [1], [2], [3], [4], [5], [], [],
    ]  # fmt: skip
    assert all(face.track == 0 for faces in frames for face in faces)


def test_a_carried_face_grows_and_stays_where_it_was_when_it_stood_still() -> None:
    start = face_at(300, 200, 100)
    frames = run([start], [start], *[[] for _ in range(4)])
    for missed, (face,) in enumerate(frames[2:], start=1):
        assert cv2.contourArea(face.outline) == pytest.approx(
            cv2.contourArea(start.outline) * 1.02 ** (2 * missed), rel=1e-3
        )
        assert np.allclose(centre(face), centre(start), atol=1e-2)
        assert np.allclose(face.to_unit, start.to_unit, atol=1e-6)
        box = face.box
        assert (face.outline >= [box.left, box.top]).all()
        assert (face.outline < [box.right, box.bottom]).all()


def test_a_carried_face_moves_on_with_fading_speed() -> None:
    frames = run([face_at(300, 200, 100)], [face_at(310, 205, 100)], [], [], [])
    x, speed = 310.0, 10.0
    for (face,) in frames[2:]:
        speed *= 0.85
        x += speed
        assert crop_centre(face) == pytest.approx([x, 205 + (x - 310) / 2], abs=0.05)
        assert centre(face)[0] - centre(frames[1][0])[0] == pytest.approx(x - 310, abs=0.05)


def test_a_face_that_comes_back_keeps_its_track_and_its_true_place() -> None:
    back = face_at(304, 200, 100)
    frames = run([face_at(300, 200, 100)], [], [], [back], [])
    (face,) = frames[3]
    assert (face.track, face.missed_frames) == (0, 0)
    assert np.array_equal(face.to_unit, back.to_unit)
    assert np.allclose(crop_centre(frames[4][0]), [304, 200], atol=1e-3)


def test_a_face_that_left_the_frame_is_let_go() -> None:
    frames = run([face_at(600, 200, 60)], [face_at(630, 200, 60)], *[[] for _ in range(6)])
    assert frames[-1] == []


def test_faces_come_largest_first() -> None:
    frames = run(
        [face_at(100, 100, 60), face_at(300, 200, 120)],
        [face_at(100, 100, 60)],
        [face_at(500, 400, 200), face_at(100, 100, 60)],
    )
    for faces in frames:
        areas = [face.box.area for face in faces]
        assert areas == sorted(areas, reverse=True)


def test_it_closes_the_finder() -> None:
    finder = FakeFaces([])
    HeldFaces(finder).close()
    assert finder.closed == 1


def test_what_may_wait_is_done_by_the_finder() -> None:
    finder = FakeFaces([])
    HeldFaces(finder).catch_up()
    assert finder.caught_up == 1


# A face that only the finder lost, on a real picture, as the product holds it.


def tilted(pixels: Pixels, face: Face, degrees: float) -> Pixels:
    """The same face, its head tilted."""
    box = face.box
    middle = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    turn = cv2.getRotationMatrix2D(middle, degrees, 1)
    return cv2.warpAffine(pixels, turn, pixels.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def after_the_finder(
    before: list[Face], frames: int, after: list[Face], pixels: Pixels, later: Pixels | None = None
) -> list[list[Face]]:
    """What is held in 40 frames after the finder saw something for so many, and then changed."""
    held = HeldFaces(FakeFaces(*[before] * frames, after))
    for _ in range(frames):
        held.find(pixels)
    return [held.find(pixels if later is None else later) for _ in range(40)]


@pytest.fixture(scope="module")
def known(astronaut: Pixels, still_faces: MediaPipeFaces) -> Face:
    return still_faces.find(astronaut)[0]


def test_a_steady_face_that_only_the_finder_lost_stays_where_it_is(
    astronaut: Pixels, known: Face
) -> None:
    for faces in after_the_finder([known], 10, [], astronaut):
        (face,) = faces
        assert (face.track, face.missed_frames) == (0, 1)
        assert face.box.area == pytest.approx(known.box.area, rel=0.03)
        assert np.abs(centre(face) - centre(known)).max() < 3


def test_a_face_seen_for_a_moment_is_carried_on_for_half_a_second(
    astronaut: Pixels, known: Face
) -> None:
    found = after_the_finder([known], 3, [], astronaut)
    assert [len(faces) for faces in found] == [1] * 15 + [0] * 25


@pytest.mark.parametrize(("degrees", "frames"), [(6, 40), (20, 15)])
def test_a_head_that_tilts_a_little_is_still_there_and_one_that_turned_away_is_not(
    astronaut: Pixels, known: Face, degrees: float, frames: int
) -> None:
    later = tilted(astronaut, known, degrees)
    found = after_the_finder([known], 10, [], astronaut, later)
    assert [len(faces) for faces in found] == [1] * frames + [0] * (40 - frames)


def test_a_steady_face_half_behind_another_is_carried_on_but_not_for_ever(
    astronaut: Pixels,
) -> None:
    """It may be there beside the one that is seen, or be that one."""
    small, large = face_at(148, 150, 90), face_at(250, 200, 300)
    share = small.box.common(large.box).area / small.box.area
    assert 0.6 < share < 0.8
    assert small.box.overlap(large.box) < 0.2
    found = after_the_finder([small], 10, [large], astronaut)
    assert [len(faces) for faces in found] == [2] * 15 + [1] * 25
