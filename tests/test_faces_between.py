from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import pytest

from camfilter.bench.scene import Scene
from camfilter.faces.base import Box, Face
from camfilter.faces.between import BetweenFrames
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.faces.placement import apart
from camfilter.faces.placing import mesh_points
from camfilter.faces.solutions import load_solutions
from camfilter.frames import Pixels, Size
from fakes import face_at

SIZE = Size(640, 360)
START_PX = np.array([200.0, 60.0])


class Counted:
    """A real finder that tells when it was asked."""

    def __init__(self, finder: MediaPipeFaces) -> None:
        self._finder = finder
        self.found: list[int] = []
        self.looked: list[int] = []
        self.frame = -1
        self.closed = 0

    def find(self, pixels: Pixels) -> list[Face]:
        self.found.append(self.frame)
        return self._finder.find(pixels)

    def look(self, pixels: Pixels, known: Sequence[Face], *, part: Box | None = None) -> list[Face]:
        if part is None:
            self.looked.append(self.frame)
        return self._finder.look(pixels, known, part=part)

    def close(self) -> None:
        self.closed += 1
        self._finder.close()


@pytest.fixture
def counted() -> Iterator[Counted]:
    finder = Counted(MediaPipeFaces())
    yield finder
    finder.close()


def run(faces: BetweenFrames, counted: Counted, pictures: Sequence[Pixels]) -> list[list[Face]]:
    answers = []
    for index, pixels in enumerate(pictures):
        counted.frame = index
        answers.append(faces.find(pixels))
        faces.catch_up()
    return answers


def crop_centre(face: Face) -> np.ndarray:
    inverse = cv2.invertAffineTransform(face.to_unit)
    return inverse[:, :2] @ [0.5, 0.5] + inverse[:, 2]


def moved_and_noisy(pixels: Pixels, by_px: np.ndarray, noise: np.random.Generator) -> Pixels:
    """A picture at a third of its size, moved, as a sensor in dim light sees it."""
    matrix = np.column_stack([np.eye(2) / 3, by_px])
    area = (SIZE.width, SIZE.height)
    small = cv2.warpAffine(pixels, matrix, area, borderMode=cv2.BORDER_REPLICATE)
    return np.clip(small + noise.normal(0, 6, small.shape), 0, 255).astype(np.uint8)


def greatest_step(answers: Sequence[Sequence[Face]], shifts_px: Sequence[np.ndarray]) -> float:
    """How far the crop slips on the face from one picture to the next, in crops."""
    centres = [
        face.to_unit[:, :2] @ (crop_centre(answers[0][0]) + shift) + face.to_unit[:, 2]
        for (face,), shift in zip(answers, shifts_px, strict=True)
    ]
    return float(np.linalg.norm(np.diff(centres, axis=0), axis=1).max())


def test_a_moving_face_is_in_every_picture_where_the_finder_would_see_it(counted: Counted) -> None:
    scene = Scene(SIZE, 1)
    pictures = [scene.bgr(index) for index in range(40)]
    every = MediaPipeFaces()
    wanted = [every.find(pixels) for pixels in pictures]
    every.close()
    answers = run(BetweenFrames(counted), counted, pictures)
    assert len(counted.found) < 20
    for (face,), (true,) in zip(answers, wanted, strict=True):
        assert face.missed_frames == 0
        assert np.linalg.norm(crop_centre(face) - crop_centre(true)) < 2.5
        assert face.box.overlap(true.box) > 0.9
        assert face.box == Box.around(face.outline)


def test_what_a_face_wears_stays_on_its_features(counted: Counted, hopper: Pixels) -> None:
    """Moved by known shifts, the crop stays on the face, steadier than the finder puts it."""
    shifts_px = [np.array([0.9 * index, 0.4 * index], np.float32) for index in range(24)]
    noise = np.random.default_rng(0)
    pictures = [moved_and_noisy(hopper, shift + START_PX, noise) for shift in shifts_px]
    raw = MediaPipeFaces()
    found = [raw.find(pixels) for pixels in pictures]
    raw.close()
    answers = run(BetweenFrames(counted), counted, pictures)
    assert 4 < len(counted.found) < 20
    assert greatest_step(answers, shifts_px) < 0.3 * greatest_step(found, shifts_px)
    assert greatest_step(answers, shifts_px) < 0.005


def swinging(pixels: Pixels, frames: int, period_frames: float) -> list[Pixels]:
    """A head that swings to and fro, turns and comes nearer, before a camera."""
    pictures = []
    for index in range(frames):
        swing = np.sin(2 * np.pi * index / period_frames)
        matrix = cv2.getRotationMatrix2D((256, 300), 9 * swing, (1 + 0.1 * swing) / 2.2)
        matrix[:, 2] += [60 + 70 * swing, -100]
        pictures.append(cv2.warpAffine(pixels, matrix, (SIZE.width, SIZE.height), borderMode=1))
    return pictures


@pytest.mark.parametrize("period_frames", [24, 40, 60, 90, 180])
def test_a_lively_head_is_followed_at_any_speed(
    counted: Counted, astronaut: Pixels, period_frames: float
) -> None:
    """MediaPipe's mesh misplaces a face by half that it last saw somewhere else."""
    pictures = swinging(astronaut, 75, period_frames)
    every = MediaPipeFaces()
    wanted = [every.find(pixels) for pixels in pictures]
    every.close()
    answers = run(BetweenFrames(counted), counted, pictures)
    for faces, (true, *_) in zip(answers, wanted, strict=True):
        assert min(apart(true, face) for face in faces) < 0.1


def test_a_face_that_moves_and_grows_far_is_followed_with_few_looks(
    counted: Counted, hopper: Pixels
) -> None:
    """It leaves the part of the picture in which it was seen first; that part goes with it."""
    steps = range(90)
    places = [
        cv2.getRotationMatrix2D((0, 0), 0, (1 + 0.005 * step) / 3)
        + np.column_stack([np.zeros((2, 2)), START_PX + step * np.array([1.2, -0.5])])
        for step in steps
    ]
    area = (SIZE.width, SIZE.height)
    pictures = [cv2.warpAffine(hopper, place, area, borderMode=1) for place in places]
    answers = run(BetweenFrames(counted), counted, pictures)
    assert len(counted.found) < 70
    first, last = answers[0][0], answers[-1][0]
    start = cv2.invertAffineTransform(places[0]) @ [*crop_centre(first), 1]
    end = places[-1] @ [*start, 1]
    width_px = last.box.right - last.box.left
    assert np.linalg.norm(crop_centre(last) - end) < 0.04 * width_px
    grown = np.hypot(*first.to_unit[:, 0]) / np.hypot(*last.to_unit[:, 0])
    assert grown == pytest.approx(1 + 0.005 * steps[-1], abs=0.05)


def test_a_face_that_is_followed_is_not_taken_for_a_new_one_too(counted: Counted) -> None:
    scene = Scene(Size(1280, 720), 4)
    for faces in run(BetweenFrames(counted), counted, [scene.bgr(index) for index in range(24)]):
        assert len(faces) == 4
        for index, face in enumerate(faces):
            assert all(face.box.overlap(other.box) < 0.1 for other in faces[:index])


def test_the_finder_looks_at_steady_pictures_after_they_are_answered(counted: Counted) -> None:
    scene = Scene(SIZE, 1)
    faces = BetweenFrames(counted)
    at_once, afterwards = [], []
    for index in range(24):
        counted.frame, before = index, len(counted.found)
        faces.find(scene.bgr(index))
        answered = len(counted.found)
        faces.catch_up()
        faces.catch_up()
        at_once.append(answered - before)
        afterwards.append(len(counted.found) - answered)
    assert at_once[:4] == [1, 1, 1, 0]  # the first three, until the face is known
    assert sum(at_once) < 8
    assert max(afterwards) == 1
    assert 3 <= sum(afterwards) <= 6


def test_answers_do_not_depend_on_when_it_catches_up(counted: Counted) -> None:
    scene = Scene(SIZE, 1)
    pictures = [scene.bgr(index) for index in range(20)]
    early = run(BetweenFrames(counted), counted, pictures)
    other = MediaPipeFaces()
    late_faces = BetweenFrames(other)
    late = [late_faces.find(pixels) for pixels in pictures]
    other.close()
    for (one,), (another,) in zip(early, late, strict=True):
        assert np.array_equal(one.outline, another.outline)


class Shown:
    """A finder that sees what it is told to see."""

    def __init__(self) -> None:
        self.faces: list[Face] = []

    def find(self, pixels: Pixels) -> list[Face]:
        return list(self.faces)

    def look(self, pixels: Pixels, known: Sequence[Face], *, part: Box | None = None) -> list[Face]:
        return []

    def close(self) -> None: ...


@pytest.mark.parametrize("again", [True, False])
def test_a_face_too_small_to_be_carried_is_shown_in_the_next_picture(
    astronaut: Pixels, again: bool
) -> None:
    finder = Shown()
    large, small = face_at(224, 130, 90), face_at(60, 60, 16)
    finder.faces = [large]
    faces = BetweenFrames(finder)
    for _ in range(6):
        assert [face.box for face in faces.find(astronaut)] == [large.box]
    finder.faces = [large, small]
    faces.catch_up()
    finder.faces = [large, small] if again else [large]
    assert {face.box for face in faces.find(astronaut)} == {large.box, small.box}
    assert len(faces.find(astronaut)) == len(finder.faces)


def test_far_faces_are_looked_for_where_the_finder_is_spared(counted: Counted) -> None:
    scene = Scene(SIZE, 1)
    run(BetweenFrames(counted, look_every=4), counted, [scene.bgr(index) for index in range(40)])
    assert len(counted.looked) >= 6
    assert not set(counted.looked) & set(counted.found)


def test_the_finder_may_be_asked_less_often_from_one_picture_to_the_next(counted: Counted) -> None:
    scene = Scene(SIZE, 1)
    every = 3
    faces = BetweenFrames(counted, find_every=lambda: every)
    run(faces, counted, [scene.bgr(index) for index in range(20)])
    before = len(counted.found)
    every = 6
    run(faces, counted, [scene.bgr(index) for index in range(20, 40)])
    assert 3 <= len(counted.found) - before <= 5


@pytest.mark.parametrize("at", [20, 21, 22, 23])
def test_a_face_that_appears_at_once_is_seen_in_that_very_picture(
    counted: Counted, astronaut: Pixels, at: int
) -> None:
    scene = Scene(SIZE, 1)
    pictures = [scene.bgr(index).copy() for index in range(24)]
    guest = cv2.resize(astronaut[20:220, 120:320], (110, 110), interpolation=cv2.INTER_AREA)
    for pixels in pictures[at:]:
        pixels[120:230, 500:610] = guest
    place = Box(500, 120, 610, 230)
    answers = run(BetweenFrames(counted), counted, pictures)
    assert at in counted.found
    assert any(face.box.common(place).area > 0.5 * face.box.area for face in answers[at])


class FailsOnce(Counted):
    """One that fails in one frame, in one of the two ways of looking."""

    def __init__(self, finder: MediaPipeFaces, *, fails_in: str, at: int) -> None:
        super().__init__(finder)
        self._fails_in, self._at = fails_in, at

    def find(self, pixels: Pixels) -> list[Face]:
        self._fail_in("find")
        return super().find(pixels)

    def look(self, pixels: Pixels, known: Sequence[Face], *, part: Box | None = None) -> list[Face]:
        if part is not None:
            self._fail_in("look")
        return super().look(pixels, known, part=part)

    def _fail_in(self, way: str) -> None:
        if (way, self.frame) == (self._fails_in, self._at):
            raise RuntimeError("The model hiccuped.")


@pytest.mark.parametrize(("fails_in", "width_px"), [("find", 110), ("look", 55)])
def test_a_face_that_appears_while_the_finder_fails_is_seen_in_the_next_picture(
    astronaut: Pixels, fails_in: str, width_px: int
) -> None:
    at = 21
    finder = FailsOnce(MediaPipeFaces(), fails_in=fails_in, at=at)
    faces, scene = BetweenFrames(finder), Scene(SIZE, 1)
    guest = cv2.resize(
        astronaut[20:220, 120:320], (width_px, width_px), interpolation=cv2.INTER_AREA
    )
    place = Box(500, 120, 500 + width_px, 120 + width_px)
    for finder.frame in range(at + 2):
        pixels = scene.bgr(finder.frame).copy()
        if finder.frame >= at:
            pixels[place.slices()] = guest
        if finder.frame == at:
            with pytest.raises(RuntimeError):
                faces.find(pixels)
        else:
            found = faces.find(pixels)
            faces.catch_up()
    faces.close()
    assert any(face.box.common(place).area > 0.5 * face.box.area for face in found)


class Recorded(Shown):
    """One that tells in which frames it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.frame = 0
        self.asked: list[int] = []

    def find(self, pixels: Pixels) -> list[Face]:
        self.asked.append(self.frame)
        return super().find(pixels)


def test_after_a_doubt_the_finder_looks_often_again(astronaut: Pixels) -> None:
    finder = Recorded()
    finder.faces = [face_at(224, 130, 90)]
    faces = BetweenFrames(finder)
    for finder.frame in range(60):
        faces.find(np.zeros_like(astronaut) if finder.frame == 40 else astronaut)
        faces.catch_up()
    apart = np.diff(finder.asked)
    steady, doubted = apart[: finder.asked.index(40)], apart[finder.asked.index(41) :]
    assert steady[:-1].max() == 6
    assert doubted[0] == 1
    assert list(doubted[1:3]) == [4, 5]


def test_a_cut_makes_the_finder_look(counted: Counted, hopper: Pixels) -> None:
    scene = Scene(SIZE, 1)
    other = cv2.resize(hopper[:288], (SIZE.width, SIZE.height))
    pictures = [*[scene.bgr(index) for index in range(20)], other, other]
    run(BetweenFrames(counted), counted, pictures)
    assert 20 in counted.found


def test_a_face_that_is_covered_is_not_carried_on_as_seen(counted: Counted) -> None:
    scene = Scene(SIZE, 1)
    pictures = [scene.bgr(index).copy() for index in range(20)]
    faces = BetweenFrames(counted)
    before = run(faces, counted, pictures[:-1])
    box = before[-1][0].box
    pictures[-1][box.slices()] = 110
    counted.frame = 19
    assert faces.find(pictures[-1]) == []
    assert counted.found[-1] == 19


def test_without_a_face_the_finder_sees_every_picture(counted: Counted) -> None:
    wall = np.full((SIZE.height, SIZE.width, 3), 110, np.uint8)
    assert run(BetweenFrames(counted), counted, [wall] * 8) == [[]] * 8
    assert counted.found == list(range(8))


def test_pictures_may_change_their_size(counted: Counted) -> None:
    small, large = Scene(SIZE, 1, 12), Scene(Size(960, 540), 1, 12)
    faces = BetweenFrames(counted)
    run(faces, counted, [small.bgr(index) for index in range(9)])
    counted.frame = 9
    (face,) = faces.find(large.bgr(9))
    assert counted.found[-1] == 9
    assert face.box.right <= 960


def test_it_closes_the_finder(counted: Counted) -> None:
    BetweenFrames(counted).close()
    assert counted.closed == 1


def test_landmarks_from_the_wire_are_those_of_the_message(hopper: Pixels) -> None:
    with load_solutions().face_mesh.FaceMesh(static_image_mode=True) as mesh:
        (found,) = mesh.process(cv2.cvtColor(hopper, cv2.COLOR_BGR2RGB)).multi_face_landmarks
    wanted = np.array([(p.x * 512, p.y * 600) for p in found.landmark], np.float32)
    assert np.allclose(mesh_points(found, 512, 600), wanted, atol=1e-3)
    found.landmark[3].visibility = 0.5  # lays this landmark out in another way
    assert np.allclose(mesh_points(found, 512, 600), wanted, atol=1e-3)
